"""What it costs to leave out duplicates, in CPU and in memory, offline: `python -m loadtest.duplicates`.

CPU time of this process for counting alone: with `dedup_records` off, on where no event comes twice, and on where each
comes twice, a thousand records later. Memory is what a full window holds, traced. The machine may be busy: look at the
ratios within one run.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from uuid import UUID

import numpy as np
from rich.console import Console
from rich.table import Table

from loadtest.kernel_bench import BATCH, UNTIL, workload
from schemas.topics import EventType
from streams.batch import RecordBatch
from streams.counters import Kernel, counters
from streams.duplicates import Duplicates, Window
from streams.partition import Delta
from streams.records import Records
from streams.rules import Rules

_APART = 1_000


def cpu_ns(values: list[bytes], kernel: Kernel, reach: int) -> tuple[float, int]:
    """Nanoseconds of CPU per record, and how many duplicates were found. All tags and stickers are known before."""
    (counter,) = counters({"t": EventType.VIDEO_VIEW}, Rules(dedup_records=reach), kernel).values()
    batches = [_batch(at, values[at : at + BATCH], kernel) for at in range(0, len(values), BATCH)]
    spent = found = 0
    for _ in range(2):
        delta, found = Delta(0, UNTIL.timestamp(), counter, duplicates=Duplicates(reach) if reach else None), 0
        begun = time.process_time_ns()
        for batch in batches:
            found += delta.add(batch).duplicates
        spent = time.process_time_ns() - begun
    return spent / len(values), found


def _batch(first: int, values: list[bytes], kernel: Kernel) -> RecordBatch:
    """A batch as the transport hands it to that kernel."""
    offsets, next_ = list(range(first, first + len(values))), first + len(values)
    if kernel == "python":
        return RecordBatch("t", 0, 0, first, next_, offsets, values)
    records = Records.of(offsets, values)
    return RecordBatch("t", 0, 0, first, next_, records.offsets, records)  # type: ignore[arg-type]


def twice(values: list[bytes]) -> list[bytes]:
    """The first half of `values`, each of them again `_APART` records later."""
    found: list[bytes] = []
    for at in range(0, len(values) // 2, _APART):
        some = values[at : min(at + _APART, len(values) // 2)]
        found += some + some
    return found


def bytes_per_record(reach: int) -> tuple[float, float]:
    """Most bytes that a window holds, per offset of its reach, and when it has just forgotten; ids are UUIDs."""
    dice, window, offset, held = np.random.default_rng(1), Window(reach), 0, list[int]()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    while offset < 3 * reach:
        raw = dice.bytes(16 * BATCH)
        ids = [str(UUID(bytes=raw[16 * n : 16 * n + 16])) for n in range(BATCH)]
        window.note(ids, list(range(offset, offset + BATCH)))
        del ids, raw
        offset += BATCH
        if offset > 2 * reach:
            held.append(tracemalloc.get_traced_memory()[0] - before)
    tracemalloc.stop()
    return max(held) / reach, min(held) / reach


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000, help="records to count")
    parser.add_argument("--records", type=int, default=100_000, help="dedup_records")
    options = parser.parse_args()
    console, values = Console(width=120), workload("usual", options.events, EventType.VIDEO_VIEW)
    table = Table(title=f"ns of CPU per record; dedup_records {options.records:,}")
    for heading in ("kernel", "off", "on, none comes twice", "on, each comes twice", "duplicates"):
        table.add_column(heading, justify="left" if heading == "kernel" else "right")
    kernels: tuple[Kernel, ...] = ("numba", "python")
    for kernel in kernels:
        off, once = cpu_ns(values, kernel, 0)[0], cpu_ns(values, kernel, options.records)[0]
        doubled, found = cpu_ns(twice(values), kernel, options.records)
        table.add_row(kernel, f"{off:,.0f}", f"{once:,.0f}", f"{doubled:,.0f}", f"{found:,} of {options.events:,}")
    console.print(table)
    most, least = bytes_per_record(options.records)
    console.print(f"a window holds {least:,.0f} to {most:,.0f} bytes for each of its {options.records:,} offsets")


if __name__ == "__main__":
    main()
