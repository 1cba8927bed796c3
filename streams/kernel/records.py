"""Records as they came from the log: one buffer, and where in it the values are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streams.kernel.compiled import functions

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Records:
    """Consecutive records of a partition, in offset order.

    Value k is buffer[starts[k]:starts[k] + lengths[k]]; a length of -1 is a null value.
    """

    buffer: Bytes
    offsets: Ints
    starts: Ints
    lengths: Ints

    @classmethod
    def parse(
        cls, buffer: bytes | bytearray | memoryview, number: int, base_offset: int, from_offset: int = 0
    ) -> Records:
        """Find the records in an uncompressed records section that holds `number` of them.

        Offsets count from `base_offset`; records before `from_offset` are left out. Raises ValueError where the
        section is not exactly that many sound records.
        """
        return cls.parse_all(buffer, [(0, len(buffer), number, base_offset)], from_offset)

    @classmethod
    def parse_all(
        cls,
        buffer: bytes | bytearray | memoryview,
        sections: Iterable[tuple[int, int, int, int]],
        from_offset: int = 0,
    ) -> Records:
        """Find the records of several sections of one buffer, such as a fetch brings.

        A section is (begin, end, number of records, base offset). Records before `from_offset` are left out.
        """
        sections = list(sections)
        array = np.frombuffer(buffer, np.uint8)
        # A record takes at least seven bytes: a wrong number must not cost memory.
        room = min(sum(max(number, 0) for _, _, number, _ in sections), len(array) // 7 + 1)
        offsets, starts, lengths = (np.empty(room, np.int64) for _ in range(3))
        frame, used = functions().frame, 0
        for begin, end, number, base_offset in sections:
            if not 0 <= begin <= end <= len(array) or not 0 <= number <= (end - begin) // 7:
                raise ValueError(f"{number} records do not fit in the bytes [{begin}, {end}) of {len(array)}")
            used = frame(array, begin, end, number, base_offset, from_offset, offsets, starts, lengths, used)
            if used < 0:
                raise ValueError(f"the section at offset {base_offset} is not {number} sound records")
        return cls(array, offsets[:used], starts[:used], lengths[:used])

    def __len__(self) -> int:
        return len(self.offsets)

    @property
    def value_bytes(self) -> int:
        """Bytes of all values."""
        return int(np.maximum(self.lengths, 0).sum())

    def value(self, record: int) -> bytes | None:
        """The value of one record."""
        start, length = int(self.starts[record]), int(self.lengths[record])
        return None if length < 0 else self.buffer[start : start + length].tobytes()

    def split(self, offset: int) -> tuple[Records, Records]:
        """The records before `offset`, and the others."""
        at = int(np.searchsorted(self.offsets, offset))
        return self._part(slice(None, at)), self._part(slice(at, None))

    def _part(self, part: slice) -> Records:
        return Records(self.buffer, self.offsets[part], self.starts[part], self.lengths[part])
