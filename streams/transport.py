"""A Faust transport that hands agents whole batches: broker URLs `tagpulse://host:port`.

It drains what aiokafka fetched partition by partition (`drain`). Where a partition starts, and what is committed,
is decided by the app's checkpoints: Faust's own acks, commits and seeks are switched off. Built on aiokafka 0.14 and
Faust 0.15, hence their narrow ranges.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from typing import Any

import aiokafka
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import ConsumerStoppedError, KafkaError
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.structs import OffsetAndMetadata
from faust.tables.recovery import RebalanceAgain
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from streams.batch import RecordBatch
from streams.counters import compiled
from streams.drain import drain, drain_bytes, gaps_in, keep_fetched_bytes, read_responses_at_once
from streams.errors import SupersededError
from streams.gaps import Doubts
from streams.kafka import security_options

log = logging.getLogger(__name__)

#: Shorter than Faust's broker_request_timeout of 90 s.
TAKEOVER_DEADLINE_S = 80.0
_END_MAX_WAIT_MS = 1_000


async def log_ends(consumer: aiokafka.AIOKafkaConsumer, partitions: Collection[TopicPartition]) -> dict[TP, int]:
    """The next offset of each log, for a reader of committed records.

    A broker may list another end than its fetches show: the embedded one lists the offset after the *first*
    record of the last batch. So that batch is asked for, and the response tells the end.
    """
    ends = {TP(tp.topic, tp.partition): end for tp, end in (await consumer.end_offsets(partitions)).items()}
    wanted: dict[int, dict[str, list[tuple[int, int, int]]]] = defaultdict(lambda: defaultdict(list))
    for tp, end in ends.items():
        leader = consumer._client.cluster.leader_for_partition(TopicPartition(*tp))
        if end > 0 and leader is not None and leader >= 0:
            wanted[leader][tp.topic].append((tp.partition, end - 1, 1))
    for node, topics in wanted.items():
        # One byte: a broker gives at most one batch then. It may wait, or the embedded one gives no answer at all.
        request = FetchRequest(_END_MAX_WAIT_MS, 1, 1, READ_COMMITTED, list(topics.items()))
        response = await consumer._client.send(node, request)
        for topic, answers in response.topics:
            for partition, error, highwater, *rest in answers:
                if error == 0:  # else that last record was just removed, and the listed end is all we know
                    stable = rest[0] if response.API_VERSION >= 4 else highwater
                    ends[TP(topic, partition)] = max(ends[TP(topic, partition)], stable)
    return ends


class BatchConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """The thread that owns the aiokafka consumer."""

    _epochs: dict[TopicPartition, int]
    _commit: asyncio.Task[None]
    _doubts: Doubts
    _drained: Callable[[FetchResult, TopicPartition, int], list[RecordBatch]]

    def __post_init__(self) -> None:
        super().__post_init__()
        self._epochs = {}
        self._doubts = Doubts()
        keep_fetched_bytes()
        read_responses_at_once()
        self._drained = drain_bytes if compiled(self.app.settings.kernel, self.app.settings.rules()) else drain

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        conf, settings = self.app.conf, self.app.settings
        self._assignor = RoundRobinPartitionAssignor
        return aiokafka.AIOKafkaConsumer(
            client_id=conf.broker_client_id,
            group_id=conf.id,
            bootstrap_servers=driver.server_list(transport.url, transport.default_port),
            partition_assignment_strategy=[self._assignor],
            enable_auto_commit=False,
            # Where a partition starts is read from its claims; a guess here would lose or double events.
            auto_offset_reset="none",
            isolation_level="read_committed",
            check_crcs=conf.broker_check_crcs,
            max_partition_fetch_bytes=settings.kafka_fetch_max_bytes_per_partition,
            fetch_max_wait_ms=settings.kafka_fetch_max_wait_ms,
            fetch_min_bytes=settings.kafka_fetch_min_bytes,
            session_timeout_ms=int(settings.kafka_session_timeout_s * 1000),
            heartbeat_interval_ms=int(settings.kafka_session_timeout_s * 1000 / 3),
            rebalance_timeout_ms=int(settings.kafka_rebalance_timeout_s * 1000),
            # Backpressure may pause us for as long as ClickHouse is away; the watchdog looks for real stalls.
            max_poll_interval_ms=2**31 - 1,
            request_timeout_ms=int(conf.broker_request_timeout * 1000),
            metadata_max_age_ms=int(settings.kafka_metadata_max_age_s * 1000),
            connections_max_idle_ms=conf.consumer_connections_max_idle_ms,
            **security_options(settings),
        )

    async def on_thread_stop(self) -> None:
        """Stop the consumer, also while no broker can be reached."""
        try:
            await super().on_thread_stop()
        except asyncio.CancelledError:
            # aiokafka waits for a fetch that it has just cancelled. If that was pausing after an error, its end ends
            # the stop too, half done, and then Faust would wait for this thread for ever.
            await self._ensure_consumer()._client.close()

    async def log_ends(self, partitions: Collection[TP]) -> Mapping[TP, int]:
        """The next offset of each log (see the function `log_ends`)."""
        wanted = [TopicPartition(tp.topic, tp.partition) for tp in partitions]
        ends: Mapping[TP, int] = await self.call_thread(log_ends, self._ensure_consumer(), wanted)
        return ends

    async def seek_batches(self, starts: Mapping[TP, int], epoch: int) -> None:
        """Continue each partition at its offset; batches fetched from now on carry `epoch`."""
        await self.call_thread(self._seek_batches, dict(starts), epoch)

    async def _seek_batches(self, starts: Mapping[TP, int], epoch: int) -> None:
        consumer = self._ensure_consumer()
        self._epochs.clear()
        self._doubts.clear()
        for tp, offset in starts.items():
            partition = TopicPartition(tp.topic, tp.partition)
            consumer.seek(partition, offset)
            self._epochs[partition] = epoch

    async def check(self) -> dict[TP, float]:
        """Seconds since each partition was last fetched; those with records in hand are left out.

        aiokafka keeps some failures to itself until it is asked: raises KafkaError where the group refused us,
        or where one of the tasks that fetch and coordinate has died.
        """
        if self._consumer is None:
            return {}
        return dict(await self.call_thread(self._check))

    async def _check(self) -> dict[TP, float]:
        consumer = self._ensure_consumer()
        if consumer._closed:
            return {}
        consumer._coordinator.check_errors()
        for task in (consumer._coordinator._coordination_task, consumer._fetcher._fetch_task):
            if task.done():
                raise KafkaError(f"aiokafka's {task.get_coro().__qualname__} has ended")
        waiting = consumer.assignment() - consumer._fetcher._records.keys()
        fetched = {tp: consumer.last_poll_timestamp(tp) for tp in waiting}
        return {TP(*tp): time.time() - at / 1000 for tp, at in fetched.items() if at}

    async def commit_for_lag(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """Commit offsets to Kafka, for tools that show lag. Best effort: nothing depends on it."""
        await self.call_thread(self._commit_for_lag, offsets)

    async def _commit_for_lag(self, offsets: Mapping[tuple[str, int], int]) -> None:
        # A thread that stops cancels its calls. aiokafka shields a commit from that and then forgets it, and asyncio
        # logs a traceback when the group refuses it: so it is a task that somebody listens to until its end.
        self._commit = asyncio.create_task(self._committed(offsets))
        await asyncio.shield(self._commit)

    async def _committed(self, offsets: Mapping[tuple[str, int], int]) -> None:
        try:
            await self._ensure_consumer().commit(
                {TopicPartition(*tp): OffsetAndMetadata(offset, "") for tp, offset in offsets.items()}
            )
        except KafkaError as error:
            log.debug("offsets were not committed: %r", error)

    async def _fetch_records(
        self,
        consumer: aiokafka.AIOKafkaConsumer,
        active_partitions: set[TP],
        timeout: float | None = None,
        max_records: int | None = None,
    ) -> dict[TP, list[RecordBatch]]:
        fetcher = consumer._fetcher
        if consumer._closed or fetcher._closed:
            raise ConsumerStoppedError
        with fetcher._subscriptions.fetch_context():
            return await self._drain(fetcher, active_partitions, timeout or 0)

    async def _drain(self, fetcher: Any, active: set[TP], timeout: float) -> dict[TP, list[RecordBatch]]:
        deadline = time.monotonic() + timeout
        while True:
            if fetcher._subscriptions.reassignment_in_progress:
                await fetcher._subscriptions.wait_for_assignment()
            # Looked at here, after every wait: what is drained between a seek and the go-ahead would be dropped
            # above, and nobody would seek back to it.
            if not self.consumer.flow_active:
                return {}
            drained: dict[TP, list[RecordBatch]] = {}
            waits = [max(deadline - time.monotonic(), 0)]
            for tp in list(fetcher._records):
                if tp not in active:
                    if not fetcher._subscriptions.is_assigned(tp):
                        del fetcher._records[tp]
                    continue
                found = fetcher._records[tp]
                if type(found) is not FetchResult and drained:
                    break  # The error is raised on the next call, after what we have.
                pieces: list[RecordBatch] | None = None
                if type(found) is FetchResult:
                    wait = self._wait_for_gaps(found, tp)
                    if wait:
                        waits.append(wait)
                        continue
                    pieces = self._drained(found, tp, self._epochs.get(tp, -1)) if wait is None else []
                del fetcher._records[tp]
                fetcher._notify(fetcher._wait_consume_future)
                if pieces is None:
                    found.check_raise()
                elif pieces:
                    drained[TP(tp.topic, tp.partition)] = pieces
            if drained or waits[0] <= 0:
                return drained
            waiter = fetcher._create_fetch_waiter()
            done, _ = await asyncio.wait([waiter], timeout=min(waits))
            if fetcher._closed:
                waiter.cancel()
                return {}
            if done:
                waiter.result()  # Raises errors of the group's coordination.
            else:
                waiter.cancel()

    def _wait_for_gaps(self, found: FetchResult, tp: TopicPartition) -> float | None:
        """See Doubts.wait_s."""
        missing = gaps_in(found)
        wait = self._doubts.wait_s(tp, missing, found._assignment.state_value(tp).highwater or 0)
        if missing and wait is None:
            self.app.metrics.missing(tp.topic, sum(end - begin for begin, end in missing))
        return wait


class BatchConsumer(driver.Consumer):  # type: ignore[misc]
    """Runs in the app's loop; passes batches on and leaves starts and commits to the app's checkpoints."""

    _thread: BatchConsumerThread

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def _to_message(self, tp: TP, record: RecordBatch) -> ConsumerMessage:
        # Faust drops messages whose offset lies before the last one read: the first offset of a chain grows.
        return ConsumerMessage(
            record.topic, record.partition, record.first, time.time(), 0, [], None, record, None, 0, 0, tp,
            generation_id=self.app.consumer_generation_id,
        )  # fmt: skip

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        """Yield the batches of one fetch, round robin over topics."""
        try:
            records, active = await self._wait_next_records(timeout)
        except KafkaError as error:
            if self.should_stop or isinstance(error, ConsumerStoppedError):
                raise
            self.app.fatal(f"Kafka refused a fetch: {error!r}. {_REMEDY.get(type(error).__name__, '')}")
            return
        if records is None or self.should_stop:
            return
        generation = self.app.consumer_generation_id
        for tp, batch in self.scheduler.iterate(records):
            # What is left behind here is fetched again: a rebalance has begun, and ends in a seek.
            if not self.flow_active or self.app.consumer_generation_id != generation:
                return
            if active is None or tp in active:
                yield tp, self._to_message(tp, batch)

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Continue every assigned partition where its claims say. Kafka's committed offsets are not asked."""
        assignment = self.assignment()
        if not assignment:
            return {}
        starts: Mapping[TP, int]
        try:
            # Faust gives up after broker_request_timeout without a word, and never seeks again: be faster.
            async with asyncio.timeout(TAKEOVER_DEADLINE_S):
                begins = await self.earliest_offsets(*assignment)
                ends = await self._thread.log_ends(assignment)
                starts, epoch = await self.app.checkpoints.assign(
                    {TP(tp.topic, tp.partition): (begins[tp], ends[tp]) for tp in assignment}
                )
                await self._thread.seek_batches(starts, epoch)
        except SupersededError:
            raise RebalanceAgain from None
        except TimeoutError:
            self.app.fatal(f"partitions could not be taken over within {TAKEOVER_DEADLINE_S:.0f} s")
        except Exception as error:
            if not self.app.should_stop:
                self.app.fatal(f"partitions could not be taken over: {error}")
            raise
        return starts

    async def check(self) -> dict[TP, float]:
        """See BatchConsumerThread.check."""
        return await self._thread.check()

    def log_end(self, topic: str, partition: int) -> int | None:
        """Offset behind the last record that may be read, as of the last fetch; None while it is not known.

        An open transaction holds readers back: what lies behind it is not our lag.
        """
        tp = TopicPartition(topic, partition)
        consumer = self._thread._consumer
        if consumer is None or tp not in consumer.assignment():
            return None
        stable: int | None = consumer.last_stable_offset(tp)
        end: int | None = stable if stable is not None and stable >= 0 else consumer.highwater(tp)
        return end

    async def commit_for_lag(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """Commit offsets by (topic, partition) to Kafka, for tools that show lag."""
        await self._thread.commit_for_lag(offsets)

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """Do nothing: offsets are committed after their rows have landed, by the checkpoints."""
        return False

    def on_buffer_full(self, tp: TP) -> None:
        """Do nothing: a full queue blocks the drain loop, which is the backpressure we want."""

    def on_buffer_drop(self, tp: TP) -> None:
        """Do nothing, see on_buffer_full."""

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Do nothing: the app's watchdog looks at claims, not at Faust's acks."""


class Transport(driver.Transport):  # type: ignore[misc]
    """Entry point of the scheme `tagpulse://` (group `faust.transports` in pyproject.toml)."""

    Consumer = BatchConsumer


_REMEDY = {
    "OffsetOutOfRangeError": (
        "The log no longer holds the next offset: events were removed before they were counted, or the topic was "
        "made again. `tagpulse topics reset TOPIC` continues at what is left."
    ),
    "RecordTooLargeError": "Raise TAGPULSE_KAFKA_FETCH_MAX_BYTES_PER_PARTITION above the largest record.",
    "TopicAuthorizationFailedError": "Grant the worker read access to the topic.",
}
