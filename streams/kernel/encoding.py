"""Strings out of an arena, for a String column of ClickHouse's Native format. Compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.kernel.jit import i64, inner
from streams.kernel.layout import ENTRY_WORDS

_LENGTH_BITS = np.uint64(16)
_LENGTH = np.uint64(0xFFFF)


@inner
def encoded_size(forms: Any, entries: Any) -> Any:
    """Bytes that the strings of `forms` take, each with its length as a varint of one byte or two."""
    size = i64(0)
    for row in range(forms.size):
        length = i64(entries[forms[row] * ENTRY_WORDS + 2] & _LENGTH)
        size += length + (1 if length < 128 else 2)
    return size


@inner
def encode_strings(forms: Any, entries: Any, arena: Any, out: Any) -> None:
    """Write the strings of `forms`, each behind its length. None is as long as 2^14 bytes."""
    at = i64(0)
    for row in range(forms.size):
        place = entries[forms[row] * ENTRY_WORDS + 2]
        start, length = i64(place >> _LENGTH_BITS), i64(place & _LENGTH)
        if length >= 128:
            out[at] = length & 127 | 128
            at += 1
            out[at] = length >> 7
        else:
            out[at] = length
        at += 1
        for b in range(length):
            out[at + b] = arena[start + b]
        at += length
