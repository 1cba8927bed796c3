"""Where the full path spends its CPU time: the real worker on the real stack, with timers around its stages.

The figures are ns per event in `extra`, in the order of the path. They add up to the CPU time of the worker and
of ClickHouse: what no timer covers is shown by the thread that spends it.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import faust
import psutil

import streams.transport
from loadtest.peers.job import Entry, cpu_s
from loadtest.peers.tagpulse_full import counts, database, fresh_database
from loadtest.peers.timers import Timers, thread_ns
from sinks.claims import Claim, Claims
from sinks.delta import DeltaRows
from sinks.native import Block
from sinks.writer import Writer
from streams.app import create_app
from streams.checkpoints import Checkpoints
from streams.counting import Counts, VideoCounts
from streams.decoding import Decoder
from streams.kernel import KernelCounts, KernelRows
from streams.settings import Settings

FETCH = "fetch (the rest of Kafka's thread: socket, protocol, CRC, heartbeats, committed offsets)"
UNPACK = "unpack (record values out of batches)"
DECODE = "decode (JSON, validation, normal forms)"
COUNT = "count (into cells; decoding, too, where it is compiled)"
LOOP = "Faust (the rest of the main thread: passing batches on, timers, metrics)"
ROWS = "rows (cells to columns)"
ENCODE = "encode (columns to a Native block)"
INSERT = "insert (the request, from our side)"
CLAIM = "claim (claim, read back, done)"
REST = "rest (threads' own work, display forms of hashtags)"
SERVER = "ClickHouse (insert into three grains, claims, merges)"

_PLACES: tuple[tuple[Any, str, str], ...] = (
    (streams.transport, "drain", UNPACK),
    (streams.transport, "drain_bytes", UNPACK),
    (Decoder, "decode", DECODE),
    (Counts, "add", COUNT),
    (KernelCounts, "count", COUNT),
    (Counts, "rows", ROWS),
    (VideoCounts, "rows", ROWS),
    (KernelCounts, "rows", ROWS),
    (DeltaRows, "months", ROWS),
    (KernelRows, "months", ROWS),
    (DeltaRows, "block", ENCODE),
    (KernelRows, "block", ENCODE),
    (Block, "encode", ENCODE),
    (Writer, "_insert", INSERT),
    (Claims, "claim", CLAIM),
    (Claims, "done", CLAIM),
)
_MAIN = (DECODE, COUNT)


def main() -> None:
    entry = Entry("tagpulse", "faust-streaming", "aiokafka", "chdb")
    client = fresh_database(entry.job)
    timers = Timers()
    for place in _PLACES:
        timers.wrap(*place)
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

    def begin(self) -> None:
        if self._begun is None:
            self._entry.begin()
            self._begun = self._now()

    def landed(self, records: int) -> bool:
        """Whether these were the last ones; then the stages are known."""
        with self._lock:
            self._records += records
            if self._records < self._entry.job.events:
                return False
        self._entry.end()
        assert self._begun is not None
        spent = {name: value - self._begun[name] for name, value in self._now().items()}
        self._entry.extra = stages(spent, self._entry.job.events)
        return True

    def _now(self) -> dict[str, int]:
        """CPU time in ns since their start: of stages, of two threads, of two processes."""
        main = threading.main_thread().ident
        assert main is not None
        named = {stage: self._timers.totals[stage] for _, _, stage in _PLACES}
        return named | {
            "kafka thread": thread_ns(self._timers.threads[UNPACK]),
            "main thread": thread_ns(main),
            "worker": time.process_time_ns(),
            SERVER: round(cpu_s(psutil.Process(self._entry.job.clickhouse_pid)) * 1e9),
        }


def stages(spent: dict[str, int], events: int) -> dict[str, float]:
    """Stages in ns per event, in the order of the path; the sum is the CPU time of worker and ClickHouse."""
    fetch = spent["kafka thread"] - spent[UNPACK]
    loop = spent["main thread"] - sum(spent[stage] for stage in _MAIN)
    writers = (ROWS, ENCODE, INSERT, CLAIM)
    rest = spent["worker"] - spent["kafka thread"] - spent["main thread"] - sum(spent[stage] for stage in writers)
    whole = {
        FETCH: fetch, UNPACK: spent[UNPACK], DECODE: spent[DECODE], COUNT: spent[COUNT], LOOP: loop,
        **{stage: spent[stage] for stage in writers}, REST: rest, SERVER: spent[SERVER],
    }  # fmt: skip
    return {stage: nanoseconds / events for stage, nanoseconds in whole.items()}


if __name__ == "__main__":
    main()
