"""The values of the fields that count, read from bytes. Compiled.

Each takes what lies between the quotes, [i, end), or for numbers what begins at `i`. -1 (or, where said, another
negative number) means: not the usual form, let the judge decide.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.kernel.jit import i64, inner, u64
from streams.kernel.primitives import byte_at, word_at

_ZERO, _NINE = 0x30, 0x39
_DOT, _PLUS, _MINUS, _COLON = 0x2E, 0x2B, 0x2D, 0x3A

#: "0000-00-" and "00:00:00" as words, and where their bytes must be digits.
_DATE, _DATE_DIGITS = np.uint64(0x2D30302D30303030), np.uint64(0x00FFFF00FFFFFFFF)
_CLOCK, _CLOCK_DIGITS = np.uint64(0x30303A30303A3030), np.uint64(0xFFFF00FFFF00FFFF)
_EIGHT = np.uint64(0x3030303030303030)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_SIXES, _HIGH_NIBBLES = np.uint64(0x0606060606060606), np.uint64(0xF0F0F0F0F0F0F0F0)

_LARGEST_TENTH = np.uint64((2**64 - 1) // 10)
_LAST_DIGIT = np.uint64((2**64 - 1) % 10)
_MAX_COUNT = 2**32 - 1

#: Country codes are 1 + 26 * first + second letter; this is ZZ.
UNKNOWN_COUNTRY = 676
_UK, _GB = 1 + 26 * 20 + 10, 1 + 26 * 6 + 1

#: What `second_of` answers where there is no usual timestamp. No such second can be asked for: it lies before year 1.
NO_SECOND = -(1 << 62)


@inner
def _are_digits(word: Any, pattern: Any, digits: Any) -> Any:
    """Whether `word` is `pattern` with any digits where `digits` has bytes of ones."""
    x = word ^ pattern
    # A byte up to 9 has no high nibble and gets none by adding 6. A carry into the next byte comes only from a byte
    # that has a high nibble itself.
    return ((x | ((x & digits) + (_SIXES & digits))) & _HIGH_NIBBLES & digits) | (x & ~digits) == u64(0)


@inner
def _pair(word: Any, byte: Any) -> Any:
    """Two digits of `word`, from `byte` on, as a number."""
    shift = u64(8 * byte)
    both = i64((word >> shift) & u64(0x0F0F))
    return (both & 0xFF) * 10 + (both >> 8)


@inner
def _month_length(year: Any, month: Any) -> Any:
    if month == 2:
        leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        return 29 if leap else 28
    return 30 if month == 4 or month == 6 or month == 9 or month == 11 else 31


@inner
def days_of(word: Any, day: Any) -> Any:
    """Days since 1970-01-01 of a date given as the word "YYYY-MM-" and a day; -1 before 1970 or where there is none."""
    if not _are_digits(word, _DATE, _DATE_DIGITS):
        return i64(-1)
    year = _pair(word, 0) * 100 + _pair(word, 2)
    month = _pair(word, 5)
    if year < 1970 or month < 1 or month > 12 or day < 1 or day > _month_length(year, month):
        return i64(-1)
    # Years that begin in March end in the day that leap years add.
    y = year if month > 2 else year - 1
    m = month - 3 if month > 2 else month + 9
    return y * 365 + y // 4 - y // 100 + y // 400 + (153 * m + 2) // 5 + day - 719_469


@inner
def _offset_of(buf: Any, i: Any, end: Any) -> Any:
    """What follows the seconds -> the offset from UTC in seconds, NO_SECOND where it is not the usual form."""
    if i < end and byte_at(buf, i) == _DOT:
        i += 1
        begin = i
        while i < end and _ZERO <= byte_at(buf, i) <= _NINE:
            i += 1
        if i == begin:
            return i64(NO_SECOND)
    if i + 1 == end:
        return i64(0) if byte_at(buf, i) | 0x20 == 0x7A else i64(NO_SECOND)  # Z, z
    if i + 6 != end:
        return i64(NO_SECOND)
    sign = byte_at(buf, i)
    if (sign != _PLUS and sign != _MINUS) or byte_at(buf, i + 3) != _COLON:
        return i64(NO_SECOND)
    hours, minutes = _two_digits(buf, i + 1), _two_digits(buf, i + 4)
    if hours < 0 or hours > 23 or minutes < 0 or minutes > 59:
        return i64(NO_SECOND)
    offset = (hours * 60 + minutes) * 60
    return offset if sign == _PLUS else -offset


@inner
def _two_digits(buf: Any, i: Any) -> Any:
    first, second = byte_at(buf, i) - _ZERO, byte_at(buf, i + 1) - _ZERO
    return first * 10 + second if 0 <= first <= 9 and 0 <= second <= 9 else i64(-1)


@inner
def second_of(buf: Any, i: Any, end: Any) -> Any:
    """Unix seconds of an RFC 3339 date-time from 1970 on; NO_SECOND for second 60 and whatever else is unusual."""
    if end - i < 20:
        return i64(NO_SECOND)
    separator = byte_at(buf, i + 10)
    clock = word_at(buf, i + 11)
    if separator | 0x20 != 0x74 or not _are_digits(clock, _CLOCK, _CLOCK_DIGITS):  # T, t
        return i64(NO_SECOND)
    hour, minute, second = _pair(clock, 0), _pair(clock, 3), _pair(clock, 6)
    if hour > 23 or minute > 59 or second > 59:
        return i64(NO_SECOND)
    days = days_of(word_at(buf, i), _two_digits(buf, i + 8))
    offset = _offset_of(buf, i + 19, end)
    if days < 0 or offset == NO_SECOND:
        return i64(NO_SECOND)
    return days * 86_400 + hour * 3600 + minute * 60 + second - offset


@inner
def is_number(buf: Any, i: Any, end: Any) -> Any:
    """Whether [i, end) is 1 to 20 ASCII digits that make a number below 2^64. `video_id_of` reads it."""
    length = end - i
    if length < 1 or length > 20:
        return False
    k = i
    while k + 8 <= end:
        if not _are_digits(word_at(buf, k), _EIGHT, _ALL):
            return False
        k += 8
    while k < end:
        if byte_at(buf, k) < _ZERO or byte_at(buf, k) > _NINE:
            return False
        k += 1
    if length < 20:
        return True
    tenth, last = video_id_of(buf, i, end - 1), u64(byte_at(buf, end - 1) - _ZERO)
    return tenth < _LARGEST_TENTH or (tenth == _LARGEST_TENTH and last <= _LAST_DIGIT)


@inner
def video_id_of(buf: Any, i: Any, end: Any) -> Any:
    """The number that the digits in [i, end) make, as uint64."""
    number = u64(0)
    while i < end:
        number = number * u64(10) + u64(byte_at(buf, i) - _ZERO)
        i += 1
    return number


@inner
def country_of(buf: Any, i: Any, end: Any) -> Any:
    """The code of a country: 1 + 26 * first + second letter; 676 (ZZ) for ""."""
    if i == end:
        return i64(UNKNOWN_COUNTRY)
    if end - i != 2:
        return i64(-1)
    first, second = (byte_at(buf, i) | 0x20) - 0x61, (byte_at(buf, i + 1) | 0x20) - 0x61
    if first < 0 or first > 25 or second < 0 or second > 25:
        return i64(-1)
    code = 1 + 26 * first + second
    return i64(_GB) if code == _UK else code


@inner
def count_of(buf: Any, i: Any, end: Any) -> Any:
    """The integer at `i`, from 1 to 2^32-1, packed with its length: number << 8 | length."""
    begin = i
    number = i64(0)
    while i < end and i - begin < 11 and _ZERO <= byte_at(buf, i) <= _NINE:
        number = number * 10 + (byte_at(buf, i) - _ZERO)
        i += 1
    if i == begin or byte_at(buf, begin) == _ZERO or number > _MAX_COUNT:
        return i64(-1)
    # `1.0` and `1e3` are integers to the judge. Any other byte that may not follow a number is seen by the caller.
    return number << 8 | (i - begin)
