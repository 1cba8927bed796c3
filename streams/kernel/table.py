"""Counts per key in one open-addressing table, and what rows are made of. Compiled.

A key is (cell + 1) << 32 | form, never 0; form 0 is the row of all events. A slot is two words, key and events, so
one access to memory finds and counts. Additions wait in `pending` after their slot was asked for (prefetched): by
the time they are made, the memory has come.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.kernel.jit import i64, inner, u64
from streams.kernel.layout import CELLS, PENDING, ROWS, SECRET_A
from streams.kernel.primitives import prefetch

_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_HALF_BITS = np.uint64(32)
_LOW_HALF = np.uint64(0xFFFFFFFF)


@inner
def _slot_of(key: Any, secret: Any, slots: Any) -> Any:
    """Where to look for `key` first among `slots` (a power of two)."""
    h = (key ^ secret) * _SPREAD
    h = (h ^ (h >> _HALF_BITS)) * _SPREAD
    return i64((h >> _HALF_BITS) & u64(slots - 1))


@inner
def cell_of(key: Any, cells: Any, cell_keys: Any, totals: Any, words: Any) -> Any:
    """The number of the cell with this key; a new one where there is none. The caller has made room."""
    size = cells.size // 2
    at = _slot_of(key, words[SECRET_A], size)
    while True:
        found = cells[2 * at]
        if found == key:
            return i64(cells[2 * at + 1])
        if found == u64(0):
            cell = totals[CELLS]
            cells[2 * at], cells[2 * at + 1] = key, u64(cell)
            cell_keys[cell] = key
            totals[CELLS] = cell + 1
            return cell
        at = (at + 1) & (size - 1)


@inner
def put_off(key: Any, events: Any, table: Any, pending: Any, totals: Any, words: Any) -> None:
    """Add `events` to `key`, soon. `pending` has room."""
    size = table.size // 2
    at = _slot_of(key, words[SECRET_A], size)
    prefetch(table, 2 * at)
    k = totals[PENDING]
    pending[3 * k], pending[3 * k + 1], pending[3 * k + 2] = key, u64(events), u64(at)
    totals[PENDING] = k + 1


@inner
def settle(table: Any, pending: Any, totals: Any) -> None:
    """Make the additions that were put off. `table` has room for all of them and is the one they were put off for."""
    mask = table.size // 2 - 1
    rows = totals[ROWS]
    for k in range(totals[PENDING]):
        key, at = pending[3 * k], i64(pending[3 * k + 2])
        while table[2 * at] != key:
            if table[2 * at] == u64(0):
                table[2 * at] = key
                rows += 1
                break
            at = (at + 1) & mask
        table[2 * at + 1] += pending[3 * k + 1]
    totals[ROWS] = rows
    totals[PENDING] = 0


@inner
def move(old: Any, new: Any, words: Any) -> None:
    """Move all keys of `old` into `new`, which is empty and larger. Serves cells as well."""
    size = new.size // 2
    for k in range(old.size // 2):
        key = old[2 * k]
        if key != u64(0):
            at = _slot_of(key, words[SECRET_A], size)
            while new[2 * at] != u64(0):
                at = (at + 1) & (size - 1)
            new[2 * at], new[2 * at + 1] = key, old[2 * k + 1]


@inner
def list_rows(table: Any, cell_sizes: Any, forms: Any, events: Any) -> None:
    """Write the rows, cell after cell. `cell_sizes` are zeros, and become the rows of each cell."""
    for k in range(table.size // 2):
        if table[2 * k] != u64(0):
            cell_sizes[i64(table[2 * k] >> _HALF_BITS) - 1] += 1
    at = i64(0)
    for cell in range(cell_sizes.size):
        size = cell_sizes[cell]
        cell_sizes[cell] = at
        at += size
    for k in range(table.size // 2):
        key = table[2 * k]
        if key != u64(0):
            cell = i64(key >> _HALF_BITS) - 1
            row = cell_sizes[cell]
            cell_sizes[cell] = row + 1
            forms[row], events[row] = i64(key & _LOW_HALF), table[2 * k + 1]
    # Each holds where its cell ends now.
    for cell in range(cell_sizes.size - 1, 0, -1):
        cell_sizes[cell] -= cell_sizes[cell - 1]


@inner
def _number_rows(table: Any, cell_sizes: Any, forms: Any, words: Any) -> None:
    """Put the number of its row, as `list_rows` gave it, in the place of each key's events."""
    size = table.size // 2
    row = i64(0)
    for cell in range(cell_sizes.size):
        for _ in range(cell_sizes[cell]):
            key = (u64(cell + 1) << _HALF_BITS) | u64(forms[row])
            at = _slot_of(key, words[SECRET_A], size)
            while table[2 * at] != key:
                at = (at + 1) & (size - 1)
            table[2 * at + 1] = u64(row)
            row += 1


@inner
def list_videos(
    table: Any, cell_sizes: Any, forms: Any, keys: Any, ids: Any, number: Any, ends: Any, flat: Any, words: Any
) -> None:
    """Group the first `number` ids by row. `ends` are zeros, and become where the ids of each row end.

    `cell_sizes` and `forms` come from `list_rows`. Uses up `table` and `keys`.
    """
    _number_rows(table, cell_sizes, forms, words)
    size = table.size // 2
    for k in range(number):
        at = _slot_of(keys[k], words[SECRET_A], size)
        while table[2 * at] != keys[k]:
            at = (at + 1) & (size - 1)
        row = table[2 * at + 1]
        keys[k] = row
        ends[row] += u64(1)
    total = u64(0)
    for row in range(ends.size):
        begin = total
        total += ends[row]
        ends[row] = begin
    for k in range(number):
        row = keys[k]
        flat[ends[row]] = ids[k]
        ends[row] += u64(1)
