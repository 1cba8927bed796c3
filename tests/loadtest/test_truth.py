"""Truth by hash finds what exact truth finds, in 16 bytes a key."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from loadtest.keys import COUNTRIES, expected_keys, tags_for
from loadtest.peers.job import Key, write_counts
from loadtest.peers.truth import ExactTruth, HashedTruth, Truth
from loadtest.peers.workload import Event, Shape, Workload

EVENTS = list(Workload(shape=Shape.SAMPLE, seed=5, number=2_000, until_s=1_790_000_000).events())


def counted(events: list[Event]) -> Counter[Key]:
    return Counter((e.event_type, e.country, tag, e.sticker, e.minute) for e in events for tag in ("", *e.hashtags))


def filled(truth: Truth) -> Truth:
    for event in EVENTS:
        truth.add(event)
    return truth


@pytest.fixture(params=[ExactTruth, HashedTruth])
def truth(request: pytest.FixtureRequest) -> Truth:
    return filled(request.param())


def check(folder: Path, truth: Truth, *parts: Counter[Key]) -> list[str]:
    paths = [folder / str(number) for number in range(len(parts))]
    for path, part in zip(paths, parts, strict=True):
        write_counts(path, part.items())
    return truth.differences(paths)


def test_both_agree_on_rows_and_keys() -> None:
    exact, hashed = filled(ExactTruth()), filled(HashedTruth())
    assert exact.rows == hashed.rows == counted(EVENTS).total()
    assert len(exact) == len(hashed) == len(counted(EVENTS))


def test_right_counts_pass_in_several_files_and_again(tmp_path: Path, truth: Truth) -> None:
    for _ in range(2):
        assert check(tmp_path, truth, counted(EVENTS[:700]), counted(EVENTS[700:])) == []


def test_a_missing_event_is_caught(tmp_path: Path, truth: Truth) -> None:
    rows = len(EVENTS[7].hashtags) + 1
    found = check(tmp_path, truth, counted(EVENTS[:7] + EVENTS[8:]))
    assert found[0] == f"{rows} of {len(truth):,} keys are wrong, +{rows} rows are missing in all"


def test_one_key_too_many_and_one_too_few_are_caught(tmp_path: Path, truth: Truth) -> None:
    """Although the sum is right."""
    rows = counted(EVENTS)
    first = next(iter(rows))
    rows[first] -= 1
    rows["video_view", "XX", "strange", "", 1] += 1
    found = check(tmp_path, truth, rows)
    assert found[0] == f"2 of {len(truth):,} keys are wrong, +0 rows are missing in all"


def test_no_counts_are_caught(tmp_path: Path, truth: Truth) -> None:
    assert check(tmp_path, truth) != []


def test_chunks_are_merged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("loadtest.peers.truth._CHUNK_ROWS", 1_000)
    truth = filled(HashedTruth())
    assert len(truth) == len(counted(EVENTS))
    assert check(tmp_path, truth, counted(EVENTS)) == []


@pytest.mark.parametrize(("keys", "events"), [(3_000, 5_000), (20_000, 8_000)])
def test_so_many_tags_come_to_so_many_keys(keys: int, events: int) -> None:
    tags = tags_for(keys, events)
    assert expected_keys(tags - 1, events) < keys <= expected_keys(tags, events)
    truth = HashedTruth()
    workload = Workload(
        shape=Shape.UNIFORM, seed=3, number=events, until_s=1_790_000_000, tags=tags, countries=COUNTRIES
    )  # fmt: skip
    for event in workload.events():
        truth.add(event)
    assert len(truth) == pytest.approx(keys, rel=0.05)
