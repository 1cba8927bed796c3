"""Checkpoints: cut each partition's counts into deltas and bring them to ClickHouse, each exactly once.

This is the only place that knows both the log and the claims. Every method but `start` and `stop` runs in the
app's event loop; the writer blocks and therefore runs in threads. Protocol: docs/protocol.md.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar
from uuid import uuid4

from schemas.topics import EventType
from sinks.claims import Claim, Log
from sinks.errors import SinkError
from sinks.names import Names
from sinks.writer import Writer
from streams.batch import RecordBatch
from streams.counters import TopicCounter
from streams.duplicates import Duplicates
from streams.errors import StreamError, SupersededError
from streams.in_force import RulesInForce
from streams.metrics import Metrics
from streams.partition import Delta, Limits, Partition
from streams.settings import Settings

log = logging.getLogger(__name__)
T = TypeVar("T")
Key = tuple[str, int]

_WRITERS = 8
_TICK_S = 0.05
_NAMES_INTERVAL_S = 5.0
_PRUNE_INTERVAL_S = 3600.0
_COMMIT_INTERVAL_S = 1.0
_COMMIT_TIMEOUT_S = 2.0


class TopicPartition(Protocol):
    """A topic and a partition of it; Faust's and aiokafka's both fit."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...


class Checkpoints:
    """All partitions of one worker.

    `event_types` maps topic names; `topic_counters` are the counters of these topics, by the settings' rules;
    `log_end` tells the offset behind the last record that a log is known to have; `commit` tells Kafka an offset, for
    lag tools; `fatal` ends the process with a message: dropping everything and starting over is the one answer to
    every doubt about ownership. `groups` asks for the groups of tags of the campaigns, which may change at any time
    (it blocks, and raises SinkError); None: there are none.
    """

    def __init__(
        self,
        settings: Settings,
        writer: Writer,
        event_types: Mapping[str, EventType],
        topic_counters: Mapping[str, TopicCounter],
        log_end: Callable[[str, int], int | None],
        commit: Callable[[Mapping[Key, int]], Awaitable[None]],
        fatal: Callable[[str], None],
        metrics: Metrics,
        clock: Callable[[], float] = time.time,
        groups: Callable[[], Mapping[str, tuple[str, ...]]] | None = None,
    ) -> None:
        self._settings = settings
        self._writer = writer
        self._names = Names(writer.client)
        self._commit = commit
        self._fatal = fatal
        self._metrics = metrics
        self._clock = clock
        self._follows_campaigns = groups is not None
        self._rules = RulesInForce(settings, event_types, topic_counters, writer, groups)
        self._log_end = log_end
        self._partitions: dict[Key, Partition] = {}
        self._epoch = 0
        self._limits = Limits.of(settings, 1)
        self._threads = ThreadPoolExecutor(_WRITERS, thread_name_prefix="writer")
        self._background: list[asyncio.Task[None]] = []
        self.ready = False
        """Whether the partitions of the current assignment have been taken over."""

    # -- assignment ------------------------------------------------------------------------------------------

    async def assign(self, bounds: Mapping[TopicPartition, tuple[int, int]]) -> tuple[dict[TopicPartition, int], int]:
        """Take over partitions; `bounds` holds the first and the next offset of each log.

        Returns the offsets to read from and the epoch that batches must carry. Everything held before is
        dropped. Raises StreamError or SinkError; then nothing was taken over.
        """
        self._drop_all()
        self._epoch += 1
        epoch = self._epoch
        await self._rules.begin(self._blocking)
        taken = await asyncio.gather(*(self._take_over(tp, *bounds[tp], epoch) for tp in bounds))
        if epoch != self._epoch:
            raise SupersededError("the partitions were taken away while they were being taken over")
        self._partitions = {(p.log.topic, p.log.partition): p for p, _ in taken}
        self._limits = Limits.of(self._settings, len(taken))
        self.ready = True
        log.info("took over %d partitions: %s", len(taken), ", ".join(f"{p.log} at {p.position}" for p, _ in taken))
        return {tp: start for tp, (_, start) in zip(bounds, taken, strict=True)}, epoch

    async def _take_over(self, tp: TopicPartition, begin: int, end: int, epoch: int) -> tuple[Partition, int]:
        incarnation = await self._blocking(self._writer.incarnation, tp.topic)
        name = Log(tp.topic, incarnation, tp.partition)
        last = await self._blocking(self._writer.chain_end, name, begin, self._settings.worker_name, uuid4())
        open_claim = None if last.done else last
        partition = Partition(name, epoch, last, open_claim)
        counter = await self._counter_of(open_claim) if open_claim is not None else None
        reach = counter.verdicts.rules.dedup_records if counter is not None else 0
        if farthest := max(reach, self._settings.dedup_records):
            position = partition.position
            past = await self._rules.past(name, position - farthest, position, self._blocking)
            partition.duplicates = Duplicates(farthest, past)
            partition.cut = begin > max(position - reach, partition.duplicates.begin)
        start = partition.start_offset(begin, end)
        if open_claim is not None and counter is not None:
            log.info("%s was left open by %s: counting it again", open_claim.token, open_claim.worker)
            partition.delta = Delta(
                open_claim.first, open_claim.clock, counter, open_claim, duplicates=partition.duplicates
            )
        return partition, start

    async def _counter_of(self, claim: Claim) -> TopicCounter:
        return await self._rules.counter_of(claim, self._blocking)

    # -- counting --------------------------------------------------------------------------------------------

    async def add(self, batch: RecordBatch) -> None:
        """Count a batch. Returns late while ClickHouse is slow or away: that is the backpressure."""
        key = (batch.topic, batch.partition)
        partition = self._partitions.get(key)
        if partition is None or partition.epoch != batch.epoch:
            return  # Fetched under an assignment that is over; its owner of today reads it again.
        try:
            rest = partition.fresh_part(batch)
            while rest is not None and self._partitions.get(key) is partition:
                rest = await self._add(partition, rest)
        except (StreamError, SinkError) as error:
            self._give_up(partition, error)

    async def _add(self, partition: Partition, batch: RecordBatch) -> RecordBatch | None:
        if partition.delta is None:
            rules, counter = self._rules.of(batch.topic)
            if not self._settings.dedup_records:
                partition.duplicates = None  # only the claim that was recounted asked for them
            partition.delta = Delta(batch.first, self._clock(), counter, rules=rules, duplicates=partition.duplicates)
        delta, rest = partition.delta, None
        if delta.ends_at is not None and batch.next_offset > delta.ends_at:
            batch, rest = batch.split(delta.ends_at)
        outcome = delta.add(batch)
        partition.position = delta.next
        self._names.see(outcome.display_forms)
        self._metrics.counted(batch.topic, outcome)
        if delta.complete or delta.reaches(self._limits):
            await self._flush(partition)
            if delta.complete:
                await self._written(partition)
        return rest

    # -- writing ---------------------------------------------------------------------------------------------

    async def _flush(self, partition: Partition) -> None:
        """Start to write the delta in hand, after the one before has landed."""
        while partition.writing is not None and not partition.writing.done():
            await asyncio.wait({partition.writing})
        # No await from here on: two callers must not take the same delta, nor start two writes at once.
        delta = partition.delta
        if delta is None or (delta.recounts and not delta.complete) or not self._holds(partition):
            return
        partition.delta = None
        partition.writing = asyncio.create_task(self._write(partition, delta))

    async def _written(self, partition: Partition) -> None:
        if partition.writing is not None:
            await asyncio.wait({partition.writing})

    async def _write(self, partition: Partition, delta: Delta) -> None:
        began = time.monotonic()
        try:
            tail = await self._blocking(self._write_blocking, partition, delta)
        except Exception as error:
            self._give_up(partition, error)
            return
        partition.tail, partition.open_claim = tail, None
        partition.moved_at = time.monotonic()
        self._metrics.landed(delta.counts, time.monotonic() - began)

    def _write_blocking(self, partition: Partition, delta: Delta) -> Claim:
        rows = delta.counts.rows()
        if delta.recounts is not None:
            delta.check_recount(delta.recounts, partition.cut)
            return self._writer.recover(delta.recounts, rows, lambda: partition.held)
        claim = delta.claim(partition.log, self._settings.worker_name, delta.rules, rows.months())
        return self._writer.write(claim, partition.tail, rows, lambda: partition.held)

    def _holds(self, partition: Partition) -> bool:
        return self._partitions.get((partition.log.topic, partition.log.partition)) is partition

    def _give_up(self, partition: Partition, error: Exception) -> None:
        if self._holds(partition):
            self._drop_all()
            if not isinstance(error, StreamError | SinkError):
                log.error("unexpected error", exc_info=error)
            self._fatal(f"{partition.log}: {error}")
        else:
            log.warning("%s, which is no longer ours: %s", partition.log, error)

    # -- giving partitions back ------------------------------------------------------------------------------

    async def release(self, deadline_s: float) -> bool:
        """Write what is in hand within `deadline_s` seconds, then drop everything. Returns whether all was written.

        What was not written is counted again by the next owner.
        """
        self.ready = False
        self._epoch += 1  # a take-over that is under way has been overtaken
        partitions = list(self._partitions.values())
        flushes = [asyncio.create_task(self._finish(p)) for p in partitions]
        done = pending = set[asyncio.Task[None]]()
        if flushes:
            done, pending = await asyncio.wait(flushes, timeout=deadline_s)
        for task in pending:
            task.cancel()
        await self._commit_progress()
        self._drop_all()
        if pending:
            log.warning(
                "%d of %d deltas were not written in time: their next owner counts them",
                len(pending),
                len(done | pending),
            )
        return not pending

    async def _finish(self, partition: Partition) -> None:
        await self._flush(partition)
        await self._written(partition)

    def _drop_all(self) -> None:
        for partition in self._partitions.values():
            partition.held = False  # seen by its writer, which runs in a thread
        self._partitions = {}
        self.ready = False

    # -- background ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the timers. Call in the app's event loop."""
        self._background = [
            asyncio.create_task(self._flush_forever()),
            asyncio.create_task(self._every(_NAMES_INTERVAL_S, self._names.write)),
            asyncio.create_task(self._every(_PRUNE_INTERVAL_S, self._prune)),
            asyncio.create_task(self._commit_forever()),
        ]
        if self._follows_campaigns:
            self._background.append(asyncio.create_task(self._rules.follow(self._blocking)))
        for task in self._background:
            task.add_done_callback(self._on_background_done)

    def _on_background_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            log.error("unexpected error", exc_info=task.exception())
            self._fatal(f"a task of the checkpoints has ended: {task.exception()!r}")

    async def stop(self, deadline_s: float) -> None:
        """Write what is in hand, then end the timers."""
        await self.release(deadline_s)
        for task in self._background:
            task.cancel()
        try:
            await asyncio.wait_for(self._blocking(self._names.write), 2.0)
        except TimeoutError:
            log.warning("display names of some hashtags were not written")
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _flush_forever(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            now = time.monotonic()
            for partition in list(self._partitions.values()):
                delta, writing = partition.delta, partition.writing
                if (
                    delta
                    and now - delta.begun >= self._interval_s(partition, delta)
                    and (writing is None or writing.done())
                ):
                    await self._flush(partition)
            self._metrics.pending(
                sum(len(p.delta.counts) for p in self._partitions.values() if p.delta),
            )

    def _interval_s(self, partition: Partition, delta: Delta) -> float:
        """How long to count before a flush. Fewer, larger deltas cost ClickHouse less, where nobody waits for them.

        While the log holds more records that were not counted than the delta, they make the counts late, not us.
        """
        end = self._log_end(partition.log.topic, partition.log.partition) or 0
        behind = end - partition.position > delta.counts.records
        return self._settings.catchup_flush_interval_s if behind else self._settings.flush_interval_s

    async def _commit_forever(self) -> None:
        while True:
            await asyncio.sleep(_COMMIT_INTERVAL_S)
            await self._commit_progress()

    async def _commit_progress(self) -> None:
        """Tell Kafka how far we are. Nothing depends on it but tools that show lag."""
        moved = {key: p for key, p in self._partitions.items() if p.tail.next != p.committed}
        if not moved:
            return
        offsets = {key: partition.tail.next for key, partition in moved.items()}
        try:
            await asyncio.wait_for(self._commit(offsets), _COMMIT_TIMEOUT_S)
        except TimeoutError:
            log.debug("offsets were not committed in time: %s", offsets)
        for key, partition in moved.items():
            partition.committed = offsets[key]

    async def _every(self, interval_s: float, action: Callable[[], None]) -> None:
        while True:
            await asyncio.sleep(interval_s)
            await self._blocking(action)

    def _prune(self) -> None:
        for partition in list(self._partitions.values()):
            try:
                self._writer.prune(partition.tail, self._settings.claims_kept_days, self._settings.dedup_records)
            except SinkError as error:
                log.warning("old claims of %s stay for now: %s", partition.log, error)

    @property
    def rules_version(self) -> str:
        """The rules that the next new delta is counted by."""
        return self._rules.version

    @property
    def held(self) -> set[Key]:
        """The partitions that have been taken over, as (topic, partition)."""
        return set(self._partitions)

    def stalled(self) -> str | None:
        """Name a partition that has records but whose claims have not moved for `watchdog_s`; None: all move."""
        now = time.monotonic()
        for (topic, number), partition in self._partitions.items():
            end = self._log_end(topic, number)
            if end is None or end <= partition.tail.next:
                partition.moved_at = now
            elif now - partition.moved_at > self._settings.watchdog_s:
                return (
                    f"{partition.log} has stood at {partition.tail.next} of {end} for {now - partition.moved_at:.0f} s"
                )
        return None

    def lag(self) -> dict[Key, int]:
        """Records per partition that are in the log but not yet in ClickHouse."""
        return {
            key: max(0, (self._log_end(*key) or 0) - partition.tail.next) for key, partition in self._partitions.items()
        }

    async def _blocking(self, function: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)
