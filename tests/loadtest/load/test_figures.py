"""Histogram, latencies, freshness, and what voids or fails a run."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.load import journal, latency
from loadtest.load.histogram import Histogram
from loadtest.load.journal import Journal
from loadtest.load.outcome import lag_growth, not_flat, outcome, surplus, void
from loadtest.load.sheets import compare, conclusion
from loadtest.load.verdict import Verdict, fold

MB = 1 << 20


@settings(max_examples=30)
@given(st.lists(st.floats(1e-6, 3_000), min_size=1, max_size=200), st.sampled_from([50.0, 90.0, 99.0, 99.9, 100.0]))
def test_percentiles_are_right_to_three_digits(values: list[float], percentile: float) -> None:
    histogram = Histogram()
    histogram.record(np.array(values))
    rank = max(1, int(percentile / 100 * len(values) + 0.5))  # the nearest one, as HdrHistogram defines it
    exact = sorted(values)[rank - 1]
    assert histogram.number == len(values)
    assert histogram.at(percentile) == pytest.approx(exact, rel=2.5e-3, abs=2e-6)


def test_an_empty_histogram_has_no_figures() -> None:
    histogram = Histogram()
    histogram.record(np.empty(0))
    assert (histogram.number, histogram.at(99), histogram.curve()) == (0, 0.0, [])


def written(folder: Path) -> journal.Sending:
    """Two senders, two partitions; the second sender's batch of partition 0 lies before the first one's."""
    one, two = Journal(folder, 0), Journal(folder, 1)
    one.add(0, 2, due=10.5, ready=10.51, taken=10.52, acked=10.6, dues=np.array([10.1, 10.4]))
    two.add(0, 0, due=10.5, ready=10.5, taken=10.5, acked=10.7, dues=np.array([10.2, 10.3]))
    one.add(1, 0, due=9.5, ready=9.6, taken=9.8, acked=9.9, dues=np.array([9.0]))  # of a backlog
    one.add(1, 1, due=11.0, ready=11.4, taken=11.45, acked=11.5, dues=np.array([10.9]))
    one.close()
    two.close()
    return journal.read(folder, range(2))


def test_latency_runs_from_when_an_event_was_due(tmp_path: Path) -> None:
    sending = written(tmp_path)
    assert sending.events == 6
    assert sorted(sending.late(10.0)) == pytest.approx([0, 0.01, 0.4])
    assert sorted(sending.queued(10.0)) == pytest.approx([0, 0.01, 0.05])
    assert sorted(latency.acked(sending, 10.0)) == pytest.approx([0.2, 0.4, 0.5, 0.5, 0.6])
    seen = {0: [(1, 11.0), (4, 12.0)], 1: [(1, 9.9)]}
    waits, never = latency.until_seen(sending, seen, 10.0, 13.0)
    assert sorted(waits) == pytest.approx([0.8, 1.6, 1.7, 1.9, 2.1])  # the last one: not seen by the end
    assert never == 1
    assert latency.until_seen(sending, {}, 10.0, 13.0)[1] == 5


def test_events_that_are_confirmed_and_not_visible_are_behind(tmp_path: Path) -> None:
    seen = {0: [(1, 11.0), (4, 12.0)], 1: [(1, 10.0)]}
    at = np.array([9.0, 9.95, 10.65, 10.8, 11.2, 11.6, 12.1])
    assert latency.behind(written(tmp_path), seen, at).tolist() == [0, 1, 2, 4, 3, 4, 1]


def test_a_run_without_events_has_no_latencies(tmp_path: Path) -> None:
    Journal(tmp_path, 0).close()
    sending = journal.read(tmp_path, range(1))
    assert sending.events == 0
    assert latency.acked(sending, 0.0).tolist() == sending.dues().tolist() == []
    assert latency.by_second(np.empty(0), np.empty(0), 0.0, 50.0) == []


def test_what_the_log_holds_and_nobody_confirmed_is_told(tmp_path: Path) -> None:
    sending = written(tmp_path)
    assert surplus(sending, {0: [(4, 11.0)], 1: [(2, 11.0)]}) == 0
    assert surplus(sending, {0: [(2, 11.0), (7, 11.5)], 1: [(2, 11.0)]}) == 3


def test_freshness_is_the_age_of_the_oldest_event_not_seen(tmp_path: Path) -> None:
    seen = {0: [(1, 11.0), (4, 12.0)], 1: [(1, 9.9), (2, 12.5)]}
    ages = latency.ages(written(tmp_path), seen, np.array([10.05, 10.5, 11.5, 12.2, 13.0]))
    assert ages == pytest.approx([0.0, 0.4, 1.4, 1.3, 0.0])


def test_latencies_by_second() -> None:
    found = latency.by_second(np.array([3.0, 1.0, 2.0, 9.0]), np.array([11.5, 10.1, 10.2, 9.0]), 10.0, 100.0)
    assert found == [(0, 2.0), (1, 3.0)]


def test_a_lost_a_doubled_and_a_foreign_event_are_told_apart() -> None:
    wanted = Counter(
        {("video_view", "PH", "", ""): 10, ("video_view", "PH", "love", ""): 4, ("video_view", "GB", "", ""): 3}
    )
    verdict = Verdict()
    fold(verdict, 7, wanted, wanted)
    assert verdict.right
    assert (verdict.keys, verdict.events) == (3, 13)
    verdict = Verdict()
    found = Counter(
        {("video_view", "PH", "", ""): 12, ("video_view", "PH", "love", ""): 5, ("video_view", "GB", "", ""): 2}
    )
    found["video_view", "US", "", ""] = 5
    fold(verdict, 7, wanted, found)
    assert (verdict.missing, verdict.doubled, verdict.extra, verdict.wrong_keys) == (1, 2, 5, 4)
    assert not verdict.right
    assert any("minute 7, video_view / GB /  / : 2 counted, 3 sent" in text for text in verdict.examples)


def samples(seconds: int, **curves: Any) -> list[dict[str, Any]]:
    """Every second; what sender and broker have does not matter."""
    rss = [{"worker-0": int(curves["rss"](t)), "sender-0": t * MB, "broker": t * 1000 * MB} for t in range(seconds)]
    return [{"second": t, "parts": curves["parts"](t), "rss": rss[t]} for t in range(seconds)]


def test_what_grows_is_not_flat() -> None:
    flat = samples(100, parts=lambda t: 20 + t % 9, rss=lambda t: 300 * MB)
    assert not_flat(flat, 100) == []
    leaking = samples(100, parts=lambda t: 20, rss=lambda t: (300 + 2 * t) * MB)
    assert not_flat(leaking, 100)[0].startswith("memory of worker-0 grew from")
    piling = samples(100, parts=lambda t: 20 + 3 * t, rss=lambda t: 300 * MB)
    assert not_flat(piling, 100)[0].startswith("parts in ClickHouse grew from")
    assert not_flat([], 100)


@pytest.mark.parametrize("grows", [0.0, 0.1])
@pytest.mark.parametrize("shift", [0.0, 0.3, 0.7])
def test_a_lag_grows_or_only_goes_up_and_down_with_each_flush(grows: float, shift: float, tmp_path: Path) -> None:
    """1,000 events a second, visible with the flush of each second; or a tenth of them never is."""
    writer = Journal(tmp_path, 0)
    for tick in range(400):
        at = 100 + tick * 0.05
        writer.add(0, tick * 50, due=at, ready=at, taken=at, acked=at + 0.01, dues=np.full(50, at))
    writer.close()
    seen = {0: [(int(1000 * (1 - grows) * (t + shift)), 100.0 + t + shift + 0.2) for t in range(1, 21)]}
    growth = lag_growth(journal.read(tmp_path, range(1)), seen, 100.0, 20.0)
    assert growth == pytest.approx(1000 * grows, abs=30)
    assert lag_growth(journal.read(tmp_path, range(1)), seen, 100.0, 7.0) is None


RIGHT = {"right": True, "examples": [], "missing": 0, "doubled": 0, "extra": 0, "grains": {}}
MISSING, DOUBLED = RIGHT | {"right": False, "missing": 3}, RIGHT | {"right": False, "doubled": 3}
UNANSWERED = {"events": 1, "per_second": 1.0, "unanswered": 5, "in_log_too_often": 0}
TWICE = {"events": 1, "per_second": 1.0, "unanswered": 0, "in_log_too_often": 3}


def document(**changes: Any) -> dict[str, Any]:
    found = {
        "workload": {"name": "steady", "seed": 1},
        "sent": {"events": 1000, "per_second": 100.0, "unanswered": 0, "in_log_too_often": 0},
        "latency_s": {"visible": {"p50": 0.5, "p99": 1.0, "p99.9": 1.1}},
        "freshness": {"age_s": {"p99": 1.0}},
        "cpu_s": {"worker-0": 2.0},
        "peak_rss": {"worker-0": 3_000_000},
        "verdict": RIGHT,
        "drained_s": 1.0,
        "void": [],
        "not_flat": [],
    }
    found |= changes
    return found | {"outcome": outcome(found)}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "PASS"),
        ({"verdict": MISSING}, "FAIL"),
        ({"drained_s": None}, "FAIL"),
        ({"not_flat": ["memory grew"]}, "FAIL"),
        ({"void": ["the generator fell behind"]}, "VOID"),
        ({"void": ["the generator fell behind"], "verdict": MISSING}, "FAIL"),
        ({"sent": UNANSWERED, "void": ["unanswered"], "verdict": MISSING}, "VOID"),
        ({"sent": UNANSWERED, "void": ["unanswered"], "verdict": DOUBLED}, "FAIL"),
        ({"sent": TWICE, "void": ["twice"], "verdict": DOUBLED}, "VOID"),
        ({"sent": TWICE, "void": ["twice"], "verdict": MISSING}, "FAIL"),
        ({"sent": UNANSWERED, "void": ["unanswered"], "verdict": MISSING | {"grains": {"engagement_day": 1}}}, "FAIL"),
    ],
)
def test_outcomes(changes: dict[str, Any], expected: str) -> None:
    found = document(**changes)
    assert found["outcome"] == expected
    assert conclusion(found)[0].startswith(expected)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"late_s": {"p99": 0.06, "max": 0.1}}, "the generator fell behind: batches were 60 ms late"),
        ({"late_s": {"p99": 0.01, "max": 1.5}}, "and 1,500 ms at most"),
        ({"queued_s": {"p99": 1.5}}, "the producer had no room"),
        ({"queued_s": {"p99": 1.5}, "closed_loop": True}, ""),
        ({"sent": UNANSWERED | {"error": "gone"}}, "5 events were never confirmed by the broker (gone)"),
        ({"sent": TWICE}, "the log has 3 events more than were confirmed"),
    ],
)
def test_what_makes_a_run_void(changes: dict[str, Any], reason: str) -> None:
    fine = {"late_s": {"p99": 0.01, "max": 0.1}, "queued_s": {"p99": 0.1}, "closed_loop": False,
            "sent": TWICE | {"in_log_too_often": 0}}  # fmt: skip
    found = void(fine | changes, 0.05)
    assert (reason in found[0]) if reason else not found


def test_runs_are_compared_by_ratio() -> None:
    other = document(cpu_s={"worker-0": 3.0}, workload={"name": "steady", "seed": 2})
    sheet = compare(document(), other, ["a", "b"])
    rows = {row[0]: row[1:] for row in sheet.rows}
    assert rows["CPU of worker-0, µs per event"] == ["2,000", "3,000", "1.50"]
    assert rows["outcome"] == ["PASS", "PASS", ""]
    assert sheet.caption == "The workloads differ: seed 1 / 2"
