# ruff: noqa: SIM109 - `in` would search a tuple for each byte
"""JSON as the judge accepts it, read from bytes: strings, numbers, nesting, UTF-8. Compiled.

Everything here may refuse what the judge accepts (then the record takes the slow way) but must never accept what the
judge refuses. Positions are int64; a function that can fail returns -1. `end` is where the record's value ends;
bytes behind it, of the next record, may be looked at but decide nothing.
"""

from __future__ import annotations

from typing import Any

from streams.kernel.jit import i64, inner, u64
from streams.kernel.primitives import STRIDE, byte_at, high_bits, lowest, special_bits

#: Levels of containers below the record itself; the judge goes deeper.
MAX_NESTING = 60

_QUOTE, _BACKSLASH, _COMMA, _COLON, _MINUS, _PLUS, _DOT = 0x22, 0x5C, 0x2C, 0x3A, 0x2D, 0x2B, 0x2E
_OPEN_LIST, _CLOSE_LIST, _OPEN_OBJECT, _CLOSE_OBJECT = 0x5B, 0x5D, 0x7B, 0x7D
_ZERO, _NINE, _SPACE, _TAB, _NEWLINE, _RETURN = 0x30, 0x39, 0x20, 0x09, 0x0A, 0x0D


@inner
def skip_space(buf: Any, i: Any, end: Any) -> Any:
    """The first position from `i` on that holds no JSON white space; at most `end`."""
    while i < end:
        c = byte_at(buf, i)
        if c > _SPACE or not (c == _SPACE or c == _NEWLINE or c == _TAB or c == _RETURN):
            return i
        i += 1
    return end


# ---- strings ------------------------------------------------------------------------------------------


@inner
def find_special(buf: Any, i: Any, end: Any) -> Any:
    """The first quote, backslash or control character from `i` on; at most `end`."""
    while i < end and i + STRIDE <= buf.size:
        bits = special_bits(buf, i)
        if bits != u64(0):
            return min(i + lowest(bits), end)
        i += STRIDE
    while i < end:
        c = byte_at(buf, i)
        if c == _QUOTE or c == _BACKSLASH or c < _SPACE:
            return i
        i += 1
    return end


@inner
def string_end(buf: Any, i: Any, end: Any) -> Any:
    """Where the closing quote is of the string whose first character is at `i`; -1 where it is not sound."""
    q = find_special(buf, i, end)
    while q < end:
        c = byte_at(buf, q)
        if c == _QUOTE:
            return q
        if c != _BACKSLASH:
            return i64(-1)
        q = _after_escape(buf, q, end)
        if q < 0:
            return i64(-1)
        q = find_special(buf, q, end)
    return i64(-1)


@inner
def _after_escape(buf: Any, q: Any, end: Any) -> Any:
    """Where the text goes on after the escape whose backslash is at `q`. A lone surrogate is refused."""
    if q + 1 >= end:
        return i64(-1)
    c = byte_at(buf, q + 1)
    if c == 0x75:  # u
        unit = _code_unit(buf, q, end)
        if unit < 0 or 0xDC00 <= unit <= 0xDFFF:
            return i64(-1)
        if unit < 0xD800 or unit > 0xDFFF:
            return q + 6
        second = _code_unit(buf, q + 6, end)
        return q + 12 if 0xDC00 <= second <= 0xDFFF else i64(-1)
    # " \ / b f n r t
    if c == _QUOTE or c == _BACKSLASH or c == 0x2F or c == 0x62 or c == 0x66 or c == 0x6E or c == 0x72 or c == 0x74:
        return q + 2
    return i64(-1)


