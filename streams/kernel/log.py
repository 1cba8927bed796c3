"""What a fetch brought, down to the records: batches of magic 2, as aiokafka's fetcher reads them, but as raw bytes.

Checksums, decompression, control batches and aborted transactions are handled as in aiokafka's `PartitionRecords`,
whose batches do not let go of their bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from aiokafka.codec import gzip_decode, lz4_decode, snappy_decode, zstd_decode
from aiokafka.errors import CorruptRecordException
from aiokafka.record.control_record import ABORT_MARKER, ControlRecord
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.util import calc_crc32c

from streams.kernel.records import Records

#: Base offset, length, leader epoch, magic, CRC, attributes, last offset delta, two timestamps, producer id, producer
#: epoch, sequence, number of records: the header of a batch, before its records section.
_HEADER = struct.Struct(">qiibIhiqqqhii")
_LENGTH_END, _MAGIC_AT, _CHECKED_FROM = 12, 16, 21
_CODEC, _TRANSACTIONAL, _CONTROL = 0x07, 0x10, 0x20
_DECODERS = {1: gzip_decode, 2: snappy_decode, 3: lz4_decode, 4: zstd_decode}


@dataclass(frozen=True, slots=True)
class Fetched:
    """The records of one fetch that are to be counted, in offset order, and the position behind the fetch."""

    parts: list[Records]
    next_offset: int


def is_readable(data: bytes) -> bool:
    """Whether all batches of `data` are of magic 2. Brokers since Kafka 4 keep no others."""
    at = 0
    while at + _HEADER.size <= len(data):
        if data[at + _MAGIC_AT] != 2:
            return False
        at += _LENGTH_END + int.from_bytes(data[at + 8 : at + _LENGTH_END], "big")
    return True


def read(data: bytes, position: int, aborted: Iterable[tuple[int, int]] = (), check_crcs: bool = True) -> Fetched:
    """The records from `position` on. `aborted` names producer and first offset of aborted transactions.

    A batch that is cut off at the end, as fetches cut them, is left out. Raises CorruptRecordException where a
    checksum is wrong or a batch is not sound; then the fetch must be dropped whole.
    """
    ahead, producers = sorted(aborted, key=lambda transaction: transaction[1], reverse=True), set[int]()
    parts: list[Records] = []
    plain: list[tuple[int, int, int, int]] = []
    next_offset, begin = position, 0
    while begin + _LENGTH_END <= len(data):
        length = int.from_bytes(data[begin + 8 : begin + _LENGTH_END], "big", signed=True)
        end = begin + _LENGTH_END + length
        if end > len(data):
            break
        if end < begin + _HEADER.size:
            raise CorruptRecordException(f"a record batch of {length} bytes")
        base, _, _, _, crc, attributes, last, _, _, producer, _, _, number = _HEADER.unpack_from(data, begin)
        if check_crcs and crc != calc_crc32c(memoryview(data)[begin + _CHECKED_FROM : end]):
            raise CorruptRecordException(f"the checksum of the batch at offset {base} is wrong")
        while ahead and ahead[-1][1] <= base:
            producers.add(ahead.pop()[0])
        if attributes & _CONTROL:
            if _is_abort(data[begin:end]):
                producers.discard(producer)
        elif not (attributes & _TRANSACTIONAL and producer in producers):
            section = (begin + _HEADER.size, end, number, base)
            if attributes & _CODEC:
                _parse(parts, data, plain, position)
                plain = []
                raw = _decompressed(data, section, attributes & _CODEC)
                _parse(parts, raw, [(0, len(raw), number, base)], position)
            else:
                plain.append(section)
        next_offset = max(next_offset, base + last + 1)
        begin = end
    _parse(parts, data, plain, position)
    return Fetched(parts, next_offset)


def _parse(parts: list[Records], data: bytes, sections: list[tuple[int, int, int, int]], position: int) -> None:
    try:
        found = Records.parse_all(data, sections, position) if sections else None
    except ValueError as error:
        raise CorruptRecordException(str(error)) from error
    if found:
        parts.append(found)


def _decompressed(data: bytes, section: tuple[int, int, int, int], codec: int) -> bytes:
    decode = _DECODERS.get(codec)
    if decode is None:
        raise CorruptRecordException(f"no compression is numbered {codec}")
    raw: bytes = decode(data[section[0] : section[1]])
    return raw


def _is_abort(batch: bytes) -> bool:
    record = next(iter(DefaultRecordBatch(batch)), None)
    return record is not None and bool(ControlRecord.parse(record.key) == ABORT_MARKER)
