"""What Python calls: the compiled functions with their exact types. Importing this compiles, or reads numba's cache.

Each is a closure over the fingerprint of all sources of the kernel, which makes it a part of the cache's key.
"""

from __future__ import annotations

from typing import Any

from streams.kernel import counting, encoding, framing, interning, sorting, table
from streams.kernel.jit import BYTES, I64, INT, NOTHING, U8, U64, entry, fingerprint

_INTERNED = (U64, U64, BYTES)  # slots, entries, arena


def _build(version: str) -> dict[str, Any]:
    @entry(INT, BYTES, INT, INT, INT, INT, INT, I64, I64, I64, INT)
    def frame(
        buf: Any, begin: Any, end: Any, number: Any, base: Any, first: Any, offsets: Any, starts: Any, lengths: Any,
        used: Any,
    ) -> Any:  # fmt: skip
        version  # noqa: B018
        return framing.frame(buf, begin, end, number, base, first, offsets, starts, lengths, used)

    @entry(
        INT, BYTES, I64, I64, I64, I64, U64, *_INTERNED, *_INTERNED, U64, I64, U64, U64, U64, U64, U64, U64, I64,
        I64, I64, I64, I64, I64, I64,
    )  # fmt: skip
    def count_records(
        buf: Any, starts: Any, lengths: Any, todo: Any, rules: Any, words: Any, tag_slots: Any, tag_entries: Any,
        tag_arena: Any, sticker_slots: Any, sticker_entries: Any, sticker_arena: Any, form_entries: Any,
        group_forms: Any, cells: Any, cell_keys: Any, slots: Any, pending: Any, video_keys: Any, videos: Any,
        totals: Any, misses: Any, later: Any, state: Any, record: Any, tags: Any, strings: Any,
    ) -> Any:  # fmt: skip
        version  # noqa: B018
        return counting.count_records(
            buf, starts, lengths, todo, rules, words, tag_slots, tag_entries, tag_arena, sticker_slots,
            sticker_entries, sticker_arena, form_entries, group_forms, cells, cell_keys, slots, pending, video_keys,
            videos, totals, misses, later, state, record, tags, strings,
        )  # fmt: skip

    @entry(INT, I64, I64, U64, I64, U64, U64, U64, U64, U64, U64, U64, I64, I64)
    def fold_columns(
        columns: Any, forms: Any, ids: Any, rules: Any, words: Any, cells: Any, cell_keys: Any, slots: Any,
        pending: Any, video_keys: Any, videos: Any, totals: Any, state: Any,
    ) -> Any:  # fmt: skip
        version  # noqa: B018
        return counting.fold_columns(
            columns, forms, ids, rules, words, cells, cell_keys, slots, pending, video_keys, videos, totals, state
        )

    @entry(NOTHING, BYTES, I64, I64, I64, U64, U64, U8, U64, I64, I64)
    def intern_many(
        buf: Any, starts: Any, lengths: Any, values: Any, slots: Any, entries: Any, arena: Any, words: Any,
        counts: Any, found: Any,
    ) -> None:  # fmt: skip
        version  # noqa: B018
        interning.intern_many(buf, starts, lengths, values, slots, entries, arena, words, counts, found)

    @entry(NOTHING, U64, U64, U8, U64, INT)
    def fill_slots(slots: Any, entries: Any, arena: Any, words: Any, number: Any) -> None:
        version  # noqa: B018
        interning.fill_slots(slots, entries, arena, words, number)

    @entry(NOTHING, U64, U64, U64)
    def move(old: Any, new: Any, words: Any) -> None:
        version  # noqa: B018
        table.move(old, new, words)

    @entry(NOTHING, U64, I64, I64, U64)
    def list_rows(slots: Any, cell_sizes: Any, forms: Any, events: Any) -> None:
        version  # noqa: B018
        table.list_rows(slots, cell_sizes, forms, events)

    @entry(NOTHING, U64, I64, I64, U64, U64, INT, U64, U64, U64)
    def list_videos(
        slots: Any, cell_sizes: Any, forms: Any, keys: Any, ids: Any, number: Any, ends: Any, flat: Any, words: Any
    ) -> None:
        version  # noqa: B018
        table.list_videos(slots, cell_sizes, forms, keys, ids, number, ends, flat, words)

    @entry(NOTHING, I64, U64, U64, U64, BYTES, I64, I64)
    def sort_strings(
        forms: Any, first: Any, second: Any, entries: Any, arena: Any, order: Any, scratch: Any
    ) -> None:  # fmt: skip
        version  # noqa: B018
        sorting.sort_strings(forms, first, second, entries, arena, order, scratch)

    @entry(NOTHING, I64, I64, I64, I64, I64)
    def deal(rows: Any, keys: Any, ranks: Any, places: Any, dealt: Any) -> None:
        version  # noqa: B018
        sorting.deal(rows, keys, ranks, places, dealt)

    @entry(INT, I64, U64)
    def encoded_size(forms: Any, entries: Any) -> Any:
        version  # noqa: B018
        return encoding.encoded_size(forms, entries)

    @entry(NOTHING, I64, U64, BYTES, U8)
    def encode_strings(forms: Any, entries: Any, arena: Any, out: Any) -> None:
        version  # noqa: B018
        encoding.encode_strings(forms, entries, arena, out)

    made = locals()
    del made["version"]
    return made


globals().update(_build(fingerprint()))
