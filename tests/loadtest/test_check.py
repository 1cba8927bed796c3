"""The truth check: right counts pass in whatever order and pieces they come; any wrong count is caught."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from loadtest.peers.check import differences
from loadtest.peers.job import Key, write_counts
from loadtest.peers.workload import Event, Shape, Workload, count

WORKLOAD = Workload(shape=Shape.SAMPLE, seed=7, number=2_000, until_s=1_790_000_000)


@pytest.fixture(scope="module")
def events() -> list[Event]:
    return list(WORKLOAD.events())


@pytest.fixture(scope="module")
def truth(events: list[Event]) -> Counter[bytes]:
    found: Counter[bytes] = Counter()
    for event in events:
        count(found, event)
    return found


def counted(events: list[Event]) -> Counter[Key]:
    """What a contestant that counts right delivers."""
    return Counter((e.event_type, e.country, tag, e.sticker, e.minute) for e in events for tag in ("", *e.hashtags))


def check(folder: Path, counts: list[tuple[Key, int]], truth: Counter[bytes]) -> list[str]:
    write_counts(folder / "counts", counts)
    return differences([folder / "counts"], truth)


def test_right_counts_pass(tmp_path: Path, events: list[Event], truth: Counter[bytes]) -> None:
    assert check(tmp_path, list(counted(events).items()), truth) == []


def test_counts_of_a_key_may_come_in_pieces_and_in_any_order(
    tmp_path: Path, events: list[Event], truth: Counter[bytes]
) -> None:
    pieces = [*counted(events[1_000:]).items(), *counted(events[:1_000]).items()]
    assert check(tmp_path, pieces, truth) == []


def test_a_dropped_event_is_caught(tmp_path: Path, events: list[Event], truth: Counter[bytes]) -> None:
    dropped = events.pop(1_234)
    try:
        found = check(tmp_path, list(counted(events).items()), truth)
    finally:
        events.insert(1_234, dropped)
    rows = len(dropped.hashtags) + 1
    assert found[0] == f"{rows} of {len(truth):,} keys are wrong, +{rows} rows are missing in all"
    assert dropped.event_type in found[1]


def test_a_batch_counted_twice_is_caught(tmp_path: Path, events: list[Event], truth: Counter[bytes]) -> None:
    doubled = [*counted(events).items(), *counted(events[500:600]).items()]
    found = check(tmp_path, doubled, truth)
    assert "rows are missing in all" in found[0]
    assert ", -" in found[0]


def test_a_count_under_another_minute_is_caught(tmp_path: Path, events: list[Event], truth: Counter[bytes]) -> None:
    moved = [((*key[:4], key[4] + 1) if key[4] % 2 else key, number) for key, number in counted(events).items()]
    assert check(tmp_path, moved, truth)


def test_a_strange_key_is_caught_and_named(tmp_path: Path, events: list[Event], truth: Counter[bytes]) -> None:
    strange: Key = ("video_view", "XX", "nobody wrote this", "", 1)
    found = check(tmp_path, [*counted(events).items(), (strange, 3)], truth)
    assert len(found) == 2
    assert "nobody wrote this" in found[1]
    assert found[1].endswith("counted 3, truth 0")


def test_no_counts_at_all_are_caught(tmp_path: Path, truth: Counter[bytes]) -> None:
    assert check(tmp_path, [], truth)