@inner
def _code_unit(buf: Any, q: Any, end: Any) -> Any:
    """The value of the `\\uXXXX` at `q`, -1 where there is none."""
    if q + 6 > end or byte_at(buf, q) != _BACKSLASH or byte_at(buf, q + 1) != 0x75:
        return i64(-1)
    value = i64(0)
    for k in range(2, 6):
        c = byte_at(buf, q + k)
        if _ZERO <= c <= _NINE:
            digit = c - _ZERO
        elif 0x61 <= c <= 0x66:
            digit = c - 0x57
        elif 0x41 <= c <= 0x46:
            digit = c - 0x37
        else:
            return i64(-1)
        value = value * 16 + digit
    return value


# ---- values of ignored fields -------------------------------------------------------------------------


@inner
def skip_value(buf: Any, i: Any, end: Any) -> Any:
    """Where the JSON value ends that begins at `i` (there is no white space before it)."""
    if i >= end:
        return i64(-1)
    c = byte_at(buf, i)
    if c == _OPEN_LIST or c == _OPEN_OBJECT:
        return _skip_container(buf, i, end)
    return _skip_scalar(buf, i, end, c)


@inner
def _skip_scalar(buf: Any, i: Any, end: Any, c: Any) -> Any:
    if c == _QUOTE:
        q = string_end(buf, i + 1, end)
        return q + 1 if q >= 0 else i64(-1)
    if c == 0x74:  # true
        return _skip_word(buf, i, end, 0x72, 0x75, 0x65)
    if c == 0x6E:  # null
        return _skip_word(buf, i, end, 0x75, 0x6C, 0x6C)
    if c == 0x66:  # false
        return _skip_word(buf, i + 1, end, 0x6C, 0x73, 0x65) if i + 1 < end and byte_at(buf, i + 1) == 0x61 else i64(-1)
    return _skip_number(buf, i, end)


@inner
def _skip_word(buf: Any, i: Any, end: Any, second: Any, third: Any, fourth: Any) -> Any:
    if i + 4 > end:
        return i64(-1)
    same = byte_at(buf, i + 1) == second and byte_at(buf, i + 2) == third and byte_at(buf, i + 3) == fourth
    return i + 4 if same else i64(-1)


@inner
def is_null(buf: Any, i: Any, end: Any) -> Any:
    """Whether the word `null` stands at `i`."""
    return i < end and byte_at(buf, i) == 0x6E and _skip_word(buf, i, end, 0x75, 0x6C, 0x6C) >= 0


@inner
def _skip_digits(buf: Any, i: Any, end: Any) -> Any:
    """Where the run of at least one digit at `i` ends, -1 where there is none."""
    begin = i
    while i < end and _ZERO <= byte_at(buf, i) <= _NINE:
        i += 1
    return i if i > begin else i64(-1)


@inner
def _skip_number(buf: Any, i: Any, end: Any) -> Any:
    if byte_at(buf, i) == _MINUS:
        i += 1
    if i < end and byte_at(buf, i) == _ZERO:
        i += 1
    else:
        i = _skip_digits(buf, i, end)
    if 0 <= i < end and byte_at(buf, i) == _DOT:
        i = _skip_digits(buf, i + 1, end)
    if 0 <= i < end and (byte_at(buf, i) | 0x20) == 0x65:  # e, E
        i += 1
        if i < end and (byte_at(buf, i) == _PLUS or byte_at(buf, i) == _MINUS):
            i += 1
        i = _skip_digits(buf, i, end)
    return i


@inner
def _after_key(buf: Any, i: Any, end: Any) -> Any:
    """The position of the value that belongs to the key at or, with white space between, after `i`."""
    i = skip_space(buf, i, end)
    if i >= end or byte_at(buf, i) != _QUOTE:
        return i64(-1)
    q = string_end(buf, i + 1, end)
    if q < 0:
        return i64(-1)
    i = skip_space(buf, q + 1, end)
    if i >= end or byte_at(buf, i) != _COLON:
        return i64(-1)
    return i + 1


