"""tagpulse without Kafka and ClickHouse: its decoder and its counts over batches fetched beforehand."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterable, Iterator

from loadtest.peers.fetching import batches
from loadtest.peers.job import Entry, Key
from schemas.topics import EventType
from sinks.delta import DeltaRows, Rows
from streams.counters import counters
from streams.kernel import KernelRows
from streams.rules import Rules


async def main() -> None:
    entry = Entry("tagpulse")
    job = entry.job
    fetched = [batch async for batch in batches(job)]
    made = counters({topic: EventType(kind) for topic, kind in job.topics.items()}, Rules(), "auto")
    counts = {topic: counter.begin() for topic, counter in made.items()}
    clock = time.time()
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)  # as the worker does
    entry.begin()
    for batch in fetched:
        counts[batch.topic].count(batch, clock)
    entry.end()
    entry.deliver(keyed(count.rows() for count in counts.values()))


def keyed(deltas: Iterable[Rows]) -> Iterator[tuple[Key, int]]:
    """The rows of deltas, one by one."""
    for delta in deltas:
        rows = delta.delta_rows() if isinstance(delta, KernelRows) else delta
        assert isinstance(rows, DeltaRows)
        tags = iter(zip(rows.hashtags, rows.events, strict=True))
        for minute, country, sticker, size in zip(
            rows.cell_minutes, rows.cell_countries, rows.cell_stickers, rows.cell_sizes, strict=True
        ):
            for _ in range(size):
                tag, number = next(tags)
                yield (str(rows.event_type), str(country), str(tag), str(sticker), int(minute)), int(number)


if __name__ == "__main__":
    asyncio.run(main())
