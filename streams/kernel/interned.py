"""Strings as numbers, the side of Python: arrays that grow, and what was learnt about tags and stickers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from streams.kernel.compiled import functions
from streams.kernel.layout import ENTRY_WORDS
from streams.records import Bytes, Ints

Words = npt.NDArray[np.uint64]
Grows = TypeVar("Grows", Words, Bytes)

_FIRST_ENTRIES, _FIRST_BYTES = 1 << 10, 1 << 14
#: Lookups read whole words, so the arena ends in some bytes that hold nothing.
_PADDING = 8
_LENGTH_BITS, _LENGTH = np.uint64(16), np.uint64(0xFFFF)


class Interner:
    """Numbers for strings, 0, 1, 2 and so on, each with a value.

    One thread adds; others may read entries and arena at the same time: what they hold never changes, it is copied
    when it grows.
    """

    def __init__(self, words: Words) -> None:
        self._words = words
        self._counts = np.zeros(2, np.int64)
        self.slots: Words = np.zeros(2 * _FIRST_ENTRIES, np.uint64)
        self.entries: Words = np.zeros(ENTRY_WORDS * _FIRST_ENTRIES, np.uint64)
        self.arena: Bytes = np.zeros(_FIRST_BYTES, np.uint8)

    def __len__(self) -> int:
        return int(self._counts[0])

    def intern(self, strings: Sequence[bytes], values: Sequence[int]) -> Ints:
        """The numbers of `strings`; those that are new are added, with their values."""
        lengths = np.fromiter(map(len, strings), np.int64, len(strings))
        starts = np.fromiter(accumulate(map(len, strings), initial=0), np.int64, len(strings) + 1)
        self._reserve(len(strings), int(starts[-1]))
        found = np.empty(len(strings), np.int64)
        functions().intern_many(
            np.frombuffer(b"".join(strings), np.uint8),
            starts[:-1],
            lengths,
            np.array(values, np.int64),
            self.slots,
            self.entries,
            self.arena,
            self._words,
            self._counts,
            found,
        )
        return found

    def _reserve(self, strings: int, size: int) -> None:
        number, used = (int(count) for count in self._counts)
        self.arena = _grown(self.arena, used, used + size + _PADDING)
        entries = _grown(self.entries, ENTRY_WORDS * number, ENTRY_WORDS * (number + strings))
        if len(entries) > len(self.entries):
            self.entries = entries
            self.slots = np.zeros(len(entries) // ENTRY_WORDS * 2, np.uint64)
            functions().fill_slots(self.slots, entries, self.arena, self._words, number)

    def texts(self, numbers: Ints) -> list[str]:
        """The strings with these numbers."""
        places = self.entries[ENTRY_WORDS * numbers + 2]
        starts = (places >> _LENGTH_BITS).tolist()
        ends = ((places >> _LENGTH_BITS) + (places & _LENGTH)).tolist()
        arena = self.arena.data
        return [str(arena[start:end], "utf-8") for start, end in zip(starts, ends, strict=True)]


def _grown(array: Grows, used: int, needed: int) -> Grows:
    """`array`, or one at least twice as large with its first `used` elements, where `needed` do not fit."""
    size = len(array)
    while size < needed:
        size *= 2
    if size == len(array):
        return array
    larger = np.zeros_like(array, shape=size)
    larger[:used] = array[:used]
    return larger


class Generation:
    """All that was learnt since the last reset. A delta keeps to one generation, whatever comes after it."""

    def __init__(self, words: Words) -> None:
        self.tags = Interner(words)
        """Tags as they stand in JSON, between the quotes -> form, or why it is dropped."""
        self.stickers = Interner(words)
        """Stickers likewise -> sticker form, or ODD."""
        self.forms = Interner(words)
        """Normal forms of tags -> their groups, one bit each. Form 0 is "", the row of all events."""
        self.sticker_forms = Interner(words)
        """Normal forms of stickers. 0 is "": none."""
        self.forms.intern([b""], [0])
        self.sticker_forms.intern([b""], [0])

    def __len__(self) -> int:
        """The strings in the largest of the tables."""
        return max(map(len, (self.tags, self.stickers, self.forms, self.sticker_forms)))
