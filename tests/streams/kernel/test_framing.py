"""Records are found in a batch where aiokafka finds them, and nowhere else."""

from __future__ import annotations

import random
from typing import Any

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from hypothesis import given
from hypothesis import strategies as st

from streams.kernel.parsing import parse, parse_all

HEADER_BYTES = 61
_some_bytes = st.none() | st.binary(max_size=200)
_records = st.lists(
    st.tuples(
        st.integers(0, 2**40),
        _some_bytes,
        _some_bytes,
        st.lists(st.tuples(st.text(max_size=5), _some_bytes), max_size=3),
    ),
    min_size=1,
    max_size=40,
)


def batch_of(records: list[tuple[int, Any, Any, list[Any]]]) -> bytes:
    """A whole uncompressed record batch of (timestamp, key, value, headers); offsets leave gaps."""
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=0, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=-1,
        batch_size=10_000_000,
    )  # fmt: skip
    for index, (timestamp, key, value, headers) in enumerate(records):
        builder.append(3 * index, timestamp=timestamp, key=key, value=value, headers=headers)
    return bytes(builder.build())


@given(_records, st.integers(0, 200))
def test_the_same_records_as_aiokafka(records: list[Any], from_offset: int) -> None:
    section = batch_of(records)[HEADER_BYTES:]
    found = parse(section, len(records), 50, from_offset)
    wanted = [(50 + 3 * n, record[2]) for n, record in enumerate(records) if 50 + 3 * n >= from_offset]
    assert [(int(offset), found[at]) for at, offset in enumerate(found.offsets)] == wanted
    assert found.value_bytes == sum(len(value or b"") for _, value in wanted)
    with pytest.raises(ValueError):
        parse(section, len(records) + 1, 50)
    with pytest.raises(ValueError):
        parse(section, len(records) - 1, 50)
    with pytest.raises(ValueError):
        parse(section[:-1], len(records), 50)


def _varint(section: bytes, i: int, end: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        if i >= end or shift >= 70:
            raise ValueError
        byte = section[i]
        number |= (byte & 127) << shift
        i, shift = i + 1, shift + 7
        if byte < 128:
            number &= 2**64 - 1
            return (number >> 1) ^ -(number & 1), i


def _bytes(section: bytes, i: int, end: int) -> tuple[bytes | None, int]:
    length, i = _varint(section, i, end)
    if length > end - i:
        raise ValueError
    return (section[i : i + length], i + length) if length >= 0 else (None, i)


def _read(section: bytes, number: int) -> list[tuple[int, bytes | None]]:
    """Offset delta and value of each record, checked byte by byte.

    Not aiokafka's own reader: on damaged sections it reads outside its buffer (the CRC keeps them away from it).
    """
    i, found = 0, []
    for _ in range(number):
        size, i = _varint(section, i, len(section))
        last = i + size
        if size < 1 or last > len(section):
            raise ValueError
        _, i = _varint(section, i + 1, last)
        delta, i = _varint(section, i, last)
        _, i = _bytes(section, i, last)
        value, i = _bytes(section, i, last)
        headers, i = _varint(section, i, last)
        if headers < 0:
            raise ValueError
        for _ in range(headers):
            name, i = _bytes(section, i, last)
            _, i = _bytes(section, i, last)
            if name is None:
                raise ValueError
        if i != last:
            raise ValueError
        found.append((delta, value))
    if i != len(section):
        raise ValueError
    return found


def test_damaged_sections_are_read_exactly_or_refused() -> None:
    dice = random.Random(5)
    sound = 0
    for _ in range(20_000):
        count = dice.randrange(1, 4)
        whole = batch_of([(0, b"key", b"x" * dice.randrange(80), [("h", b"v"), ("n", None)])] * count)
        section = bytearray(whole[HEADER_BYTES:])
        for _ in range(dice.randrange(1, 3)):
            section[dice.randrange(len(section))] = dice.randrange(256)
        if dice.randrange(4) == 0:
            del section[dice.randrange(len(section)) :]
        try:
            wanted = _read(bytes(section), count)
        except ValueError:
            with pytest.raises(ValueError):
                parse(bytes(section), count, 0, -(2**63))
            continue
        sound += 1
        found = parse(bytes(section), count, 0, -(2**63))
        assert [(int(offset), found[at]) for at, offset in enumerate(found.offsets)] == wanted
    assert sound > 1000


def test_no_number_of_records_costs_memory() -> None:
    for number in (2**31 - 1, -1, 9):
        with pytest.raises(ValueError, match="fit"):
            parse(b"x" * 40, number, 0)
    assert len(parse(b"", 0, 0)) == 0


def test_several_sections_of_one_buffer() -> None:
    first, second = batch_of([(0, None, b"a", [])] * 2), batch_of([(0, None, b"bc", [])])
    ends = len(first), len(first) + len(second)
    sections = [(HEADER_BYTES, ends[0], 2, 10), (ends[0] + HEADER_BYTES, ends[1], 1, 20)]
    found = parse_all(first + second, sections, 13)
    assert found.offsets.tolist() == [13, 20]
    assert (found[0], found[-1], list(found[1:]), len(found[2:])) == (b"a", b"bc", [b"bc"], 0)
