"""One record's value to what it counts for. Compiled.

The scan accepts only what it is sure of; whatever else there is in JSON goes to the judge (SLOW). Of duplicate keys
the last wins, says the judge; here a field that comes twice makes the record SLOW.
"""

from __future__ import annotations

from typing import Any

from streams.kernel import layout
from streams.kernel.fields import NO_SECOND, UNKNOWN_COUNTRY, count_of, country_of, is_number, second_of, video_id_of
from streams.kernel.interning import (
    hash_of,
    lookup,
    lookup_hashed,
    prefetch_entry,
    prefetch_slot,
    value_of,
    word_of,
)
from streams.kernel.jit import i64, inner, u64
from streams.kernel.primitives import byte_at
from streams.kernel.text import find_special, is_null, is_utf8, skip_space, skip_value, string_end

#: What becomes of a record.
COUNTED, UNKNOWN, SLOW = 0, 1, 2

#: Elements of `record` (int64), which a scan fills.
MINUTE, COUNTRY, STICKER, EVENTS, TAGS, VIDEO, DROPPED_EMPTY, DROPPED_LONG, MISSED = range(9)
NEW_STICKER, NEW_STICKER_LENGTH = 9, 10


def _word(name: str) -> int:
    return int.from_bytes(name.encode().ljust(8, b"\0"), "little")


_QUOTE, _COMMA, _COLON, _ONE = 0x22, 0x2C, 0x3A, 0x31
_OPEN_LIST, _CLOSE_LIST, _OPEN_OBJECT, _CLOSE_OBJECT = 0x5B, 0x5D, 0x7B, 0x7D

_SCHEMA, _TYPE, _TS, _VIDEO_ID = _word("schema"), _word("type"), _word("ts"), _word("video_id")
_COUNTRY, _HASHTAGS, _STICKER, _COUNT = _word("country"), _word("hashtags"), _word("sticker"), _word("count")
#: Bits of the fields that came.
_HAD_TS, _HAD_VIDEO, _HAD_STICKER, _HAD_COUNTRY, _HAD_TAGS, _HAD_COUNT, _HAD_SCHEMA, _HAD_TYPE = (
    1 << k for k in range(8)
)


@inner
def scan(
    buf: Any, i: Any, end: Any, rules: Any, words: Any, tag_slots: Any, tag_entries: Any, tag_arena: Any,
    sticker_slots: Any, sticker_entries: Any, sticker_arena: Any, record: Any, tags: Any, strings: Any, misses: Any,
    state: Any,
) -> Any:  # fmt: skip
    """Read the value in [i, end) into `record` and `tags`. Strings not known are noted in `misses`."""
    if not is_utf8(buf, i, end):
        return SLOW
    i = skip_space(buf, i, end)
    if i >= end or byte_at(buf, i) != _OPEN_OBJECT:
        return SLOW
    had, noted = i64(0), state[layout.MISSES]
    record[COUNTRY], record[STICKER], record[EVENTS], record[TAGS] = UNKNOWN_COUNTRY, 0, 1, 0
    record[DROPPED_EMPTY], record[DROPPED_LONG], record[MISSED], record[NEW_STICKER] = 0, 0, 0, -1
    while True:
        i = skip_space(buf, i + 1, end)
        if i >= end or byte_at(buf, i) != _QUOTE:
            return SLOW  # or an empty object, which lacks all that is required
        q = find_special(buf, i + 1, end)
        if q >= end or byte_at(buf, q) != _QUOTE:
            return SLOW  # an escape might spell a name we look for
        key = word_of(buf, i + 1, q - i - 1) if q - i <= 9 else u64(0)
        i = skip_space(buf, q + 1, end)
        if i >= end or byte_at(buf, i) != _COLON:
            return SLOW
        i = skip_space(buf, i + 1, end)

        field = i64(0)
        if key == u64(_HASHTAGS):
            field = _HAD_TAGS
            i = _hashtags(
                buf, i, end, rules, words, tag_slots, tag_entries, tag_arena, record, tags, strings, misses, state
            )
        elif key == u64(_TS):
            field = _HAD_TS
            i = _timestamp(buf, i, end, rules, record)
        elif key == u64(_VIDEO_ID):
            field = _HAD_VIDEO
            i = _video_id(buf, i, end, rules, record)
        elif key == u64(_COUNTRY):
            field = _HAD_COUNTRY
            i = _country(buf, i, end, record)
        elif key == u64(_STICKER) and rules[layout.HAS_STICKER] != 0:
            field = _HAD_STICKER
            i = _sticker(buf, i, end, words, sticker_slots, sticker_entries, sticker_arena, record)
        elif key == u64(_COUNT) and rules[layout.HAS_COUNT] != 0:
            field = _HAD_COUNT
            i = _count(buf, i, end, record)
        elif key == u64(_TYPE):
            field = _HAD_TYPE
            i = _type(buf, i, end, rules, words)
        elif key == u64(_SCHEMA):
            field = _HAD_SCHEMA
            i = _schema(buf, i, end)
        else:
            i = skip_value(buf, i, end)
        if i < 0 or had & field != 0:
            return SLOW
        had |= field

        i = skip_space(buf, i, end)
        if i >= end:
            return SLOW
        c = byte_at(buf, i)
        if c == _CLOSE_OBJECT:
            break
        if c != _COMMA:
            return SLOW
    required = _HAD_TS | _HAD_VIDEO
    if rules[layout.HAS_STICKER] != 0:
        required |= _HAD_STICKER
    if had & required != required or skip_space(buf, i + 1, end) != end:
        return SLOW
    if record[MISSED] == 0:
        return COUNTED
    if record[NEW_STICKER] >= 0:
        # First its sticker alone: where that is odd, the record is rejected and must not teach its tags.
        state[layout.MISSES] = noted
        _note_miss(layout.STICKER, record[NEW_STICKER], record[NEW_STICKER_LENGTH], record, misses, state)
    return UNKNOWN


