"""A process that sends its share of a workload in an open loop: `sender SPEC`.

Builds its templates, fills the log with the backlog, if any, writes `ready-N`, waits for the file `go` (the moment
to begin, on the monotonic clock, and what to add to that to have unix time), and from then on puts the events of
each tick into batches when the tick is over, whether or not earlier ones were confirmed. Writes ledger and
journal as it goes, `progress-N` twice a second, `sent-N` at the end.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import psutil
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder

from loadtest.load.journal import Floats, Journal
from loadtest.load.ledger import Ledger
from loadtest.load.rates import Rates, share_of
from loadtest.load.templates import FRESH_WIDTH, Ints, Templates, iso_seconds
from loadtest.load.workload import Workload, parse
from loadtest.peers.job import cpu_s
from schemas.topics import TOPICS
from streams.kafka import security_options
from streams.settings import Settings

READY, GO, PROGRESS, SENT = "ready-", "go", "progress-", "sent-"
_LOOK_S = 0.01
_PROGRESS_S = 0.5
_ALONE_S = 0.3
#: Less than the 1,000,000 bytes that Kafka takes by default.
_BATCH_BYTES = 900_000
#: At rate max: events in a batch of a topic, and batches on their way.
_EAGER_EVENTS, _EAGER_BATCHES = 1_500, 24
#: Batches that wait for the broker. Past these the sender waits, and falls behind.
_MOST_WAITING = 4_000


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What one of several senders is told. `prefix`: of topics."""

    kafka: str
    idempotent: bool
    prefix: str
    folder: str
    sender: int
    workload: dict[str, Any]

    @classmethod
    def of(cls, workload: Workload, kafka: str, idempotent: bool, prefix: str, folder: Path, sender: int) -> Spec:
        """For a process."""
        return cls(
            kafka=kafka, idempotent=idempotent, prefix=prefix, folder=str(folder), sender=sender,
            workload=workload.model_dump(mode="json"),
        )  # fmt: skip

    def encode(self) -> str:
        """As an argument of a process."""
        return orjson.dumps(asdict(self)).decode()


