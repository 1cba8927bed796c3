"""The rows of a delta as the kernel counted them: numbers of strings, made into columns without a detour by str."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from schemas.rejects import Reject
from schemas.topics import EventType
from sinks.delta import COUNT_KIND, RECEIPT, RECEIPT_KIND, REJECT_KIND, DeltaRows, VideoIds, receipt_window
from sinks.native import Block, varint
from streams.kernel.compiled import functions
from streams.kernel.interned import Generation, Interner, Words
from streams.kernel.layout import COUNTRY_BITS, STICKER_BITS
from streams.kernel.ordering import in_order, key_order
from streams.records import Ints


def country_code(country: str) -> int:
    """The number of a normal form of a country: 1 + 26 * first + second letter."""
    return 1 + 26 * (ord(country[0]) - 65) + ord(country[1]) - 65


def _country(code: int) -> str:
    return chr(65 + (code - 1) // 26) + chr(65 + (code - 1) % 26)


class ArenaBlock(Block):
    """A block that also takes strings which are numbers of an interner."""

    def last(self, name: str, values: Sequence[str | bytes]) -> None:
        """A String column that is empty but for the last rows."""
        raws = [value.encode() if isinstance(value, str) else value for value in values]
        # An empty string is its length, a byte of 0.
        self._add(name, "String", bytes(self.rows - len(raws)), *(varint(len(raw)) + raw for raw in raws))

    def last_numbers(self, name: str, values: Sequence[int]) -> None:
        """An UInt64 column that is 0 but for the last rows."""
        column = np.zeros(self.rows, "<u8")
        column[self.rows - len(values) :] = values
        self.numbers(name, "UInt64", column)

    def interned(self, name: str, before: Sequence[str], numbers: Ints, names: Interner) -> None:
        """A String column: some strings, then those with these numbers, then empty ones."""
        empty = self.rows - len(before) - len(numbers)
        encoded = np.empty(functions().encoded_size(numbers, names.entries), np.uint8)
        functions().encode_strings(numbers, names.entries, names.arena, encoded)
        first = (varint(len(raw)) + raw for raw in (text.encode() for text in before))
        self._add(name, "String", *first, encoded.tobytes(), bytes(empty))


@dataclass(frozen=True, slots=True)
class Texts:
    """A column of few distinct strings: row i holds keys[codes[i]]. The keys are sorted by their bytes."""

    keys: list[str]
    codes: Ints

    @classmethod
    def of(cls, distinct: Sequence[str], places: Ints) -> Texts:
        """From what `np.unique` gives: distinct values, and the place of each row's among them."""
        order = sorted(range(len(distinct)), key=lambda place: distinct[place].encode())
        ranks = np.empty(len(order), np.int64)
        ranks[order] = np.arange(len(order))
        return cls([distinct[place] for place in order], ranks[places])

    def column(self, rows: Ints, before: int, after: int) -> tuple[list[str], Ints]:
        """Keys and codes of some rows, with so many times "" before and after them."""
        if not before + after:
            return self.keys, self.codes[rows]
        added = self.keys[:1] != [""]
        codes = self.codes[rows] + added
        return ([""] if added else []) + self.keys, np.concatenate(
            [np.zeros(before, np.int64), codes, np.zeros(after, np.int64)]
        )

    def list(self) -> list[str]:
        """The strings, row by row."""
        return [self.keys[code] for code in self.codes.tolist()]


