"""Records as they came from the log: one buffer, and where in it the values are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import overload

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Records(Sequence[bytes | None]):
    """Consecutive records of a partition, in offset order: a sequence of their values, each copied when asked for.

    Value k is buffer[starts[k]:starts[k] + lengths[k]]; a length of -1 is a null value.
    """

    buffer: Bytes
    offsets: Ints
    starts: Ints
    lengths: Ints

    @classmethod
    def of(cls, offsets: Sequence[int], values: Sequence[bytes | None]) -> Records:
        """The same records, laid end to end in a buffer of their own."""
        lengths = [-1 if value is None else len(value) for value in values]
        ends = accumulate((max(length, 0) for length in lengths), initial=0)
        return cls(
            np.frombuffer(b"".join(value for value in values if value), np.uint8),
            np.array(offsets, np.int64),
            np.fromiter(ends, np.int64, len(lengths) + 1)[:-1],
            np.array(lengths, np.int64),
        )

    def __len__(self) -> int:
        return len(self.offsets)

    @overload
    def __getitem__(self, index: int) -> bytes | None: ...
    @overload
    def __getitem__(self, index: slice) -> Records: ...
    def __getitem__(self, index: int | slice) -> bytes | Records | None:
        if isinstance(index, slice):
            return Records(self.buffer, self.offsets[index], self.starts[index], self.lengths[index])
        start, length = int(self.starts[index]), int(self.lengths[index])
        return None if length < 0 else self.buffer[start : start + length].tobytes()

    def without(self, numbers: Sequence[int]) -> Records:
        """All but the records with these numbers, in the same buffer."""
        kept = np.ones(len(self), np.bool_)
        kept[numbers] = False
        return Records(self.buffer, self.offsets[kept], self.starts[kept], self.lengths[kept])

    @property
    def value_bytes(self) -> int:
        """Bytes of all values."""
        return int(np.maximum(self.lengths, 0).sum())
