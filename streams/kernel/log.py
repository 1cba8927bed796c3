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
from crc32c import crc32c

from streams.kernel.parsing import parse_all
from streams.records import Records

#: Base offset, length, leader epoch, magic, CRC, attributes, last offset delta, two timestamps, producer id, producer
#: epoch, sequence, number of records: the header of a batch, before its records section.
_HEADER = struct.Struct(">qiibIhiqqqhii")
_LENGTH_END, _MAGIC_AT, _CHECKED_FROM = 12, 16, 21
_CODEC, _TRANSACTIONAL, _CONTROL = 0x07, 0x10, 0x20
_DECODERS = {1: gzip_decode, 2: snappy_decode, 3: lz4_decode, 4: zstd_decode}


@dataclass(frozen=True, slots=True)
class Fetched:
    """The records of one fetch that are to be counted, in offset order, and the position behind the fetch.

    A part is never empty. There is one, unless a compressed fetch was cut.
    """

    parts: list[Records]
    next_offset: int


@dataclass(frozen=True, slots=True)
class _Section:
    """The records section of a batch: [begin, end) of `source`, uncompressed."""

    source: bytes
    begin: int
    end: int
    records: int
    base_offset: int


def is_readable(data: bytes) -> bool:
    """Whether all batches of `data` are of magic 2. Brokers since Kafka 4 keep no others."""
    at = 0
    while at + _MAGIC_AT < len(data):
        if data[at + _MAGIC_AT] != 2:
            return False
        at += _LENGTH_END + int.from_bytes(data[at + 8 : at + _LENGTH_END], "big")
    return True


def read(
    data: bytes,
    position: int,
    aborted: Iterable[tuple[int, int]] = (),
    check_crcs: bool = True,
    part_bytes: int = 4 * 1024 * 1024,
) -> Fetched:
    """The records from `position` on. `aborted` names producer and first offset of aborted transactions.

    What compressed batches unpack to is laid end to end; a part that has reached `part_bytes` ends with the batch.
    A batch that is cut off at the end, as fetches cut them, is left out. Raises CorruptRecordException where a
    checksum is wrong or a batch is not sound; then the fetch must be dropped whole.
    """
    ahead, producers = sorted(aborted, key=lambda transaction: transaction[1], reverse=True), set[int]()
    sections: list[_Section] = []
    next_offset, begin = position, 0
    while begin + _LENGTH_END <= len(data):
        length = int.from_bytes(data[begin + 8 : begin + _LENGTH_END], "big", signed=True)
        end = begin + _LENGTH_END + length
        if end > len(data):
            break
        if end < begin + _HEADER.size:
            raise CorruptRecordException(f"a record batch of {length} bytes")
        base, _, _, _, crc, attributes, last, _, _, producer, _, _, number = _HEADER.unpack_from(data, begin)
        if check_crcs and crc != crc32c(memoryview(data)[begin + _CHECKED_FROM : end]):
            raise CorruptRecordException(f"the checksum of the batch at offset {base} is wrong")
        while ahead and ahead[-1][1] <= base:
            producers.add(ahead.pop()[0])
        if attributes & _CONTROL:
            if _is_abort(data[begin:end]):
                producers.discard(producer)
        elif not (attributes & _TRANSACTIONAL and producer in producers):
            section = _Section(data, begin + _HEADER.size, end, number, base)
            sections.append(_unpacked(section, attributes & _CODEC) if attributes & _CODEC else section)
        next_offset = max(next_offset, base + last + 1)
        begin = end
    try:
        parts = [parse_all(buffer, places, position) for buffer, places in _buffers(sections, part_bytes)]
    except ValueError as error:
        raise CorruptRecordException(str(error)) from error
    return Fetched([part for part in parts if len(part)], next_offset)


def _buffers(sections: list[_Section], part_bytes: int) -> Iterable[tuple[bytes, list[tuple[int, int, int, int]]]]:
    """The sections as few buffers as may be, with their places in it: (begin, end, records, base offset)."""
    if sections and all(section.source is sections[0].source for section in sections):
        # As they came: nothing is copied.
        yield sections[0].source, [(s.begin, s.end, s.records, s.base_offset) for s in sections]
        return
    pieces: list[memoryview] = []
    places: list[tuple[int, int, int, int]] = []
    size = 0
    for s in sections:
        pieces.append(memoryview(s.source)[s.begin : s.end])
        places.append((size, size + s.end - s.begin, s.records, s.base_offset))
        size += s.end - s.begin
        if size >= part_bytes:
            yield b"".join(pieces), places
            pieces, places, size = [], [], 0
    if pieces:
        yield b"".join(pieces), places


def _unpacked(section: _Section, codec: int) -> _Section:
    decode = _DECODERS.get(codec)
    if decode is None:
        raise CorruptRecordException(f"no compression is numbered {codec}")
    raw: bytes = decode(section.source[section.begin : section.end])
    return _Section(raw, 0, len(raw), section.records, section.base_offset)


def _is_abort(batch: bytes) -> bool:
    record = next(iter(DefaultRecordBatch(batch)), None)
    return record is not None and bool(ControlRecord.parse(record.key) == ABORT_MARKER)