@dataclass(frozen=True, slots=True)
class KernelRows:
    """Stands where `DeltaRows` stands; `delta_rows` makes one. Cells come in the order in which they were met."""

    event_type: str
    cell_minutes: Ints
    cell_countries: Texts
    cell_stickers: Texts
    cell_sizes: Ints
    forms: Ints
    """Number of the hashtag of each row, in `names`."""
    events: Words
    video_ids: VideoIds | None
    rejects: list[Reject]
    names: Interner

    @classmethod
    def of(
        cls,
        event_type: EventType,
        cell_keys: Words,
        cell_sizes: Ints,
        rows: tuple[Ints, Words],
        video_ids: VideoIds | None,
        rejects: list[Reject],
        generation: Generation,
    ) -> KernelRows:
        """Rows (form and events of each) from what the compiled code laid out."""
        countries, places = _unique(cell_keys & np.uint64((1 << COUNTRY_BITS) - 1))
        stickers, others = _unique((cell_keys >> np.uint64(COUNTRY_BITS)) & np.uint64((1 << STICKER_BITS) - 1))
        return cls(
            event_type.value,
            (cell_keys >> np.uint64(COUNTRY_BITS + STICKER_BITS)).astype(np.int64),
            Texts.of([_country(code) for code in countries.tolist()], places),
            Texts.of(generation.sticker_forms.texts(stickers), others),
            cell_sizes,
            *rows,
            video_ids,
            rejects,
            generation.forms,
        )

    def __len__(self) -> int:
        """Rows, rejects included."""
        return len(self.forms) + len(self.rejects)

    def months(self) -> tuple[int, ...]:
        """Months (YYYYMM, UTC) in which there are counts, ascending."""
        # Distinct days first: a delta of a backlog may have a cell for each of its records.
        minutes = (np.unique(self.cell_minutes // 1440) * 1440).tolist()
        return DeltaRows(self.event_type, minutes, [], [], [], [], []).months()

    def of_month(self, month: int) -> DeltaRows:
        """The counts (not the rejects) of one month. Only repairs need it."""
        return self.delta_rows().of_month(month)

    def block(self, log: str, next_offset: int, records: int, expires: datetime) -> Block:
        """What `sinks.delta.counts_block(self.delta_rows(), ...)` gives, byte for byte."""
        receipts = self.months()
        n_receipts, n_rejects = len(receipts), len(self.rejects)
        rows, cells = self._sorted()
        block = ArenaBlock(n_receipts + len(rows) + n_rejects)
        kinds = np.repeat(np.array([RECEIPT_KIND, COUNT_KIND, REJECT_KIND], "u1"), [n_receipts, len(rows), n_rejects])
        block.numbers("kind", "UInt8", kinds)
        minutes = (self.cell_minutes * 60).astype("<u4")[cells]
        windows = np.array([receipt_window(month) for month in receipts], "<u4")
        block.numbers("window_start", "DateTime('UTC')", np.concatenate([windows, minutes, np.zeros(n_rejects, "<u4")]))
        block.low_cardinality("event_type", [self.event_type, RECEIPT, ""], kinds)
        block.low_cardinality("country", *self.cell_countries.column(cells, n_receipts, n_rejects))
        block.low_cardinality("sticker", *self.cell_stickers.column(cells, n_receipts, n_rejects))
        block.interned("hashtag", [log] * n_receipts, self.forms[rows], self.names)
        events = [np.full(n_receipts, records, "<u8"), self.events[rows].astype("<u8"), np.zeros(n_rejects, "<u8")]
        block.numbers("events", "UInt64", np.concatenate(events))
        if self.video_ids is not None:
            ends, flat = in_order(self.video_ids, rows)
            last = np.full(n_rejects, len(flat), np.uint64)
            block.arrays("video_ids", np.concatenate([np.zeros(n_receipts, np.uint64), ends, last]), flat)
        landed = np.zeros(block.rows, "<u8")
        landed[:n_receipts] = next_offset
        block.numbers("landed", "UInt64", landed)
        block.constant("expires", "DateTime64(3, 'UTC')", "<i8", round(expires.timestamp() * 1000))
        if self.rejects:
            self._add_rejects(block, log)
        return block

    def _add_rejects(self, block: ArenaBlock, log: str) -> None:
        topic, incarnation, partition = log.rsplit("/", 2)
        block.last("topic", [topic] * len(self.rejects))
        block.constant("incarnation", "UInt32", "<u4", int(incarnation))
        block.constant("partition", "UInt32", "<u4", int(partition))
        block.last_numbers("offset", [reject.offset for reject in self.rejects])
        block.last("reason", [reject.reason.value for reject in self.rejects])
        block.last("field", [reject.field for reject in self.rejects])
        block.last("raw", [reject.raw for reject in self.rejects])
        block.last_numbers("length", [reject.length for reject in self.rejects])
        block.last("sha256", [reject.sha256 for reject in self.rejects])

    def _sorted(self) -> tuple[Ints, Ints]:
        """The rows in the order of the tables' keys, and the cell of each."""
        cells = np.repeat(np.arange(len(self.cell_sizes)), self.cell_sizes)
        rows = key_order(
            self.forms, self.names, cells, self.cell_minutes, self.cell_countries.codes, self.cell_stickers.codes
        )
        return rows, cells[rows]

    def delta_rows(self) -> DeltaRows:
        """The same rows with their strings, in the order of the tables' keys."""
        rows, cells = self._sorted()
        numbers, places = _unique(self.forms[rows])
        names = self.names.texts(numbers)
        countries, stickers = self.cell_countries.list(), self.cell_stickers.list()
        return DeltaRows(
            self.event_type,
            self.cell_minutes[cells].tolist(),
            [countries[cell] for cell in cells.tolist()],
            [stickers[cell] for cell in cells.tolist()],
            [1] * len(rows),
            [names[place] for place in places.tolist()],
            self.events[rows].tolist(),
            None if self.video_ids is None else in_order(self.video_ids, rows),
            self.rejects,
        )


def _unique(values: npt.NDArray[np.integer]) -> tuple[Ints, Ints]:
    """Distinct values; the place of each row's value among them."""
    distinct, places = np.unique(values.astype(np.int64), return_inverse=True)
    return distinct, places