@inner
def _skip_container(buf: Any, i: Any, end: Any) -> Any:
    """Where the list or object ends that begins at `i`."""
    depth = i64(0)
    kinds = i64(0)  # one bit a level, the innermost lowest: 1 is an object
    while True:
        # A value is due.
        i = skip_space(buf, i, end)
        if i >= end:
            return i64(-1)
        c = byte_at(buf, i)
        if c == _OPEN_LIST or c == _OPEN_OBJECT:
            depth += 1
            if depth > MAX_NESTING:
                return i64(-1)
            is_object = c == _OPEN_OBJECT
            kinds = (kinds << 1) | (1 if is_object else 0)
            i = skip_space(buf, i + 1, end)
            if i >= end:
                return i64(-1)
            if byte_at(buf, i) != (_CLOSE_OBJECT if is_object else _CLOSE_LIST):
                if is_object:
                    i = _after_key(buf, i, end)
                    if i < 0:
                        return i64(-1)
                continue
        else:
            i = _skip_scalar(buf, i, end, c)
            if i < 0:
                return i64(-1)
        i = _close(buf, i, end, depth, kinds)
        if i < 0:
            return i64(-1)
        # `_close` packs what it leaves behind: the position and how many levels it closed.
        closed = i & 0x3F
        i >>= 6
        depth -= closed
        kinds >>= closed
        if depth == 0:
            return i


@inner
def _close(buf: Any, i: Any, end: Any, depth: Any, kinds: Any) -> Any:
    """After a value, or at the end of an empty container: close what ends here, go to where a value is due.

    Returns position << 6 | levels closed.
    """
    closed = i64(0)
    while True:
        i = skip_space(buf, i, end)
        if i >= end:
            return i64(-1)
        c = byte_at(buf, i)
        if c == _COMMA:
            i += 1
            if kinds & 1:
                i = _after_key(buf, i, end)
            return i << 6 | closed if i >= 0 else i64(-1)
        if c != (_CLOSE_OBJECT if kinds & 1 else _CLOSE_LIST):
            return i64(-1)
        i += 1
        closed += 1
        kinds >>= 1
        if closed == depth:
            return i << 6 | closed


# ---- UTF-8 --------------------------------------------------------------------------------------------


@inner
def is_utf8(buf: Any, i: Any, end: Any) -> Any:
    """Whether the bytes from `i` to `end` are UTF-8: shortest forms, no surrogates, up to U+10FFFF."""
    while i < end:
        if i + STRIDE <= buf.size:
            bits = high_bits(buf, i)
            if bits == u64(0):
                i += STRIDE
                continue
            i += lowest(bits)
            if i >= end:
                return True
        elif byte_at(buf, i) < 0x80:
            i += 1
            continue
        # Emoji and foreign scripts come in runs.
        while i < end and byte_at(buf, i) >= 0x80:
            i = _after_character(buf, i, end)
            if i < 0:
                return False
    return True


@inner
def _continues(buf: Any, i: Any) -> Any:
    return byte_at(buf, i) & 0xC0 == 0x80


@inner
def _after_character(buf: Any, i: Any, end: Any) -> Any:
    """Where the character of several bytes ends that begins at `i`."""
    lead = byte_at(buf, i)
    if lead < 0xC2 or lead > 0xF4:
        return i64(-1)
    if lead < 0xE0:
        return i + 2 if i + 2 <= end and _continues(buf, i + 1) else i64(-1)
    if lead < 0xF0:
        if i + 3 > end or not (_continues(buf, i + 1) and _continues(buf, i + 2)):
            return i64(-1)
        second = byte_at(buf, i + 1)
        if (lead == 0xE0 and second < 0xA0) or (lead == 0xED and second > 0x9F):
            return i64(-1)
        return i + 3
    if i + 4 > end or not (_continues(buf, i + 1) and _continues(buf, i + 2) and _continues(buf, i + 3)):
        return i64(-1)
    second = byte_at(buf, i + 1)
    if (lead == 0xF0 and second < 0x90) or (lead == 0xF4 and second > 0x8F):
        return i64(-1)
    return i + 4
