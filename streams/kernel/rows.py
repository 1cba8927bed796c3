"""The rows of a delta as the kernel counted them: numbers of strings, made into columns without a detour by str."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from schemas.rejects import Reject
from schemas.topics import EventType
from sinks.delta import RECEIPT, DeltaRows, VideoIds, receipt_window
from sinks.native import Block, varint
from streams.kernel.compiled import functions
from streams.kernel.interned import Generation, Interner, Words
from streams.kernel.layout import COUNTRY_BITS, STICKER_BITS
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

    def interned(self, name: str, numbers: Ints, names: Interner, others: Sequence[str]) -> None:
        """A String column: the strings with these numbers, then others."""
        if len(numbers) + len(others) != self.rows:
            raise ValueError(f"column {name} has {len(numbers) + len(others)} values, the block {self.rows}")
        encoded = np.empty(functions().encoded_size(numbers, names.entries), np.uint8)
        functions().encode_strings(numbers, names.entries, names.arena, encoded)
        rest = (varint(len(raw)) + raw for raw in (other.encode() for other in others))
        self._add(name, "String", encoded.tobytes(), *rest)


@dataclass(frozen=True, slots=True)
class Texts:
    """A column of few distinct strings: row i holds keys[codes[i]]. The keys come in the order of the rows."""

    keys: list[str]
    codes: Ints

    @classmethod
    def of(cls, distinct: Sequence[str], places: Ints, firsts: Ints) -> Texts:
        """From what `np.unique` gives: distinct values, their places in the rows, and the first row of each."""
        order = np.argsort(firsts)
        ranks = np.empty_like(order)
        ranks[order] = np.arange(len(order))
        return cls([distinct[at] for at in order.tolist()], ranks[places])

    def repeated(self, sizes: Ints, blanks: int) -> tuple[list[str], Ints]:
        """Keys and codes where each row comes as often as `sizes` says, then `blanks` times ""."""
        keys = self.keys if "" in self.keys or not blanks else [*self.keys, ""]
        blank = keys.index("") if blanks else 0
        return keys, np.concatenate([np.repeat(self.codes, sizes), np.full(blanks, blank)])

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
        countries, *places = _unique(cell_keys & np.uint64((1 << COUNTRY_BITS) - 1))
        stickers, *others = _unique((cell_keys >> np.uint64(COUNTRY_BITS)) & np.uint64((1 << STICKER_BITS) - 1))
        return cls(
            event_type.value,
            (cell_keys >> np.uint64(COUNTRY_BITS + STICKER_BITS)).astype(np.int64),
            Texts.of([_country(code) for code in countries.tolist()], *places),
            Texts.of(generation.sticker_forms.texts(stickers), *others),
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
        n_counts, n_receipts, n_rejects = len(self.forms), len(receipts), len(self.rejects)
        extra = n_receipts + n_rejects
        block = ArenaBlock(n_counts + extra)
        kinds = np.repeat(np.arange(3, dtype="u1"), [n_counts, n_receipts, n_rejects])
        block.numbers("kind", "UInt8", kinds)
        windows = np.array([*map(receipt_window, receipts), *[0] * n_rejects], "<u4")
        minutes = np.repeat((self.cell_minutes * 60).astype("<u4"), self.cell_sizes)
        block.numbers("window_start", "DateTime('UTC')", np.concatenate([minutes, windows]))
        block.low_cardinality("event_type", [self.event_type, RECEIPT, ""], kinds)
        block.low_cardinality("country", *self.cell_countries.repeated(self.cell_sizes, extra))
        block.low_cardinality("sticker", *self.cell_stickers.repeated(self.cell_sizes, extra))
        block.interned("hashtag", self.forms, self.names, [*[log] * n_receipts, *[""] * n_rejects])
        others = np.array([*[records] * n_receipts, *[0] * n_rejects], "<u8")
        block.numbers("events", "UInt64", np.concatenate([self.events.astype("<u8"), others]))
        if self.video_ids is not None:
            ends, flat = self.video_ids
            block.arrays("video_ids", np.concatenate([ends, np.full(extra, len(flat), "u8")]), flat)
        landed = np.zeros(block.rows, "<u8")
        landed[n_counts : n_counts + n_receipts] = next_offset
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

    def delta_rows(self) -> DeltaRows:
        """The same rows with their strings."""
        numbers, places, _ = _unique(self.forms)
        names = self.names.texts(numbers)
        return DeltaRows(
            self.event_type,
            self.cell_minutes.tolist(),
            self.cell_countries.list(),
            self.cell_stickers.list(),
            self.cell_sizes.tolist(),
            [names[place] for place in places.tolist()],
            self.events.tolist(),
            self.video_ids,
            self.rejects,
        )


def _unique(values: npt.NDArray[np.integer]) -> tuple[Ints, Ints, Ints]:
    """Distinct values; the place of each row's value among them; the first row of each value."""
    distinct, firsts, places = np.unique(values.astype(np.int64), return_index=True, return_inverse=True)
    return distinct, places, firsts
