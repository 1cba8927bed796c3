"""Strings as numbers: an arena, a hash table over it, and lookups by bytes. Compiled.

`slots` is open addressing: upper half of the hash << 32 | entry + 1, 0 where free. An entry holds the first 16 bytes
of its string, which settles most comparisons without a look at the arena. Tags come from strangers, so the hash is
keyed by secrets of the process.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.kernel.jit import i64, inner, u64
from streams.kernel.layout import ENTRY_WORDS, SECRET_A, SECRET_B, SECRET_C
from streams.kernel.primitives import byte_at, folded, prefetch, word_at

_LOW_HALF = np.uint64(0xFFFFFFFF)
_HALF_BITS = np.uint64(32)
_LENGTH_BITS = np.uint64(16)
_LENGTH = np.uint64(0xFFFF)


@inner
def word_of(buf: Any, i: Any, length: Any) -> Any:
    """The bytes [i, i + length) as a word, zeros behind; only the first eight if there are more."""
    if length <= 0:
        return u64(0)
    if i + 8 <= buf.size:
        word = word_at(buf, i)
        return word if length >= 8 else word & ((u64(1) << u64(8 * length)) - u64(1))
    word = u64(0)
    for k in range(min(length, 8) - 1, -1, -1):
        word = (word << u64(8)) | u64(byte_at(buf, i + k))
    return word


@inner
def _hash(first: Any, second: Any, buf: Any, i: Any, length: Any, words: Any) -> Any:
    h = folded(first ^ words[SECRET_A], second ^ words[SECRET_B] ^ u64(length))
    k = i64(16)
    while k < length:
        h = folded(h ^ word_of(buf, i + k, length - k), words[SECRET_C])
        k += 8
    return folded(h ^ words[SECRET_B], words[SECRET_C])


@inner
def _same(buf: Any, i: Any, arena: Any, start: Any, length: Any) -> Any:
    """Whether the strings are equal behind their first 16 bytes."""
    k = i64(16)
    while k < length:
        if word_of(buf, i + k, length - k) != word_of(arena, start + k, length - k):
            return False
        k += 8
    return True


@inner
def hash_of(buf: Any, i: Any, length: Any, words: Any) -> Any:
    """The hash of the string [i, i + length) of `buf`, for `lookup_hashed`."""
    return _hash(word_of(buf, i, length), word_of(buf, i + 8, length - 8), buf, i, length, words)


@inner
def prefetch_slot(h: Any, slots: Any) -> None:
    """The slot where the search for a string with this hash begins will be wanted soon."""
    prefetch(slots, i64(h & u64(slots.size - 1)))


@inner
def prefetch_entry(h: Any, slots: Any, entries: Any) -> None:
    """And the entry that this slot names."""
    slot = slots[h & u64(slots.size - 1)]
    if slot != u64(0):
        prefetch(entries, (i64(slot & _LOW_HALF) - 1) * ENTRY_WORDS)


@inner
def lookup(buf: Any, i: Any, length: Any, slots: Any, entries: Any, arena: Any, words: Any) -> Any:
    """The entry of the string [i, i + length) of `buf`; where there is none, -1 - the slot it belongs in."""
    return lookup_hashed(buf, i, length, hash_of(buf, i, length, words), slots, entries, arena)


@inner
def lookup_hashed(buf: Any, i: Any, length: Any, h: Any, slots: Any, entries: Any, arena: Any) -> Any:
    """As `lookup`, for a string whose hash is known."""
    first, second = word_of(buf, i, length), word_of(buf, i + 8, length - 8)
    mask = u64(slots.size - 1)
    at = h & mask
    while True:
        slot = slots[at]
        if slot == u64(0):
            return -1 - i64(at)
        if slot >> _HALF_BITS == h >> _HALF_BITS:
            entry = i64(slot & _LOW_HALF) - 1
            base = entry * ENTRY_WORDS
            place = entries[base + 2]
            if (
                entries[base] == first
                and entries[base + 1] == second
                and i64(place & _LENGTH) == length
                and (length <= 16 or _same(buf, i, arena, i64(place >> _LENGTH_BITS), length))
            ):
                return entry
        at = (at + u64(1)) & mask


@inner
def value_of(entries: Any, entry: Any) -> Any:
    """The value that `entry` was interned with."""
    return i64(entries[entry * ENTRY_WORDS + 3])


@inner
def intern_many(
    buf: Any, starts: Any, lengths: Any, values: Any, slots: Any, entries: Any, arena: Any, words: Any, counts: Any,
    found: Any,
) -> None:  # fmt: skip
    """Intern strings of `buf`, each with its value unless it is there already. `found` gets their entries.

    `counts` holds the number of entries and of arena bytes. The caller has made room.
    """
    for k in range(starts.size):
        i, length = starts[k], lengths[k]
        entry = lookup(buf, i, length, slots, entries, arena, words)
        if entry < 0:
            slot = -1 - entry
            entry, start = counts[0], counts[1]
            first, second = word_of(buf, i, length), word_of(buf, i + 8, length - 8)
            h = _hash(first, second, buf, i, length, words)
            base = entry * ENTRY_WORDS
            entries[base], entries[base + 1] = first, second
            entries[base + 2] = (u64(start) << _LENGTH_BITS) | u64(length)
            entries[base + 3] = u64(values[k])
            for b in range(length):
                arena[start + b] = buf[i + b]
            slots[slot] = (h & ~_LOW_HALF) | u64(entry + 1)
            counts[0], counts[1] = entry + 1, start + length
        found[k] = entry


@inner
def fill_slots(slots: Any, entries: Any, arena: Any, words: Any, number: Any) -> None:
    """Enter the first `number` entries into `slots`, which is empty and larger than it was."""
    mask = u64(slots.size - 1)
    for entry in range(number):
        base = entry * ENTRY_WORDS
        place = entries[base + 2]
        start, length = i64(place >> _LENGTH_BITS), i64(place & _LENGTH)
        h = _hash(entries[base], entries[base + 1], arena, start, length, words)
        at = h & mask
        while slots[at] != u64(0):
            at = (at + u64(1)) & mask
        slots[at] = (h & ~_LOW_HALF) | u64(entry + 1)
