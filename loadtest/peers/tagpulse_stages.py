"""Where the full path spends its CPU time: the real worker on the real stack, with timers around its stages.

The figures are ns per event in `extra`, in the order of the path. They add up to the CPU time of the worker and
of ClickHouse: what no timer covers is shown by the thread that spends it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

import faust
import psutil

from loadtest.peers.job import Entry, cpu_s
from loadtest.peers.places import PLACES, Place, PlaceError, Thread
from loadtest.peers.tagpulse_full import counts, database, fresh_database
from loadtest.peers.timers import Timers, thread_ns
from sinks.claims import Claim
from sinks.writer import Writer
from streams.app import create_app
from streams.checkpoints import Checkpoints
from streams.settings import Settings

FETCH = "fetch (the rest of Kafka's thread: socket, protocol, CRC, heartbeats, committed offsets)"
LOOP = "Faust (the rest of the main thread: passing batches on, timers, metrics)"
REST = "rest (the rest of the other threads, display forms of hashtags)"
SERVER = "ClickHouse (insert into the tables, claims, merges meanwhile)"
_WORKER = "worker"


def main() -> None:
    entry = Entry("tagpulse", "faust-streaming", "aiokafka", "chdb")
    client = fresh_database(entry.job)
    timers = Timers()
    for place in PLACES:
        timers.wrap(*place.owner(), place.stage)
    measure = _Measure(entry, timers)
    count, write = Checkpoints.add, Writer.write

    async def add(checkpoints: Checkpoints, batch: Any) -> None:
        measure.begin()
        await count(checkpoints, batch)

    def counted(writer: Writer, claim: Claim, *others: Any) -> Claim:
        done = write(writer, claim, *others)
        if measure.landed(claim.records):
            entry.deliver(counts(client))
        return done

    setattr(Checkpoints, "add", add)  # noqa: B010 - this process has no other purpose
    setattr(Writer, "write", counted)  # noqa: B010
    settings = Settings(kafka_group=entry.job.group, clickhouse_database=database(entry.job), log_level="WARNING")
    faust.Worker(create_app(settings), loglevel="WARNING", quiet=True, console_port=0).execute_from_commandline()


class _Measure:
    """Between the first batch and the last row that landed."""

    def __init__(self, entry: Entry, timers: Timers) -> None:
        self._entry, self._timers = entry, timers
        self._lock = threading.Lock()
        self._records = 0
        self._begun: dict[str, int] | None = None
        self._kafka = 0

    def begin(self) -> None:
        if self._begun is None:
            self._entry.begin()
            self._kafka = kafka_thread(PLACES, self._timers.threads)
            self._begun = self._now()

    def landed(self, records: int) -> bool:
        """Whether these were the last ones; then the stages are known."""
        with self._lock:
            self._records += records
            if self._records < self._entry.job.events:
                return False
        self._entry.end()
        assert self._begun is not None
        check_threads(PLACES, self._timers.threads, self._kafka)
        spent = {name: value - self._begun[name] for name, value in self._now().items()}
        self._entry.extra = stages(spent, self._entry.job.events)
        return True

    def _now(self) -> dict[str, int]:
        """CPU time in ns since their start: of stages, of two threads, of two processes."""
        main = threading.main_thread().ident
        assert main is not None
        return {place.stage: self._timers.totals[place.stage] for place in PLACES} | {
            Thread.KAFKA.value: thread_ns(self._kafka),
            Thread.MAIN.value: thread_ns(main),
            _WORKER: time.process_time_ns(),
            SERVER: round(cpu_s(psutil.Process(self._entry.job.clickhouse_pid)) * 1e9),
        }


def kafka_thread(places: Sequence[Place], threads: dict[str, set[int]]) -> int:
    """The thread (identifier) that was in a stage of Kafka's thread. Raises PlaceError where there is not one."""
    found = {thread for place in places if place.thread is Thread.KAFKA for thread in threads.get(place.stage, ())}
    if len(found) != 1:
        raise PlaceError(f"{len(found)} threads ran what loadtest.peers.places lists for Kafka's thread: adapt it")
    return found.pop()


def check_threads(places: Sequence[Place], threads: dict[str, set[int]], kafka: int) -> None:
    """Raise PlaceError where a stage never ran, or in another thread than it is listed for: the sums would be wrong."""
    main = threading.main_thread().ident
    of = {kafka: Thread.KAFKA, main: Thread.MAIN}
    for place in places:
        found = {of.get(thread, Thread.OTHER) for thread in threads.get(place.stage, ())}
        if found != {place.thread}:
            ran = " and ".join(sorted(thread.value for thread in found)) or "nowhere"
            raise PlaceError(
                f"{place.stage!r} ran in {ran}, loadtest.peers.places lists {place.thread.value}: adapt it"
            )


def stages(spent: dict[str, int], events: int, places: Sequence[Place] = PLACES) -> dict[str, float]:
    """Stages in ns per event, in the order of the path; the sum is the CPU time of worker and ClickHouse.

    `spent`: ns by stage, by thread (KAFKA, MAIN), of `worker` and of SERVER.
    """
    of = {
        thread: {place.stage: spent[place.stage] for place in places if place.thread is thread} for thread in Thread
    }  # fmt: skip
    kafka, main = spent[Thread.KAFKA.value], spent[Thread.MAIN.value]
    whole = {
        FETCH: kafka - sum(of[Thread.KAFKA].values()), **of[Thread.KAFKA],
        **of[Thread.MAIN], LOOP: main - sum(of[Thread.MAIN].values()),
        **of[Thread.OTHER], REST: spent[_WORKER] - kafka - main - sum(of[Thread.OTHER].values()),
        SERVER: spent[SERVER],
    }  # fmt: skip
    return {stage: nanoseconds / events for stage, nanoseconds in whole.items()}


if __name__ == "__main__":
    main()
