"""What the compiled kernel costs beside the reference, offline: `python -m loadtest.kernel_bench`.

CPU time of this process, nothing but counting. Both count the same values and their results are compared. The
machine may be busy: look at ratios within one run. "cold" is the first time that tags and stickers are seen.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from loadtest.events import Workload, encode
from schemas.topics import EventType
from sinks.delta import counts_block
from streams.batch import RecordBatch
from streams.counting import Counts, counts_for
from streams.decoding import Decoder
from streams.kernel import KernelCounter, KernelCounts
from streams.records import Records
from streams.rules import Rules
from tagpulse.demo import sample

UNTIL = datetime(2026, 3, 1, 12, tzinfo=UTC)
BATCH = 4000
#: Name of a workload -> minutes, tags, videos: what decides how many keys there are.
WORKLOADS = {"narrow": (2, 500, 20_000), "usual": (60, 5_000, 50_000), "wide": (60, 60_000, 1_000_000)}
_EXPIRES = datetime(2026, 3, 1, 13, tzinfo=UTC)


class Figures(NamedTuple):
    """Nanoseconds per event, and what was counted."""

    cold: float
    warm: float
    rows_and_encoding: float
    keys: int
    slow: int


def measure(values: list[bytes], kind: EventType) -> tuple[Figures, Figures]:
    """The reference and the kernel on the same values. Raises ValueError where they differ."""
    reference, expected = _reference(values, kind)
    kernel, found = _kernel(values, kind)
    if _sums(expected.rows()) != _sums(found.rows().delta_rows()) or len(expected) != len(found):
        raise ValueError(f"the kernel counted {kind.value} differently")
    return reference, kernel


def _reference(values: list[bytes], kind: EventType) -> tuple[Figures, Counts]:
    decoder = Decoder(kind, Rules())
    batches = [
        RecordBatch("t", 0, 0, at, at + BATCH, range(at, at + len(values[at : at + BATCH])), values[at : at + BATCH])
        for at in range(0, len(values), BATCH)
    ]

    def count() -> Counts:
        counts = counts_for(kind)
        for batch in batches:
            counts.add(decoder.decode(batch, UNTIL.timestamp()))
        return counts

    cold, _ = _timed(count)
    warm, counts = _timed(count)
    written, _ = _timed(lambda: counts_block(counts.rows(), "t/0/0", 1, 1, _EXPIRES).encode())
    number = len(values)
    return Figures(cold / number, warm / number, written / number, len(counts), 0), counts


def _kernel(values: list[bytes], kind: EventType) -> tuple[Figures, KernelCounts]:
    counter, batches, slow = KernelCounter(kind, Rules()), list(_records(values)), 0

    def count() -> KernelCounts:
        nonlocal slow
        counts = counter.begin()
        slow = sum(counts.add_records(batch, UNTIL.timestamp()).slow for batch in batches)
        return counts

    cold, _ = _timed(count)
    warm, counts = _timed(count)
    written, _ = _timed(lambda: counts.rows().block("t/0/0", 1, 1, _EXPIRES).encode())
    number = len(values)
    return Figures(cold / number, warm / number, written / number, len(counts), slow), counts


def _records(values: list[bytes]) -> Iterator[Records]:
    for at in range(0, len(values), BATCH):
        part = values[at : at + BATCH]
        lengths = np.fromiter(map(len, part), np.int64, len(part))
        buffer = np.frombuffer(b"".join(part), np.uint8)
        yield Records(buffer, np.arange(at, at + len(part)), np.cumsum(lengths) - lengths, lengths)


def _timed(action: Callable[[], Any]) -> tuple[float, Any]:
    """Nanoseconds of CPU, and the result."""
    begun = time.process_time_ns()
    result = action()
    return float(time.process_time_ns() - begun), result


def _sums(rows: Any) -> tuple[int, int, int]:
    """Enough of the rows to see that two results are the same counts (tests compare every key)."""
    names: dict[str, int] = {}
    for tag, events in zip(rows.hashtags, rows.events, strict=True):
        names[tag] = names.get(tag, 0) + events
    return len(names), sum(names.values()), hash(frozenset(names.items()))


def workload(name: str, number: int, kind: EventType) -> list[bytes]:
    """So many values of one type; `sample` is the real sample, as often as it takes."""
    if name == "sample":
        found = [json.dumps(event, ensure_ascii=False).encode() for event in sample.events() if event["type"] == kind]
        return (found * (number // len(found) + 1))[:number]
    minutes, tags, videos = WORKLOADS[name]
    made: list[bytes] = []
    seed = 0
    while len(made) < number:
        load = Workload(seed=seed, until=UNTIL, minutes=minutes, tags=tags, videos=videos)
        made += [encode(event) for event in load.events(2 * number) if event["type"] == kind.value]
        seed += 1
    return made[:number]


def million_keys(millions: float) -> float:
    """Nanoseconds per event of a stream in which nearly every event has a key of its own; one tag each, all known."""
    counter = KernelCounter(EventType.VIDEO_VIEW, Rules())
    counts, number, spent = counter.begin(), int(millions * 1_000_000), 0.0
    tags = 5_000
    for at in range(0, number, 50_000):
        keys = range(at, min(at + 50_000, number))
        text = '{{"ts":"2026-02-{:02}T{:02}:{:02}:00Z","video_id":"7","country":"PH","hashtags":["t{}"]}}'
        minutes = [n // tags for n in keys]
        values = [
            text.format(1 + m // 1440, m // 60 % 24, m % 60, n % tags).encode()
            for m, n in zip(minutes, keys, strict=True)
        ]
        for batch in _records(values):
            spent += _timed(partial(counts.add_records, batch, UNTIL.timestamp()))[0]
    return spent / number


def main() -> None:
    """Print one line per workload and type."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=60_000, help="values of each type and workload")
    parser.add_argument("--millions", type=float, default=2.0, help="most distinct keys, in millions")
    options = parser.parse_args()
    table = Table(title="ns of CPU per event (reference / kernel = ratio)")
    for heading in ("workload", "type", "bytes", "keys", "slow", "count, cold", "count, warm", "rows + encode"):
        table.add_column(heading, justify="left" if heading in ("workload", "type") else "right")
    for name in (*WORKLOADS, "sample"):
        for kind in EventType:
            values = workload(name, options.events, kind)
            reference, kernel = measure(values, kind)
            ratios = [f"{a:,.0f} / {b:,.0f} = {a / b:.1f}" for a, b in zip(reference[:3], kernel[:3], strict=True)]
            size = sum(map(len, values)) // len(values)
            slow = f"{kernel.slow / len(values):.2%}"
            table.add_row(name, kind.value, str(size), f"{kernel.keys:,}", slow, *ratios)
    console = Console(width=150)
    console.print(table)
    for millions in (0.01, 0.1, 0.5, options.millions):
        console.print(f"{millions:>5} million distinct keys, 110 bytes an event: {million_keys(millions):,.0f} ns")


if __name__ == "__main__":
    main()
