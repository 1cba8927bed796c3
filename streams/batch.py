"""What the transport hands to an agent: all records of one partition that one fetch brought."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

from streams.records import Records


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """Consecutive records of one partition, in offset order.

    `first` is the position before the batch and `next_offset` the position after it: offsets that hold no
    record (compaction, transaction markers) lie in [first, next_offset) too, so that batches form a chain.
    `epoch` numbers the assignment under which the batch was fetched; a batch of an older epoch must be dropped.
    `offsets` and `values` have the same length, which may be zero. Values are `Records` where the transport left
    them in the bytes of their fetch.
    """

    topic: str
    partition: int
    epoch: int
    first: int
    next_offset: int
    offsets: Sequence[int]
    values: Sequence[bytes | None]

    def __len__(self) -> int:
        return len(self.values)

    @property
    def value_bytes(self) -> int:
        """Bytes of all values."""
        values = self.values
        return values.value_bytes if isinstance(values, Records) else sum(map(len, filter(None, values)))

    def without(self, numbers: Sequence[int]) -> RecordBatch:
        """The same stretch of the log but for the records at these places in the batch (ascending, from 0)."""
        values, left_out = self.values, set(numbers)
        if isinstance(values, Records):
            fewer = values.without(numbers)
            return replace(self, offsets=fewer.offsets, values=fewer)  # type: ignore[arg-type]
        kept = [number for number in range(len(self)) if number not in left_out]
        return replace(self, offsets=[self.offsets[k] for k in kept], values=[values[k] for k in kept])

    def split(self, offset: int) -> tuple[RecordBatch, RecordBatch]:
        """Cut at `offset`: the first part covers [first, offset), the second [offset, next_offset).

        Raises ValueError unless first <= offset <= next_offset.
        """
        if not self.first <= offset <= self.next_offset:
            raise ValueError(f"offset {offset} lies outside [{self.first}, {self.next_offset}]")
        at = bisect_left(self.offsets, offset)
        return (
            RecordBatch(
                self.topic,
                self.partition,
                self.epoch,
                self.first,
                offset,
                self.offsets[:at],
                self.values[:at],
            ),
            RecordBatch(
                self.topic,
                self.partition,
                self.epoch,
                offset,
                self.next_offset,
                self.offsets[at:],
                self.values[at:],
            ),
        )
