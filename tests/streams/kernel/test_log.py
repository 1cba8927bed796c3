"""A fetch read as raw bytes holds the records, and ends at the position, that aiokafka finds."""

from __future__ import annotations

import random
import struct
from typing import Any

import pytest
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

from streams.kernel import log
from tests.streams.test_drain import fetched, log_of

Read = tuple[list[tuple[int, bytes | None]], int]


def by_kernel(data: bytes, position: int, aborted: list[tuple[int, int]] | None = None) -> Read:
    found = log.read(data, position, aborted or ())
    records = [(int(offset), part[at]) for part in found.parts for at, offset in enumerate(part.offsets)]
    return records, found.next_offset


def by_aiokafka(data: bytes, position: int, aborted: list[tuple[int, int]] | None = None) -> Read:
    records: Any = fetched(data, position, aborted)[0]._partition_records
    return [(record.offset, record.value) for record in records], records.next_fetch_offset


def marker(offset: int, producer: int, kind: int) -> bytes:
    """The control batch that ends a transaction: kind 0 aborts, 1 commits."""
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=0, is_transactional=1, producer_id=producer, producer_epoch=0, base_sequence=0,
        batch_size=1000,
    )  # fmt: skip
    builder.append(0, timestamp=0, key=struct.pack(">hh", 0, kind), value=b"\0" * 6, headers=[])
    batch = builder.build()
    batch[0:8] = offset.to_bytes(8, "big")
    batch[22] |= 0x20
    batch[17:21] = calc_crc32c(bytes(batch[21:])).to_bytes(4, "big")
    assert DefaultRecordBatch(bytes(batch)).validate_crc()
    return bytes(batch)


async def test_random_logs_read_alike() -> None:
    dice = random.Random(11)
    for _ in range(300):
        data, offset, aborted, position = b"", dice.randrange(50), [], -1
        for _ in range(dice.randrange(1, 8)):
            offset += dice.randrange(3)
            producer = dice.choice((-1, -1, 5, 6))
            if producer >= 0 and dice.randrange(2):
                if dice.randrange(2):
                    aborted.append((producer, offset))
                data += log_of(offset, [b"t%d" % offset], producer=producer)
                data += marker(offset + 1, producer, dice.randrange(2))
                offset += 2
            else:
                values = [dice.choice((None, b"", b"x" * dice.randrange(300))) for _ in range(dice.randrange(1, 9))]
                data += log_of(offset, values, producer=producer, compression=dice.choice((0, 0, 1, 3, 4)))
                offset += len(values)
            # A broker's answer begins with the batch that holds the position, or with the next one.
            position = dice.randrange(max(offset - 3, 0), offset) if position < 0 else position
        data += dice.choice((b"", b"\0" * 5, log_of(offset, [b"cut off"])[:-1]))
        assert log.is_readable(data)
        assert by_kernel(data, position, aborted) == by_aiokafka(data, position, aborted)


def test_a_wrong_checksum_refuses_the_fetch() -> None:
    data = bytearray(log_of(1, [b"a"]) + log_of(2, [b"b"]))
    data[-2] ^= 1
    with pytest.raises(CorruptRecordException, match="checksum of the batch at offset 2"):
        log.read(bytes(data), 0)


def test_older_formats_are_not_read_here() -> None:
    old = bytearray(log_of(1, [b"a"]))
    old[16] = 1
    assert not log.is_readable(bytes(old))
