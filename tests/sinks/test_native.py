"""Blocks that we build must read back as what was put in."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest

from sinks.native import Block, varint

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


@pytest.mark.parametrize(("number", "encoded"), [(0, b"\0"), (127, b"\x7f"), (128, b"\x80\x01"), (300, b"\xac\x02")])
def test_varint(number: int, encoded: bytes) -> None:
    assert varint(number) == encoded


@pytest.mark.parametrize("keys", [1, 3, 255, 256, 70_000])
def test_block_reads_back(database: Client, keys: int) -> None:
    database.command(
        "CREATE TABLE t (n UInt64, s String, l LowCardinality(String), a Array(UInt64), d DateTime64(3, 'UTC'))"
        " ENGINE = MergeTree ORDER BY n"
    )
    rows = max(keys, 5)
    words = [f"w{i}" if i else "" for i in range(keys)]
    codes = np.arange(rows) % keys
    texts = ["", "a" * 127, "ü" * 64, "x" * 20_000, *(f"#{i}" for i in range(rows - 4))]
    lengths = np.arange(rows, dtype="u8") % 3
    flat = np.arange(int(lengths.sum()), dtype="u8") + 2**63
    block = Block(rows)
    block.numbers("n", "UInt64", np.arange(rows, dtype="<u8"))
    block.strings("s", texts)
    block.low_cardinality("l", words, codes)
    block.arrays("a", np.cumsum(lengths), flat)
    block.constant("d", "DateTime64(3, 'UTC')", "<i8", 1_700_000_000_123)
    database.raw_insert("t", column_names=block.names, insert_block=io.BytesIO(block.encode()), fmt="Native")
    found = database.query("SELECT s, l, a, toUnixTimestamp64Milli(d) FROM t ORDER BY n").result_rows
    ends = np.cumsum(lengths).tolist()
    assert [row[0] for row in found] == texts
    assert [row[1] for row in found] == [words[code] for code in codes]
    assert [list(row[2]) for row in found] == [flat[a:b].tolist() for a, b in zip([0, *ends], ends, strict=False)]
    assert {row[3] for row in found} == {1_700_000_000_123}


def test_columns_must_have_as_many_values_as_the_block() -> None:
    block = Block(2)
    additions: list[Callable[[], None]] = [
        lambda: block.strings("s", ["a"]),
        lambda: block.numbers("n", "UInt8", np.zeros(3, "u1")),
        lambda: block.low_cardinality("l", ["a"], np.zeros(1, "u1")),
        lambda: block.arrays("a", np.array([1], "u8"), np.array([1], "u8")),
        lambda: block.arrays("a", np.array([1, 2], "u8"), np.array([1], "u8")),
    ]
    for add in additions:
        with pytest.raises(ValueError, match="column"):
            add()
