"""ClickHouse's Native format, built from arrays: the cheapest way to send a block of rows.

Source of the layout: ClickHouse documentation, "Native" format and LowCardinality serialization. A block is
varint columns, varint rows, then per column its name, its type and its values back to back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

#: LowCardinality: the keys of the dictionary travel with the column, and replace what was there before.
_LC_VERSION = (1).to_bytes(8, "little")
_LC_KEYS_TRAVEL = (1 << 9) | (1 << 10)
_ONE_BYTE_LENGTHS = [bytes([n]) for n in range(128)]


def varint(number: int) -> bytes:
    """Unsigned LEB128."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _prefixed(raw: bytes) -> bytes:
    length = len(raw)
    return (_ONE_BYTE_LENGTHS[length] if length < 128 else varint(length)) + raw


class Block:
    """One block under construction. Columns are added in any order; all must have `rows` values."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.columns: list[tuple[str, str]] = []
        self._parts: list[bytes] = []

    @property
    def names(self) -> list[str]:
        """Names of the columns, in order."""
        return [name for name, _ in self.columns]

    def _add(self, name: str, kind: str, *data: bytes) -> None:
        self.columns.append((name, kind))
        self._parts += [_prefixed(name.encode()), _prefixed(kind.encode()), *data]

    def numbers(self, name: str, kind: str, values: npt.NDArray[np.generic]) -> None:
        """A fixed-width column; the array's dtype must be the little-endian twin of `kind`."""
        if len(values) != self.rows:
            raise ValueError(f"column {name} has {len(values)} values, the block {self.rows}")
        self._add(name, kind, values.tobytes())

    def constant(self, name: str, kind: str, dtype: str, value: int) -> None:
        """A fixed-width column that holds one value in every row."""
        self.numbers(name, kind, np.full(self.rows, value, dtype))

    def strings(self, name: str, values: Iterable[str | bytes]) -> None:
        """A String column."""
        encoded = [_prefixed(v.encode() if isinstance(v, str) else v) for v in values]
        if len(encoded) != self.rows:
            raise ValueError(f"column {name} has {len(encoded)} values, the block {self.rows}")
        self._add(name, "String", *encoded)

    def low_cardinality(self, name: str, keys: Sequence[str], codes: npt.NDArray[np.integer]) -> None:
        """A LowCardinality(String) column: row i holds keys[codes[i]]."""
        if len(codes) != self.rows:
            raise ValueError(f"column {name} has {len(codes)} values, the block {self.rows}")
        width, dtype = (0, "u1") if len(keys) < 256 else (1, "<u2") if len(keys) < 65536 else (2, "<u4")
        data = [_LC_VERSION]
        if self.rows:
            data += [
                (_LC_KEYS_TRAVEL | width).to_bytes(8, "little"),
                len(keys).to_bytes(8, "little"),
                *(_prefixed(key.encode()) for key in keys),
                self.rows.to_bytes(8, "little"),
                codes.astype(dtype).tobytes(),
            ]
        self._add(name, "LowCardinality(String)", *data)

    def arrays(self, name: str, ends: npt.NDArray[np.uint64], flat: npt.NDArray[np.uint64]) -> None:
        """An Array(UInt64) column: `ends` are the cumulative lengths (rows values), `flat` all elements."""
        if len(ends) != self.rows or (self.rows and int(ends[-1]) != len(flat)):
            raise ValueError(f"column {name}: ends and elements do not match the block of {self.rows} rows")
        self._add(name, "Array(UInt64)", ends.astype("<u8").tobytes(), flat.astype("<u8").tobytes())

    def encode(self) -> bytes:
        """The block as bytes, ready to be the body of `INSERT ... FORMAT Native`."""
        return b"".join([varint(len(self.columns)), varint(self.rows), *self._parts])