class Composer:
    """Makes record batches of events that are due together."""

    def __init__(self, templates: Templates, sender: int, ledger: Ledger) -> None:
        self._workload = workload = templates.workload
        self._templates, self._ledger = templates, ledger
        self._rng = np.random.default_rng((workload.seed, sender + 1))
        self._pieces = [(t.before, t.between, t.after, t.rest, t.key or None, bool(t.reason)) for t in templates.all]
        self._identity = b"%08x" % (int(time.time()) & 0xFFFFFFFF) + b"%04x" % sender
        self._number = 0
        self._ticks = 0
        self._seconds: dict[int, bytes] = {}
        self._compression = {"none": 0, "gzip": 1, "lz4": 3, "zstd": 4}[workload.compression]

    def compose(self, dues: Floats, wall_s: float, second: float) -> list[tuple[int, BatchBuilder, Floats]]:
        """(place, closed batch, due times of its events) for events that are due at `dues`, ascending.

        `wall_s`: what to add to a due time to have unix time. `second`: of the run.
        """
        number = len(dues)
        chosen = self._templates.choose(self._rng, number, second)
        times_ms = self._times_ms(dues + wall_s)
        fresh = self._workload.fresh_hashtags
        slots = self._rng.integers(0, fresh, number) if fresh else np.zeros(number, "i8")
        self._ledger.add(times_ms // 60_000, chosen, slots)
        places = self._places(chosen)
        order = np.argsort(places, kind="stable")
        found, first = [], 0
        for place, end in _runs(places[order]):
            part = order[first:end]
            for builder, number in self._batches(chosen[part], times_ms[part], slots[part]):
                found.append((place, builder, dues[order[first : first + number]]))
                first += number
        self._ticks += 1
        return found

    def _places(self, chosen: Ints) -> Ints:
        places = self._templates.places[chosen]
        if self._workload.partitioning == "keyed":
            return places
        partitions = self._workload.partitions
        return places // partitions * partitions + self._ticks % partitions

    def _times_ms(self, moments: Floats) -> Ints:
        workload, rng = self._workload, self._rng
        back = rng.random(len(moments)) * workload.disorder_s
        if workload.late is not None:
            straggling = rng.random(len(moments)) < workload.late.share
            back[straggling] = rng.random(int(straggling.sum())) * workload.late.up_to_s
        return np.asarray((moments - back) * 1000, "i8")

    def _batches(self, chosen: Ints, times_ms: Ints, slots: Ints) -> Iterator[tuple[BatchBuilder, int]]:
        """Closed batches and how many events each has. Some 2 microseconds an event: a join, and an append of
        aiokafka's compiled builder."""
        builder, held = BatchBuilder(_BATCH_BYTES, self._compression), 0
        pieces, seconds, append = self._pieces, self._seconds, builder.append
        identity, number = self._identity, self._number
        for place, time_ms, slot in zip(chosen.tolist(), times_ms.tolist(), slots.tolist(), strict=True):
            before, between, after, rest, key, spoilt = pieces[place]
            if spoilt:
                value = before
            else:
                second, ms = divmod(time_ms, 1000)
                prefix = seconds.get(second)
                if prefix is None:
                    prefix = seconds[second] = iso_seconds(second)
                number += 1
                ident = b"%020x" % number
                if rest:
                    digits = b"%0*d" % (FRESH_WIDTH, slot)
                    value = b"".join((before, identity, ident, between, prefix, b"%03dZ" % ms, after, digits, rest))
                else:
                    value = b"".join((before, identity, ident, between, prefix, b"%03dZ" % ms, after))
            if append(timestamp=time_ms, key=key, value=value) is None:
                builder.close()
                yield builder, held
                builder, held = BatchBuilder(_BATCH_BYTES, self._compression), 0
                append = builder.append
                append(timestamp=time_ms, key=key, value=value)
            held += 1
        self._number = number
        if len(seconds) > 100_000:
            seconds.clear()
        builder.close()
        yield builder, held


def _runs(places: Ints) -> list[tuple[int, int]]:
    """(value, end) of each run of equal values."""
    if not len(places):
        return []
    ends = [*(np.flatnonzero(np.diff(places)) + 1).tolist(), len(places)]
    return [(int(places[end - 1]), end) for end in ends]


class Sender:
    """Hands batches to the producer, one queue for each partition, and notes when they are confirmed."""

    def __init__(self, spec: Spec) -> None:
        self.spec, self.workload = spec, parse(spec.workload, str(spec.workload["name"]))
        self.folder = Path(spec.folder)
        self.templates = Templates(self.workload)
        self.ledger = Ledger(self.folder, spec.sender)
        self.journal = Journal(self.folder, spec.sender)
        self.composer = Composer(self.templates, spec.sender, self.ledger)
        self.names = [spec.prefix + topic.name for topic in TOPICS]
        self.confirmed = self.bytes = self.waiting = 0
        self.error = ""
        self._queues: dict[int, deque[tuple[BatchBuilder, Floats, float, float]]] = {}
        self._wakes: dict[int, asyncio.Event] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._idle = asyncio.Event()

    async def run(self) -> None:
        """All of it."""
        _ = self.templates.places  # computed before the clock runs
        async with AIOKafkaProducer(
            bootstrap_servers=self.spec.kafka,
            acks="all",
            linger_ms=0,
            enable_idempotence=self.spec.idempotent,
            max_request_size=2 * _BATCH_BYTES,
            request_timeout_ms=30_000,
            **security_options(Settings()),
        ) as self.producer:
            for name in self.names:
                await self.producer.partitions_for(name)
            gc.collect()
            gc.freeze()
            self._alone = alone(self.templates)
            self._open()
            await self._fill()
            (self.folder / f"{READY}{self.spec.sender}").touch()
            begin, wall_s = await asyncio.to_thread(_begin, self.folder / GO)
            reporting = asyncio.create_task(self._report())
            try:
                async with asyncio.timeout(self.workload.seconds + self.workload.drain_s):
                    await self._steps(begin, wall_s)
                    await self._answered(0)
            except TimeoutError:
                self.error = self.error or "the broker did not take all of it in time"
            for task in (reporting, *self._tasks):
                task.cancel()
        self.ledger.fold()
        self.journal.close()
        self._write(f"{SENT}{self.spec.sender}", seconds=time.monotonic() - begin)

    async def _fill(self) -> None:
        """The backlog, as fast as it goes; due when it is sent, which is before the run begins."""
        left = share_of(self.workload.backlog, self.spec.sender, self.workload.senders)
        while left:
            number = min(left, _EAGER_EVENTS)
            self._eager(number, 0.0)
            left -= number
            await self._answered(_EAGER_BATCHES)
        await self._answered(0)

    async def _steps(self, begin: float, wall_s: float) -> None:
        rates, tick_s = Rates(self.workload.steps), self.workload.linger_ms / 1000
        senders, sent, tick = self.workload.senders, 0, 0
        while (second := tick * tick_s) < rates.seconds:
            if rates.unbounded(second):
                await self._eagerly(begin, rates)
                tick = int((time.monotonic() - begin) / tick_s) + 1
                continue
            end = min(second + tick_s, rates.seconds)
            if (wait := begin + end - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            else:
                await asyncio.sleep(0)
            due = share_of(rates.due(end), self.spec.sender, senders)
            if number := due - sent:
                dues: Floats = begin + second + (np.arange(number, dtype="f8") + 0.5) * ((end - second) / number)
                self._hand_over(dues, wall_s - begin, second, begin + end)
                sent = due
            if self.waiting > _MOST_WAITING:
                await self._answered(_MOST_WAITING)
            tick += 1

    async def _eagerly(self, begin: float, rates: Rates) -> None:
        while rates.unbounded(time.monotonic() - begin):
            self._eager(_EAGER_EVENTS, time.monotonic() - begin)
            await self._answered(_EAGER_BATCHES)

    def _eager(self, number: int, second: float) -> None:
        now = time.monotonic()
        self._hand_over(np.full(number, now), time.time() - now, second, now)

    def _hand_over(self, dues: Floats, wall_s: float, second: float, due: float) -> None:
        for place, builder, part in self.composer.compose(dues, wall_s, second):
            self._queues[place].append((builder, part, due, time.monotonic()))
            self._wakes[place].set()
            self.waiting += 1

    def _open(self) -> None:
        for place in range(len(self.names) * self.workload.partitions):
            self._queues[place], self._wakes[place] = deque(), asyncio.Event()
            self._tasks.append(asyncio.create_task(self._pump(place)))

    async def _pump(self, place: int) -> None:
        """aiokafka takes a batch only once the one before has left: a task for each partition waits for that."""
        queue, wake = self._queues[place], self._wakes[place]
        topic, partition = self.names[place // self.workload.partitions], place % self.workload.partitions
        while True:
            while not queue:
                wake.clear()
                await wake.wait()
            builder, dues, due, ready = queue.popleft()
            size = builder.size()
            try:
                future = await self.producer.send_batch(builder, topic, partition=partition)
            except KafkaError as error:
                self._failed(error)
                continue
            taken = time.monotonic()
            future.add_done_callback(
                lambda done, p=place, d=dues, u=due, r=ready, t=taken, s=size: self._done(done, p, d, (u, r, t), s)
            )  # fmt: skip

    def _done(self, future: Any, place: int, dues: Floats, moments: tuple[float, float, float], size: int) -> None:
        if future.cancelled() or (error := future.exception()) is not None:
            self._failed(error if not future.cancelled() else "cancelled")
            return
        self.journal.add(place, future.result().offset, *moments, time.monotonic(), dues)
        self.confirmed += len(dues)
        self.bytes += size
        self._over()

    def _failed(self, error: object) -> None:
        self.error = self.error or f"{type(error).__name__}: {error}"
        self._over()

    def _over(self) -> None:
        self.waiting -= 1
        self._idle.set()

    async def _answered(self, most: int) -> None:
        """Wait until no more than `most` batches are on their way."""
        while self.waiting > most:
            self._idle.clear()
            await self._idle.wait()
        await asyncio.sleep(0)

    async def _report(self) -> None:
        while True:
            self._write(f"{PROGRESS}{self.spec.sender}")
            await asyncio.sleep(_PROGRESS_S)

    def _write(self, name: str, **more: float) -> None:
        document = {
            "events": self.ledger.events,
            "confirmed": self.confirmed,
            "unanswered": self.ledger.events - self.confirmed,
            "bytes": self.bytes,
            "error": self.error,
            "cpu_s": cpu_s(psutil.Process()),
            "alone_per_second": self._alone,
            **more,
        }
        partial = self.folder / f"{name}.partial"
        partial.write_bytes(orjson.dumps(document))
        partial.rename(self.folder / name)


def alone(templates: Templates, seconds: float = _ALONE_S) -> float:
    """Events per second that this process encodes into batches when it does nothing else: its own limit."""
    with tempfile.TemporaryDirectory(prefix="tagpulse-alone-") as folder:
        composer = Composer(templates, 0, Ledger(Path(folder), 0))
        begin, events = time.perf_counter(), 0
        while (took := time.perf_counter() - begin) < seconds:
            composer.compose(np.full(_EAGER_EVENTS, time.monotonic()), time.time() - time.monotonic(), 0.0)
            events += _EAGER_EVENTS
    return events / took


def _begin(go: Path) -> tuple[float, float]:
    while not go.exists():
        time.sleep(_LOOK_S)
    moment, wall_s = orjson.loads(go.read_bytes())
    return float(moment), float(wall_s)


async def main() -> None:
    """Send, as the argument says."""
    await Sender(Spec(**orjson.loads(sys.argv[1]))).run()


if __name__ == "__main__":
    asyncio.run(main())
