"""The order in which rows go to ClickHouse: that of the tables' keys (see `streams.kernel.sorting`)."""

from __future__ import annotations

import numpy as np

from sinks.delta import VideoIds
from streams.kernel.compiled import functions
from streams.kernel.interned import Interner
from streams.kernel.layout import ENTRY_WORDS
from streams.records import Ints


def key_order(
    forms: Ints, names: Interner, cells: Ints, cell_minutes: Ints, cell_countries: Ints, cell_stickers: Ints
) -> Ints:
    """The rows in the order (sticker, hashtag, country, window).

    `forms` and `cells` hold the hashtag (its number in `names`) and the cell of each row, `cell_countries` and
    `cell_stickers` the rank of each cell's country and sticker among those of the delta.
    """
    cell_order = np.lexsort((cell_minutes, cell_countries))
    cell_ranks = np.empty_like(cell_order)
    cell_ranks[cell_order] = np.arange(len(cell_order))
    rows = _dealt(np.arange(len(forms)), cells, cell_ranks, len(cell_order))
    ranks, number = _ranks(forms, names)
    rows = _dealt(rows, forms, ranks, number)
    stickers = int(cell_stickers.max(initial=0)) + 1
    return rows if stickers == 1 else _dealt(rows, cells, cell_stickers, stickers)


def _dealt(rows: Ints, keys: Ints, ranks: Ints, number: int) -> Ints:
    dealt = np.empty_like(rows)
    functions().deal(rows, keys, ranks, np.zeros(number + 1, np.int64), dealt)
    return dealt


def _ranks(forms: Ints, names: Interner) -> tuple[Ints, int]:
    """By number of a form, its place among the distinct strings of `forms`; and how many there are."""
    # As many entries as are there now: others may be added meanwhile.
    entries, arena = names.entries, names.arena
    present = np.zeros(len(entries) // ENTRY_WORDS, np.bool_)
    present[forms] = True
    distinct = np.flatnonzero(present)
    heads = entries.reshape(-1, ENTRY_WORDS)[distinct, :2].byteswap()
    order, scratch = np.empty_like(distinct), np.empty_like(distinct)
    functions().sort_strings(
        distinct, np.ascontiguousarray(heads[:, 0]), np.ascontiguousarray(heads[:, 1]), entries, arena, order, scratch
    )  # fmt: skip
    ranks = np.zeros(len(present), np.int64)
    ranks[distinct[order]] = np.arange(len(distinct))
    return ranks, len(distinct)


def in_order(video_ids: VideoIds, rows: Ints) -> VideoIds:
    """The ids of `rows`, in their order."""
    ends = video_ids.ends.astype(np.int64)
    begins = np.concatenate([np.zeros(1, np.int64), ends])[:-1]
    sizes = (ends - begins)[rows]
    new_ends = np.cumsum(sizes)
    places = np.repeat(begins[rows] - (new_ends - sizes), sizes) + np.arange(len(video_ids.flat))
    return VideoIds(new_ends.astype(np.uint64), video_ids.flat[places])
