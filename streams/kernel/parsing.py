"""From the records sections of record batches to `Records`."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from streams.kernel.compiled import functions
from streams.records import Records

#: A record takes at least seven bytes.
_LEAST_BYTES = 7


def parse(buffer: bytes | bytearray | memoryview, number: int, base_offset: int, from_offset: int = 0) -> Records:
    """Find the records in an uncompressed records section that holds `number` of them.

    Offsets count from `base_offset`; records before `from_offset` are left out. Raises ValueError where the
    section is not exactly that many sound records.
    """
    return parse_all(buffer, [(0, len(buffer), number, base_offset)], from_offset)


def parse_all(
    buffer: bytes | bytearray | memoryview, sections: Iterable[tuple[int, int, int, int]], from_offset: int = 0
) -> Records:
    """Find the records of several sections of one buffer, such as a fetch brings.

    A section is (begin, end, number of records, base offset). Records before `from_offset` are left out. Raises
    ValueError where a section does not hold exactly so many sound records.
    """
    sections = list(sections)
    array = np.frombuffer(buffer, np.uint8)
    # A wrong number must not cost memory.
    room = min(sum(max(number, 0) for _, _, number, _ in sections), len(array) // _LEAST_BYTES + 1)
    offsets, starts, lengths = (np.empty(room, np.int64) for _ in range(3))
    frame, used = functions().frame, 0
    for begin, end, number, base_offset in sections:
        if not 0 <= begin <= end <= len(array) or not 0 <= number <= (end - begin) // _LEAST_BYTES:
            raise ValueError(f"{number} records do not fit in the bytes [{begin}, {end}) of {len(array)}")
        used = frame(array, begin, end, number, base_offset, from_offset, offsets, starts, lengths, used)
        if used < 0:
            raise ValueError(f"the section at offset {base_offset} is not {number} sound records")
    return Records(array, offsets[:used], starts[:used], lengths[:used])
