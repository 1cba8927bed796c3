"""The rows of a delta, as counting hands them to the writer, and as one block for ClickHouse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from schemas.rejects import Reject
from sinks.native import Block

#: The event type of receipts; no event has it.
RECEIPT = "__receipt"
#: Values of the column `kind`.
COUNT_KIND, RECEIPT_KIND, REJECT_KIND = 0, 1, 2


class VideoIds(NamedTuple):
    """Ids of rows, laid end to end: those of row i are flat[ends[i - 1]:ends[i]] (ends[-1] counts as 0)."""

    ends: npt.NDArray[np.uint64]
    flat: npt.NDArray[np.uint64]

    def of(self, rows: Sequence[int]) -> VideoIds:
        """The ids of some rows, in their order."""
        begins = np.concatenate([np.zeros(1, "u8"), self.ends[:-1]])
        parts = [self.flat[int(begins[row]) : int(self.ends[row])] for row in rows]
        lengths = np.array([len(part) for part in parts], "u8")
        return VideoIds(np.cumsum(lengths).astype("u8"), np.concatenate([np.empty(0, "u8"), *parts]))


class Rows(Protocol):
    """The rows of a delta: counts of one event type, and rejects."""

    @property
    def rejects(self) -> Sequence[Reject]: ...

    def __len__(self) -> int:
        """Rows, rejects included."""

    def months(self) -> tuple[int, ...]:
        """Months (YYYYMM, UTC) in which there are counts, ascending."""

    def of_month(self, month: int) -> Rows:
        """The counts (not the rejects) of one month."""

    def block(self, log: str, next_offset: int, records: int, expires: datetime) -> Block:
        """All rows in one block for the table `ingest`: one receipt a month, counts, rejects.

        `log` is topic/incarnation/partition, `next_offset` the claim's `next`, `records` what it covers.
        """


@dataclass(frozen=True, slots=True)
class DeltaRows:
    """Counts of one event type, grouped in cells: a cell is (minute, country, sticker).

    `cell_minutes` (unix minutes), `cell_countries`, `cell_stickers` and `cell_sizes` have one entry per cell;
    `hashtags` and `events` one per row, cell after cell. `video_ids`, where rows have any, are in row order.
    """

    event_type: str
    cell_minutes: Sequence[int]
    cell_countries: Sequence[str]
    cell_stickers: Sequence[str]
    cell_sizes: Sequence[int]
    hashtags: Sequence[str]
    events: Sequence[int]
    video_ids: VideoIds | None = None
    rejects: Sequence[Reject] = field(default=())

    def __len__(self) -> int:
        """Rows, rejects included."""
        return len(self.hashtags) + len(self.rejects)

    def months(self) -> tuple[int, ...]:
        """Months (YYYYMM, UTC) in which there are counts, ascending."""
        days = np.unique(np.asarray(self.cell_minutes, "i8") // 1440).astype("datetime64[D]")
        years, months = days.astype("datetime64[Y]"), days.astype("datetime64[M]")
        codes = (years.astype(int) + 1970) * 100 + (months.astype(int) % 12) + 1
        return tuple(int(code) for code in np.unique(codes))

    def of_month(self, month: int) -> DeltaRows:
        """The counts (not the rejects) of one month."""
        begin = int(month_begin(month).timestamp()) // 60
        end = int(month_begin(next_month(month)).timestamp()) // 60
        cells = [i for i, minute in enumerate(self.cell_minutes) if begin <= minute < end]
        ends = np.cumsum(self.cell_sizes)
        rows = [r for i in cells for r in range(int(ends[i]) - self.cell_sizes[i], int(ends[i]))]
        return DeltaRows(
            self.event_type,
            [self.cell_minutes[i] for i in cells],
            [self.cell_countries[i] for i in cells],
            [self.cell_stickers[i] for i in cells],
            [self.cell_sizes[i] for i in cells],
            [self.hashtags[r] for r in rows],
            [self.events[r] for r in rows],
            None if self.video_ids is None else self.video_ids.of(rows),
        )

    def block(self, log: str, next_offset: int, records: int, expires: datetime) -> Block:
        """All rows in one block, see Rows."""
        return counts_block(self, log, next_offset, records, expires)


def month_begin(month: int) -> datetime:
    """Midnight UTC of the first day of `month` (YYYYMM)."""
    return datetime(month // 100, month % 100, 1, tzinfo=UTC)


def next_month(month: int) -> int:
    """The month (YYYYMM) after `month`."""
    return month + 1 if month % 100 < 12 else month + 89


def receipt_window(month: int) -> int:
    """Unix seconds of the last minute of `month`: no TTL takes a receipt before the rows it vouches for."""
    return int(month_begin(next_month(month)).timestamp()) - 60


def _codes(values: Sequence[str]) -> tuple[list[str], npt.NDArray[np.uint32]]:
    keys = sorted(set(values), key=str.encode)
    index = {key: code for code, key in enumerate(keys)}
    return keys, np.fromiter((index[value] for value in values), "u4", len(values))


def counts_block(rows: DeltaRows, log: str, next_offset: int, records: int, expires: datetime) -> Block:
    """All rows of a delta in one block for the table `ingest`: one receipt a month, counts, rejects.

    Receipts come before all event types in the key of the tables: counts that are sorted, too, need no sorting there.

    `log` is topic/incarnation/partition, `next_offset` the claim's `next`, `records` what it covers.
    """
    receipts, rejects = rows.months(), rows.rejects
    n_counts, n_receipts, n_rejects = len(rows.hashtags), len(receipts), len(rejects)
    block = Block(n_receipts + n_counts + n_rejects)
    kinds = np.repeat(np.array([RECEIPT_KIND, COUNT_KIND, REJECT_KIND], "u1"), [n_receipts, n_counts, n_rejects])
    block.numbers("kind", "UInt8", kinds)
    sizes = np.asarray([*[1] * n_receipts, *rows.cell_sizes, *[1] * n_rejects], "i8")
    seconds = np.array(
        [*(receipt_window(m) for m in receipts), *(m * 60 for m in rows.cell_minutes), *[0] * n_rejects],
        "<u4",
    )
    block.numbers("window_start", "DateTime('UTC')", np.repeat(seconds, sizes))
    block.low_cardinality("event_type", [rows.event_type, RECEIPT, ""], kinds)
    for name, values in (("country", rows.cell_countries), ("sticker", rows.cell_stickers)):
        keys, codes = _codes([*[""] * n_receipts, *values, *[""] * n_rejects])
        block.low_cardinality(name, keys, np.repeat(codes, sizes))
    block.strings("hashtag", [*[log] * n_receipts, *rows.hashtags, *[""] * n_rejects])
    block.numbers("events", "UInt64", np.array([*[records] * n_receipts, *rows.events, *[0] * n_rejects], "<u8"))
    if rows.video_ids is not None:
        ends, flat = rows.video_ids
        last = np.full(n_rejects, len(flat), "u8")
        block.arrays("video_ids", np.concatenate([np.zeros(n_receipts, "u8"), ends, last]), flat)
    landed = np.zeros(block.rows, "<u8")
    landed[:n_receipts] = next_offset
    block.numbers("landed", "UInt64", landed)
    block.constant("expires", "DateTime64(3, 'UTC')", "<i8", round(expires.timestamp() * 1000))
    if rejects:
        _add_rejects(block, rejects, log, n_counts + n_receipts)
    return block


def rejects_block(rejects: Sequence[Reject], log: str) -> Block:
    """The rejects alone, for the table `rejected_events`."""
    block = Block(len(rejects))
    _add_rejects(block, rejects, log, 0)
    return block


def _add_rejects(block: Block, rejects: Sequence[Reject], log: str, before: int) -> None:
    topic, incarnation, partition = log.rsplit("/", 2)
    blanks = [b""] * before
    block.strings("topic", [*blanks, *[topic] * len(rejects)])
    block.constant("incarnation", "UInt32", "<u4", int(incarnation))
    block.constant("partition", "UInt32", "<u4", int(partition))
    block.numbers("offset", "UInt64", np.array([0] * before + [r.offset for r in rejects], "<u8"))
    block.strings("reason", [*blanks, *(r.reason.value for r in rejects)])
    block.strings("field", [*blanks, *(r.field for r in rejects)])
    block.strings("raw", [*blanks, *(r.raw for r in rejects)])
    block.numbers("length", "UInt64", np.array([0] * before + [r.length for r in rejects], "<u8"))
    block.strings("sha256", [*blanks, *(r.sha256 for r in rejects)])
