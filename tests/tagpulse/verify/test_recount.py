"""The recount of a claim: what records count for, and whether they are the records that were claimed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from loadtest.events import Workload, encode
from schemas.topics import EventType
from sinks.analytics import Grain
from streams.batch import RecordBatch
from streams.counting import counts_for
from streams.decoding import Decoder
from streams.rules import Rules
from tagpulse.demo.truth import compute
from tagpulse.verify.recount import Recount, Rejected, Tally, tags_of
from tagpulse.verify.windows import END_OF_TIME, Key, Span
from tests.tagpulse.verify.making import MAY, NOON, claim, key, recounted, view

ALL_TIME = Span(0, END_OF_TIME)


def test_views_count_by_tag() -> None:
    counted = recounted([view(count=3), view(hashtags=["LOVE", "love", "x"]), view(country="uk", hashtags=None)])
    assert counted.tally.events == {
        key(): 4,
        key("love"): 4,
        key("x"): 1,
        key(country="GB"): 1,
    }
    assert not counted.tally.videos
    assert counted.rejects == {}


def test_sticker_uses_hold_distinct_videos() -> None:
    values = [view(sticker="Heart", video_id=video) for video in ("7", "8", "007")]
    tally = recounted(values, EventType.STICKER_USE).tally
    assert tally.events[key(sticker="heart")] == 3
    assert tally.videos == {key(sticker="heart"): {7, 8}, key("love", sticker="heart"): {7, 8}}


def test_rejects_are_kept_by_offset() -> None:
    counted = recounted([b"x", view(), None, view(ts="2026-05-01T14:00:00Z"), view(count=0)])
    assert counted.rejects == {
        10: Rejected("not_json", ""),
        12: Rejected("empty", ""),
        13: Rejected("in_future", "ts"),
        14: Rejected("invalid", "count"),
    }
    assert sum(counted.tally.events.values()) == 2


def test_the_clock_is_that_of_the_claim() -> None:
    early = Recount(claim(0, 1, clock=float(NOON - 1200)), EventType.VIDEO_VIEW, Rules())
    early.add(0, view())
    assert early.rejects == {0: Rejected("in_future", "ts")}


def test_tags_follow_the_rules_of_the_claim() -> None:
    rules = Rules(max_hashtags_per_event=2, max_tag_bytes=5, tag_groups={"g": ("a", "c"), "h": ("b",)})
    assert tags_of(("", "#A", "toolong", "a", "B", "c"), rules) == ["a", "b", "@g", "@h"]
    assert tags_of(("x", "y", "c"), rules) == ["x", "y"]  # what is cut off is in no group


def test_other_records_are_noticed() -> None:
    counted = recounted([view(), view()])
    assert not counted.other_log()
    changes: list[dict[str, Any]] = [{"records": 3}, {"last_offset": 10}, {"last_checksum": 1}]
    for changed in changes:
        other = recounted([view(), view()])
        other.claim = replace(other.claim, **changed)
        assert other.other_log()


def test_another_judgement_is_noticed() -> None:
    counted = recounted([view(), b"x"])
    assert counted.judged_otherwise() == "recount finds 1 rejects, the claim says 0"
    counted.claim = replace(counted.claim, rejects=1)
    assert not counted.judged_otherwise()
    counted.claim = replace(counted.claim, months=(MAY, MAY + 1))
    assert "months" in counted.judged_otherwise()


def test_a_tally_by_grain_month_and_span() -> None:
    june = NOON + 31 * 86_400
    tally = Tally()
    for number, window in enumerate((NOON, NOON + 60, NOON + 7200, june), 1):
        tally.events[key(window=window)] += number
        tally.videos[key(window=window)] |= {number, 0}
    hours = tally.at(Grain.HOUR, Span(NOON, NOON + 7200))
    assert hours.events == {key(): 3}
    assert hours.videos == {key(): {0, 1, 2}}
    assert tally.at(Grain.DAY, ALL_TIME).events == {key(window=NOON - 43_200): 6, key(window=june - 43_200): 4}
    months = tally.by_month()
    assert {month: sum(part.events.values()) for month, part in months.items()} == {202605: 6, 202606: 4}
    total = Tally()
    for part in months.values():
        total.add(part, ALL_TIME)
    assert total == tally


@pytest.mark.parametrize("seed", [1, 2])
def test_it_agrees_with_the_worker_and_with_the_plain_truth(seed: int) -> None:
    """Three ways to count, which share no loop."""
    events = [e for e in Workload(seed=seed, until=datetime.now(UTC)).events(3_000) if e["type"] == "sticker_use"]
    rules = Rules(tag_groups={"kindness": ("love", "mentalhealth")})
    values = [encode(event) for event in events]
    clock = datetime.now(UTC).timestamp()
    recount = Recount(claim(0, len(values), clock=clock), EventType.STICKER_USE, rules)
    for offset, value in enumerate(values):
        recount.add(offset, value)

    truth = compute(events, rules.tag_groups, datetime.now(UTC))
    expected = {Key(k[1], k[2], k[3], int(k[4].timestamp())): n for k, n in truth.events["minute"].items()}
    assert recount.tally.events == expected

    batch = RecordBatch("sticker-uses", 0, 1, 0, len(values), list(range(len(values))), list(values))
    counts = counts_for(EventType.STICKER_USE)
    counts.add(Decoder(EventType.STICKER_USE, rules).decode(batch, clock))
    rows = counts.rows()
    cells = [cell for cell, size in enumerate(rows.cell_sizes) for _ in range(size)]
    worker = {
        Key(rows.cell_countries[cell], tag, rows.cell_stickers[cell], rows.cell_minutes[cell] * 60): events_
        for cell, tag, events_ in zip(cells, rows.hashtags, rows.events, strict=True)
    }
    assert recount.tally.events == worker
