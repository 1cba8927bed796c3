"""Reads the blocks that the writer sends: the columns of sinks.native, back into values."""

from __future__ import annotations

from typing import Any

_WIDTHS = {"UInt8": 1, "UInt32": 4, "UInt64": 8, "DateTime('UTC')": 4, "DateTime64(3, 'UTC')": 8}


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, length: int) -> bytes:
        taken = self._data[self._at : self._at + length]
        assert len(taken) == length, "the block ends early"
        self._at += length
        return taken

    def varint(self) -> int:
        number = shift = 0
        while True:
            byte = self._data[self._at]
            self._at += 1
            number |= (byte & 127) << shift
            if byte < 128:
                return number
            shift += 7

    def text(self) -> str:
        return self.take(self.varint()).decode(errors="replace")

    def numbers(self, width: int, count: int) -> list[int]:
        raw = self.take(width * count)
        return [int.from_bytes(raw[i : i + width], "little") for i in range(0, len(raw), width)]

    def column(self, kind: str, rows: int) -> list[Any]:
        if kind in _WIDTHS:
            return self.numbers(_WIDTHS[kind], rows)
        if kind == "String":
            return [self.text() for _ in range(rows)]
        if kind == "LowCardinality(String)":
            _, flags, count = self.numbers(8, 3)
            keys = [self.text() for _ in range(count)]
            (codes,) = self.numbers(8, 1)
            return [keys[code] for code in self.numbers(1 << (flags & 3), codes)]
        raise AssertionError(f"the model reads no column of type {kind}")


def read_block(data: bytes) -> list[dict[str, Any]]:
    """The rows of one block, each as a mapping from column to value."""
    reader = _Reader(data)
    columns, rows = reader.varint(), reader.varint()
    values: dict[str, list[Any]] = {}
    for _ in range(columns):
        name, kind = reader.text(), reader.text()
        values[name] = reader.column(kind, rows)
    return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
