"""The rows of a delta as the kernel counted them: numbers of strings, made into columns without a detour by str."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from schemas.rejects import Reject
from schemas.topics import EventType
from sinks.delta import RECEIPT, DeltaRows, VideoIds, _add_rejects, _codes, receipt_window
from sinks.native import Block, varint
from streams.kernel.compiled import functions
from streams.kernel.interned import Generation, Interner, Words
from streams.kernel.layout import COUNTRY_BITS, STICKER_BITS
from streams.kernel.records import Ints


def country_code(country: str) -> int:
    """The number of a normal form of a country: 1 + 26 * first + second letter."""
    return 1 + 26 * (ord(country[0]) - 65) + ord(country[1]) - 65


def _country(code: int) -> str:
    return chr(65 + (code - 1) // 26) + chr(65 + (code - 1) % 26)


class ArenaBlock(Block):
    """A block that also takes strings which are numbers of an interner."""

    def interned(self, name: str, numbers: Ints, names: Interner, others: list[str]) -> None:
        """A String column: the strings with these numbers, then others."""
        if len(numbers) + len(others) != self.rows:
            raise ValueError(f"column {name} has {len(numbers) + len(others)} values, the block {self.rows}")
        encoded = np.empty(functions().encoded_size(numbers, names.entries), np.uint8)
        functions().encode_strings(numbers, names.entries, names.arena, encoded)
        rest = (varint(len(raw)) + raw for raw in (other.encode() for other in others))
        self._add(name, "String", encoded.tobytes(), *rest)


@dataclass(frozen=True, slots=True)
class KernelRows:
    """Stands where `DeltaRows` stands; `delta_rows` makes one. Cells come in the order of their first record."""

    event_type: str
    cell_minutes: list[int]
    cell_countries: list[str]
    cell_stickers: list[str]
    cell_sizes: list[int]
    forms: Ints
    """Number of the hashtag of each row, in `names`."""
    events: Words
    video_ids: VideoIds | None
    rejects: list[Reject]
    names: Interner

    @classmethod
    def of(
        cls, event_type: EventType, cell_keys: Words, cell_sizes: Ints, forms: Ints, events: Words,
        videos: tuple[Words, Words] | None, rejects: list[Reject], generation: Generation,
    ) -> KernelRows:  # fmt: skip
        """Rows from what the compiled code laid out."""
        minutes = cell_keys >> np.uint64(COUNTRY_BITS + STICKER_BITS)
        countries = cell_keys & np.uint64((1 << COUNTRY_BITS) - 1)
        stickers = (cell_keys >> np.uint64(COUNTRY_BITS)) & np.uint64((1 << STICKER_BITS) - 1)
        known = {code: _country(code) for code in np.unique(countries).tolist()}
        numbers, places = np.unique(stickers.astype(np.int64), return_inverse=True)
        names = generation.sticker_forms.texts(numbers)
        return cls(
            event_type.value,
            minutes.tolist(),
            [known[code] for code in countries.tolist()],
            [names[place] for place in places.tolist()],
            cell_sizes.tolist(),
            forms,
            events,
            None if videos is None else VideoIds(*videos),
            rejects,
            generation.forms,
        )

    def __len__(self) -> int:
        """Rows, rejects included."""
        return len(self.forms) + len(self.rejects)

    def _without_rows(self) -> DeltaRows:
        return DeltaRows(
            self.event_type, self.cell_minutes, self.cell_countries, self.cell_stickers, self.cell_sizes, [], [],
            None, self.rejects,
        )  # fmt: skip

    def months(self) -> tuple[int, ...]:
        """Months (YYYYMM, UTC) in which there are counts, ascending."""
        return self._without_rows().months()

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
        sizes = np.array([*self.cell_sizes, *[1] * extra], "i8")
        minutes = np.array(self.cell_minutes, "<u4") * np.uint32(60)
        receipt_windows = np.array([*map(receipt_window, receipts), *[0] * n_rejects], "<u4")
        block.numbers("window_start", "DateTime('UTC')", np.repeat(np.concatenate([minutes, receipt_windows]), sizes))
        block.low_cardinality("event_type", [self.event_type, RECEIPT, ""], kinds)
        for name, values in (("country", self.cell_countries), ("sticker", self.cell_stickers)):
            keys, codes = _codes([*values, *[""] * extra])
            block.low_cardinality(name, keys, np.repeat(codes, sizes))
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
            _add_rejects(block, self.rejects, log, n_counts + n_receipts)
        return block

    def delta_rows(self) -> DeltaRows:
        """The same rows with their strings."""
        numbers, places = np.unique(self.forms, return_inverse=True)
        names = self.names.texts(numbers)
        return DeltaRows(
            self.event_type,
            self.cell_minutes,
            self.cell_countries,
            self.cell_stickers,
            self.cell_sizes,
            [names[place] for place in places.tolist()],
            self.events.tolist(),
            self.video_ids,
            self.rejects,
        )