@inner
def _plain_string_end(buf: Any, i: Any, end: Any) -> Any:
    """Of the string that begins at `i` with its opening quote: its closing one. -1 if it has escapes or is none."""
    if i >= end or byte_at(buf, i) != _QUOTE:
        return i64(-1)
    q = find_special(buf, i + 1, end)
    return q if q < end and byte_at(buf, q) == _QUOTE else i64(-1)


# ---- fields: each takes where its value begins and returns where it ends, -1 for SLOW -----------------


@inner
def _timestamp(buf: Any, i: Any, end: Any, rules: Any, record: Any) -> Any:
    q = _plain_string_end(buf, i, end)
    if q < 0:
        return i64(-1)
    second = second_of(buf, i + 1, q)
    # Minutes are rounded down; those before 1970 would be a case of their own.
    if second == NO_SECOND or second < 0 or second < rules[layout.OLDEST] or second > rules[layout.LATEST]:
        return i64(-1)
    record[MINUTE] = second // 60
    return q + 1


@inner
def _video_id(buf: Any, i: Any, end: Any, rules: Any, record: Any) -> Any:
    q = _plain_string_end(buf, i, end)
    if q < 0 or not is_number(buf, i + 1, q):
        return i64(-1)
    if rules[layout.HAS_STICKER] != 0:
        record[VIDEO] = i64(video_id_of(buf, i + 1, q))
    return q + 1


@inner
def _country(buf: Any, i: Any, end: Any, record: Any) -> Any:
    q = _plain_string_end(buf, i, end)
    if q < 0:
        return i + 4 if is_null(buf, i, end) else i64(-1)
    record[COUNTRY] = country_of(buf, i + 1, q)
    return q + 1 if record[COUNTRY] > 0 else i64(-1)


@inner
def _count(buf: Any, i: Any, end: Any, record: Any) -> Any:
    packed = count_of(buf, i, end)
    if packed < 0:
        return i + 4 if is_null(buf, i, end) else i64(-1)
    record[EVENTS] = packed >> 8
    return i + (packed & 0xFF)


@inner
def _type(buf: Any, i: Any, end: Any, rules: Any, words: Any) -> Any:
    q = _plain_string_end(buf, i, end)
    if q < 0:
        return i + 4 if is_null(buf, i, end) else i64(-1)
    length = q - i - 1
    if (
        length != rules[layout.TYPE_LENGTH]
        or word_of(buf, i + 1, length) != words[layout.TYPE_HEAD]
        or word_of(buf, i + 9, length - 8) != words[layout.TYPE_TAIL]
    ):
        return i64(-1)
    return q + 1


