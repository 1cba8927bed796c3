"""From what aiokafka fetched of one partition to batches, without an object per record for Faust.

Everything aiokafka does on the way is kept: check of the assignment, CRC, control batches, aborted transactions,
position. Built on the fetcher of aiokafka 0.14.
"""

from __future__ import annotations

from typing import Any

from aiokafka import TopicPartition, conn
from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords
from aiokafka.record.memory_records import MemoryRecords

from streams.batch import RecordBatch
from streams.gaps import gaps
from streams.kernel import log

#: A fetch may unpack to many times its size; agents get it in pieces no larger than this.
MAX_BATCH_RECORDS = 5_000
MAX_BATCH_BYTES = 4 * 1024 * 1024
_READER_LIMIT = 16 * 1024 * 1024


class KeptRecords:
    """What stands for aiokafka's MemoryRecords in its fetcher, to keep the bytes in reach."""

    __slots__ = ("_records", "data", "has_next", "next_batch", "size_in_bytes")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._records: Any = MemoryRecords(data)
        self.has_next = self._records.has_next
        self.next_batch = self._records.next_batch
        self.size_in_bytes = self._records.size_in_bytes


def keep_fetched_bytes() -> None:
    """From now on fetchers of this process keep the bytes of what they fetch, for `gaps_in` and `drain_bytes`."""
    fetcher.MemoryRecords = KeptRecords


def read_responses_at_once() -> None:
    """From now on connections of this process take a response off the socket without a pause.

    aiokafka stops reading whenever twice 64 KiB wait for it, and starts again: some two hundred times for a response of
    a dozen megabytes, which it holds in memory as a whole in any case.
    """
    conn.READER_LIMIT = _READER_LIMIT


def gaps_in(result: FetchResult) -> list[tuple[int, int]]:
    """Where offsets are missing in `result` (see `streams.gaps`). Needs `keep_fetched_bytes`."""
    records: Any = result._partition_records
    if records is None or not isinstance(records._records, KeptRecords):
        return []
    return gaps(records._records.data, records.next_fetch_offset)


def drain(result: FetchResult, tp: TopicPartition, epoch: int) -> list[RecordBatch]:
    """Take everything out of `result` and move the consumer's position behind it.

    Nothing where the assignment or the position changed since the fetch. A fetch without records (control
    batches, compacted ranges) becomes one empty batch, so that the chain of offsets has no hole.
    Raises CorruptRecordException where a checksum is wrong; then nothing has moved.
    """
    if not result.has_more() or not result.check_assignment(tp):
        return []
    records: PartitionRecords = result._partition_records
    # The raw record has all we need, at a third of the cost of a ConsumerRecord.
    records._consumer_record = lambda _tp, record: record
    start = first = records.next_fetch_offset
    offsets: list[int] = []
    values: list[bytes | None] = []
    pieces: list[RecordBatch] = []
    size = 0
    for record in records:
        value = record.value
        if len(offsets) >= MAX_BATCH_RECORDS or size >= MAX_BATCH_BYTES:
            pieces.append(RecordBatch(tp.topic, tp.partition, epoch, first, record.offset, offsets, values))
            first, offsets, values, size = record.offset, [], [], 0
        offsets.append(record.offset)
        values.append(value)
        size += len(value) if value is not None else 0
    # Only after the whole fetch proved sound: a bad CRC half-way leaves the position where it was.
    _take(result)
    if records.next_fetch_offset > start:
        pieces.append(RecordBatch(tp.topic, tp.partition, epoch, first, records.next_fetch_offset, offsets, values))
    return pieces


def drain_bytes(result: FetchResult, tp: TopicPartition, epoch: int) -> list[RecordBatch]:
    """As `drain`, with values left in the bytes of the fetch: batches of `streams.kernel.Records`.

    Needs `keep_fetched_bytes`. Record batches of a format before Kafka 0.11 are read as `drain` reads them.
    """
    if not result.has_more() or not result.check_assignment(tp):
        return []
    records: Any = result._partition_records
    kept = records._records
    if not isinstance(kept, KeptRecords) or not log.is_readable(kept.data):
        return drain(result, tp, epoch)
    first = records.next_fetch_offset
    found = log.read(kept.data, first, records._aborted_transactions, records._check_crcs, MAX_BATCH_BYTES)
    records.next_fetch_offset = found.next_offset
    _take(result)
    if not found.parts:
        return [RecordBatch(tp.topic, tp.partition, epoch, first, found.next_offset, [], [])]
    ends = [int(part.offsets[0]) for part in found.parts[1:]] + [found.next_offset]
    begins = [first, *ends[:-1]]
    return [
        RecordBatch(tp.topic, tp.partition, epoch, begin, end, part.offsets, part)  # type: ignore[arg-type]
        for begin, end, part in zip(begins, ends, found.parts, strict=True)
    ]


def _take(result: FetchResult) -> None:
    """Move the consumer's position behind `result`, whose records have been read to their end."""
    result._update_position()
    # Its generator and it hold each other, and all bytes of the fetch, until the garbage collector comes round, which
    # it seldom does here (`PulseApp.on_started`). aiokafka breaks the cycle where a generator was read to its end.
    result._partition_records._records_iterator = None
    result._partition_records = None
