"""Counting equals a naive fold, however the records are cut and ordered."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict

from hypothesis import given
from hypothesis import strategies as st

from schemas.rejects import Reject, RejectReason
from schemas.topics import EventType
from sinks.delta import DeltaRows
from streams.counting import counts_for
from streams.decoding import Decoded

Record = tuple[int, str, tuple[str, ...], str, int, int]

records = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from(["US", "PH", "ZZ"]),
        st.lists(st.sampled_from(["love", "kindness", "@kind", "ü"]), unique=True, max_size=4).map(tuple),
        st.sampled_from(["", "heart", "🎉"]),
        st.integers(1, 2**32 - 1),
        st.integers(0, 5),
    )
)


def decoded(part: list[Record], rejects: list[Reject] | None = None) -> Decoded:
    columns = [list(column) for column in zip(*part, strict=True)] or [[] for _ in range(6)]
    return Decoded(*columns, rejects or [])  # type: ignore[call-arg, arg-type]


def cells(rows: DeltaRows) -> tuple[Counter[tuple[int, str, str, str]], dict[tuple[int, str, str, str], set[int]]]:
    events: Counter[tuple[int, str, str, str]] = Counter()
    videos: dict[tuple[int, str, str, str], set[int]] = {}
    row = 0
    columns = zip(rows.cell_minutes, rows.cell_countries, rows.cell_stickers, rows.cell_sizes, strict=True)
    for minute, country, sticker, size in columns:
        for _ in range(size):
            key = (minute, country, sticker, rows.hashtags[row])
            assert key not in events, "a key must stand in one row"
            events[key] = rows.events[row]
            if rows.video_ids is not None:
                ends = [0, *rows.video_ids.ends.tolist()]
                videos[key] = set(rows.video_ids.flat[ends[row] : ends[row + 1]].tolist())
            row += 1
    assert row == len(rows.hashtags) == len(rows.events)
    return events, videos


@given(records, st.lists(st.integers(0, 50)), st.randoms(use_true_random=False), st.sampled_from(EventType))
def test_counts_equal_a_naive_fold(whole: list[Record], cuts: list[int], order: object, event_type: EventType) -> None:
    expected: Counter[tuple[int, str, str, str]] = Counter()
    videos: defaultdict[tuple[int, str, str, str], set[int]] = defaultdict(set)
    for minute, country, tags, sticker, count, video in whole:
        for tag in ("", *tags):
            expected[minute, country, sticker, tag] += count
            videos[minute, country, sticker, tag].add(video)
    bounds = sorted({0, len(whole), *(min(cut, len(whole)) for cut in cuts)})
    parts = [whole[a:b] for a, b in itertools.pairwise(bounds)]
    order.shuffle(parts)  # type: ignore[attr-defined]
    counts = counts_for(event_type)
    for part in parts:
        counts.add(decoded(part))
    found, found_videos = cells(counts.rows())
    assert found == expected
    if event_type is EventType.STICKER_USE:
        assert found_videos == videos
    else:
        assert counts.rows().video_ids is None
    assert counts.records == len(whole)
    assert len(counts) == len(expected)


def test_rejects_are_kept_beside_the_counts() -> None:
    reject = Reject.of(4, RejectReason.NOT_JSON, "", b"{")
    counts = counts_for(EventType.VIDEO_VIEW)
    counts.add(decoded([(1, "US", ("love",), "", 2, 7)], [reject]))
    assert (counts.records, len(counts), counts.rows().rejects) == (2, 3, [reject])


def test_video_ids_are_counted_for_the_memory_bound() -> None:
    counts = counts_for(EventType.STICKER_USE)
    counts.add(decoded([(1, "US", ("love", "kind"), "heart", 1, 7)] * 10))
    assert counts.video_ids == 30
