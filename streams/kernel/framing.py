"""Where the values lie in the records section of a record batch, magic 2. Compiled.

A record is, per Kafka's documentation ("Record Format"): length, attributes (a byte), timestamp delta, offset delta,
key, value, headers; numbers are zigzag varints, a key or value of length -1 is null.
"""

from __future__ import annotations

from typing import Any

from streams.kernel.jit import i64, inner, u64
from streams.kernel.primitives import byte_at

_MAX_VARINT_BYTES = 10


@inner
def _varint(buf: Any, i: Any, end: Any) -> Any:
    """The number at `i` and the position behind it, -1 where the number is cut off or too long."""
    raw = u64(0)
    shift = i64(0)
    while i < end and shift < 7 * _MAX_VARINT_BYTES:
        byte = byte_at(buf, i)
        i += 1
        raw |= u64(byte & 0x7F) << u64(shift)
        if byte < 0x80:
            half = i64(raw >> u64(1))
            return (~half if raw & u64(1) != u64(0) else half), i
        shift += 7
    return i64(0), i64(-1)


@inner
def _skip_bytes(buf: Any, i: Any, end: Any, nullable: Any) -> Any:
    """The position behind a length and as many bytes; -1 where they do not fit, or are null and must not be."""
    length, i = _varint(buf, i, end)
    if i < 0 or length > end - i or (length < 0 and not nullable):
        return i64(-1)
    return i + max(length, 0)


@inner
def _skip_headers(buf: Any, i: Any, end: Any) -> Any:
    number, i = _varint(buf, i, end)
    if number < 0:
        return i64(-1)
    while number > 0 and i >= 0:
        i = _skip_bytes(buf, i, end, False)
        if i >= 0:
            i = _skip_bytes(buf, i, end, True)
        number -= 1
    return i


@inner
def frame(
    buf: Any, begin: Any, end: Any, number: Any, base_offset: Any, from_offset: Any, offsets: Any, starts: Any,
    lengths: Any, used: Any,
) -> Any:  # fmt: skip
    """Write offset, start and length of the values in [begin, end) of `buf`, from index `used` on.

    Records before `from_offset` are left out; length -1 is a null value. Returns the index after the last one
    written, -1 where the section is not exactly `number` sound records.
    """
    i = begin
    for _ in range(number):
        size, i = _varint(buf, i, end)
        if i < 0 or size < 1 or size > end - i:
            return i64(-1)
        last = i + size
        _, i = _varint(buf, i + 1, last)  # one byte of attributes, then the timestamp
        if i < 0:
            return i64(-1)
        delta, i = _varint(buf, i, last)
        if i < 0:
            return i64(-1)
        i = _skip_bytes(buf, i, last, True)
        if i < 0:
            return i64(-1)
        length, i = _varint(buf, i, last)
        if i < 0 or length > last - i:
            return i64(-1)
        if base_offset + delta >= from_offset:
            offsets[used], starts[used], lengths[used] = base_offset + delta, i, max(length, -1)
            used += 1
        if _skip_headers(buf, i + max(length, 0), last) != last:
            return i64(-1)
        i = last
    return used if i == end else i64(-1)