@inner
def _schema(buf: Any, i: Any, end: Any) -> Any:
    if i < end and byte_at(buf, i) == _ONE:
        return i + 1  # more digits, a point or an exponent are no comma: SLOW
    return i + 4 if is_null(buf, i, end) else i64(-1)


@inner
def _note_miss(kind: Any, i: Any, length: Any, record: Any, misses: Any, state: Any) -> None:
    """Ask Python to learn a string. Without room nothing is noted: the record comes again after the others."""
    record[MISSED] = 1
    k = state[layout.MISSES]
    if k < layout.MISSES_SIZE:
        misses[3 * k], misses[3 * k + 1], misses[3 * k + 2] = i, length, kind
        state[layout.MISSES] = k + 1


@inner
def _sticker(buf: Any, i: Any, end: Any, words: Any, slots: Any, entries: Any, arena: Any, record: Any) -> Any:
    if i >= end or byte_at(buf, i) != _QUOTE:
        return i64(-1)
    q = string_end(buf, i + 1, end)
    length = q - i - 1
    if q < 0 or length > layout.MAX_RAW_BYTES:
        return i64(-1)
    entry = lookup(buf, i + 1, length, slots, entries, arena, words)
    if entry < 0:
        record[MISSED], record[NEW_STICKER], record[NEW_STICKER_LENGTH] = 1, i + 1, length
        return q + 1
    record[STICKER] = value_of(entries, entry)
    return q + 1 if record[STICKER] >= 0 else i64(-1)


@inner
def _hashtags(
    buf: Any, i: Any, end: Any, rules: Any, words: Any, slots: Any, entries: Any, arena: Any, record: Any, tags: Any,
    strings: Any, misses: Any, state: Any,
) -> Any:  # fmt: skip
    """Look tags up some at a time: what a lookup wants of a table larger than the caches is underway meanwhile.

    Looked up one by one, waiting for memory was nearly half of the time of the whole kernel.
    """
    if i >= end or byte_at(buf, i) != _OPEN_LIST:
        return i + 4 if is_null(buf, i, end) else i64(-1)
    i = skip_space(buf, i + 1, end)
    if i < end and byte_at(buf, i) == _CLOSE_LIST:
        return i + 1
    number, ended = i64(0), False
    while not ended:
        found = i64(0)
        while found < layout.STRINGS_AT_ONCE and not ended:
            if i >= end or byte_at(buf, i) != _QUOTE:
                return i64(-1)
            q = string_end(buf, i + 1, end)
            length = q - i - 1
            if q < 0 or length > layout.MAX_RAW_BYTES:
                return i64(-1)
            # A string with escapes is known by the bytes as they stand.
            h = hash_of(buf, i + 1, length, words)
            prefetch_slot(h, slots)
            strings[3 * found], strings[3 * found + 1], strings[3 * found + 2] = i + 1, length, i64(h)
            found += 1
            i = skip_space(buf, q + 1, end)
            if i >= end:
                return i64(-1)
            c = byte_at(buf, i)
            if c == _CLOSE_LIST:
                ended = True
            elif c == _COMMA:
                i = skip_space(buf, i + 1, end)
            else:
                return i64(-1)
        for k in range(found):
            prefetch_entry(u64(strings[3 * k + 2]), slots, entries)
        for k in range(found):
            start, length = strings[3 * k], strings[3 * k + 1]
            entry = lookup_hashed(buf, start, length, u64(strings[3 * k + 2]), slots, entries, arena)
            if entry < 0:
                _note_miss(layout.TAG, start, length, record, misses, state)
            else:
                number = _add_tag(value_of(entries, entry), tags, number, record)
                if number > rules[layout.MAX_TAGS]:
                    return i64(-1)
    record[TAGS] = number
    return i + 1


@inner
def _add_tag(form: Any, tags: Any, number: Any, record: Any) -> Any:
    """Put `form` into `tags`, unless it is there; count what is dropped. Returns how many there are now."""
    if form < 0:
        record[DROPPED_EMPTY if form == layout.EMPTY_TAG else DROPPED_LONG] += 1
        return number
    for k in range(number):
        if tags[k] == form:
            return number
    tags[number] = form
    return number + 1
