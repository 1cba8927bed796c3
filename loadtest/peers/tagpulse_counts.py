"""tagpulse without Kafka and ClickHouse: its decoder and its counts over batches fetched beforehand."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterable, Iterator

from loadtest.peers.fetching import fetches
from loadtest.peers.job import Entry, Job, Key
from schemas.topics import EventType
from sinks.delta import DeltaRows, Rows
from streams.batch import RecordBatch
from streams.counters import compiled, counters
from streams.kernel import KernelRows
from streams.records import Records
from streams.rules import Rules


async def main() -> None:
    entry = Entry("tagpulse")
    job = entry.job
    fetched = await _fetch_all(job)
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


async def _fetch_all(job: Job) -> list[RecordBatch]:
    fetched: list[RecordBatch] = []
    seen = 0
    async for tp, records in fetches(job):
        first = records.next_fetch_offset
        found = [(record.offset, record.value) for record in records]
        offsets, values = [offset for offset, _ in found], [value for _, value in found]
        # As the worker's transport leaves them to the kernel: end to end.
        laid = Records.of(offsets, values) if compiled("auto", Rules()) else values
        fetched.append(RecordBatch(tp.topic, tp.partition, 0, first, records.next_fetch_offset, offsets, laid))
        seen += len(values)
        if seen >= job.events:
            break
    return fetched


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
