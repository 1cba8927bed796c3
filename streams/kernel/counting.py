"""From framed records to counts: the loop over records, and the fold of columns from the slow way. Compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

from streams.kernel import layout
from streams.kernel.interning import value_of
from streams.kernel.jit import i64, inner, u64
from streams.kernel.scanning import (
    COUNTED,
    COUNTRY,
    DROPPED_EMPTY,
    DROPPED_LONG,
    EVENTS,
    MINUTE,
    SLOW,
    STICKER,
    TAGS,
    UNKNOWN,
    VIDEO,
    scan,
)
from streams.kernel.table import cell_of, put_off, settle

_HALF_BITS = np.uint64(32)


@inner
def _room(rules: Any, totals: Any, table: Any, pending: Any, cells: Any, videos: Any, keys_of_record: Any) -> Any:
    """Settle what waits, if need be. FINISHED where one more record fits, else what is full."""
    slots = table.size // 2
    if totals[layout.PENDING] + keys_of_record > layout.PENDING_SIZE:
        settle(table, pending, totals)
    if totals[layout.ROWS] + totals[layout.PENDING] + keys_of_record > slots - slots // 4:
        settle(table, pending, totals)
        if totals[layout.ROWS] + keys_of_record > slots - slots // 4:
            return layout.TABLE_FULL
    if (totals[layout.CELLS] + 1) * 4 > cells.size:
        return layout.CELLS_FULL
    if rules[layout.HAS_STICKER] != 0 and totals[layout.VIDEOS] + keys_of_record > videos.size:
        return layout.VIDEOS_FULL
    return layout.FINISHED


@inner
def count_records(
    buf: Any, starts: Any, lengths: Any, todo: Any, rules: Any, words: Any, tag_slots: Any, tag_entries: Any,
    tag_arena: Any, sticker_slots: Any, sticker_entries: Any, sticker_arena: Any, form_entries: Any, group_forms: Any,
    cells: Any, cell_keys: Any, table: Any, pending: Any, video_keys: Any, videos: Any, totals: Any, misses: Any,
    later: Any, state: Any, record: Any, tags: Any, strings: Any,
) -> Any:  # fmt: skip
    """Count the records whose numbers are in `todo`, from state[AT] on.

    Ends when all are counted or put off, or earlier with what is full: the caller makes room and calls again.
    """
    k = state[layout.AT]
    answer = i64(layout.FINISHED)
    while k < todo.size:
        answer = _room(rules, totals, table, pending, cells, videos, layout.MAX_KEYS_OF_RECORD)
        if answer != layout.FINISHED:
            break
        number = todo[k]
        i, length = starts[number], lengths[number]
        status = i64(SLOW)
        noted = state[layout.MISSES]
        if 0 < length <= rules[layout.MAX_RECORD_BYTES]:
            status = scan(
                buf, i, i + length, rules, words, tag_slots, tag_entries, tag_arena, sticker_slots, sticker_entries,
                sticker_arena, record, tags, strings, misses, state,
            )  # fmt: skip
        if status == COUNTED:
            _count(record, tags, rules, words, form_entries, group_forms, cells, cell_keys, table, pending,
                   video_keys, videos, totals)  # fmt: skip
            state[layout.DROPPED_EMPTY] += record[DROPPED_EMPTY]
            state[layout.DROPPED_LONG] += record[DROPPED_LONG]
        else:
            if status == SLOW:
                state[layout.MISSES] = noted  # whoever is not counted teaches nothing
            later[state[layout.LATER]] = number * 2 + (1 if status == UNKNOWN else 0)
            state[layout.LATER] += 1
        k += 1
    settle(table, pending, totals)
    state[layout.AT] = k
    return answer


@inner
def _cell_key(minute: Any, country: Any, sticker: Any) -> Any:
    """A word for a cell; never 0, because countries are numbered from 1."""
    low = sticker << layout.COUNTRY_BITS | country
    return (u64(minute) << u64(layout.STICKER_BITS + layout.COUNTRY_BITS)) | u64(low)


@inner
def _count(
    record: Any, tags: Any, rules: Any, words: Any, form_entries: Any, group_forms: Any, cells: Any, cell_keys: Any,
    table: Any, pending: Any, video_keys: Any, videos: Any, totals: Any,
) -> None:  # fmt: skip
    key = _cell_key(record[MINUTE], record[COUNTRY], record[STICKER])
    cell = u64(cell_of(key, cells, cell_keys, totals, words) + 1) << _HALF_BITS
    number = record[TAGS]
    if rules[layout.GROUPS] != 0:
        number = _add_groups(tags, number, form_entries, group_forms)
    put_off(cell, record[EVENTS], table, pending, totals, words)
    for k in range(number):
        put_off(cell | u64(tags[k]), record[EVENTS], table, pending, totals, words)
    if rules[layout.HAS_STICKER] != 0:
        at = totals[layout.VIDEOS]
        video = u64(record[VIDEO])
        video_keys[at], videos[at] = cell, video
        for k in range(number):
            video_keys[at + 1 + k], videos[at + 1 + k] = cell | u64(tags[k]), video
        totals[layout.VIDEOS] = at + 1 + number


@inner
def _add_groups(tags: Any, number: Any, form_entries: Any, group_forms: Any) -> Any:
    """Add the form of each group that has any of the tags. A form's value is the word of its groups."""
    groups = u64(0)
    for k in range(number):
        groups |= u64(value_of(form_entries, tags[k]))
    for g in range(group_forms.size):
        if (groups >> u64(g)) & u64(1) != u64(0):
            tags[number] = group_forms[g]
            number += 1
    return number


@inner
def fold_columns(
    columns: Any, forms: Any, ids: Any, rules: Any, words: Any, cells: Any, cell_keys: Any, table: Any, pending: Any,
    video_keys: Any, videos: Any, totals: Any, state: Any,
) -> Any:  # fmt: skip
    """Count decoded records from state[AT] on, and stop as `count_records` does.

    `columns` has six numbers a record: minute, country, sticker, events, and begin and end of its `forms`.
    """
    k = state[layout.AT]
    answer = i64(layout.FINISHED)
    while 6 * k < columns.size:
        begin, end = columns[6 * k + 4], columns[6 * k + 5]
        # A record has any number of tags here. They are folded one by one, which needs room for one each time.
        answer = _room(rules, totals, table, pending, cells, videos, layout.MAX_KEYS_OF_RECORD)
        if answer != layout.FINISHED:
            break
        if end - begin >= layout.MAX_KEYS_OF_RECORD:
            end = begin + layout.MAX_KEYS_OF_RECORD - 1
        key = _cell_key(columns[6 * k], columns[6 * k + 1], columns[6 * k + 2])
        cell = u64(cell_of(key, cells, cell_keys, totals, words) + 1) << _HALF_BITS
        events = columns[6 * k + 3]
        for f in range(begin, end):
            put_off(cell | u64(forms[f]), events, table, pending, totals, words)
            if rules[layout.HAS_STICKER] != 0:
                at = totals[layout.VIDEOS]
                video_keys[at], videos[at] = cell | u64(forms[f]), ids[k]
                totals[layout.VIDEOS] = at + 1
        columns[6 * k + 4] = end
        if end == columns[6 * k + 5]:
            k += 1
    settle(table, pending, totals)
    state[layout.AT] = k
    return answer
