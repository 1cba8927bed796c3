"""The search for the highest sustained rate, on a deployment whose limit is known."""

from __future__ import annotations

from typing import Any

import pytest

from loadtest.crew import CrewError
from loadtest.load.search import Objectives, curve, misses, search, sheet, summary
from loadtest.load.workload import Workload, load

STEADY = load("steady").scaled(seconds=10)


def run_of(rate: float, limit: float, **changes: Any) -> dict[str, Any]:
    over = rate > limit
    return {
        "outcome": "PASS", "verdict": {"right": True}, "void": [], "sent": {"per_second": rate},
        "latency_s": {"visible": {"p99": 9.0 if over else 1.2}}, "lag_growth": 0.5 * rate if over else 0.0, "cpu_s": {},
        **changes,
    }  # fmt: skip


@pytest.mark.parametrize("limit", [1_500.0, 7_777.0, 60_000.0])
async def test_the_limit_is_found_within_the_tolerance(limit: float) -> None:
    rates: list[float] = []

    async def run(workload: Workload) -> dict[str, Any]:
        rates.append(workload.peak)
        return run_of(workload.peak, limit)

    found = await search(STEADY, run, Objectives(), low=1_000, high=100_000, repeats=2, tolerance=0.05)
    assert found["sustained"] <= limit < found["not_sustained"] <= found["sustained"] * 1.051
    assert rates.count(found["sustained"]) == 2
    assert "are sustained" in summary(found)
    assert any(row[3] == "no" and "the lag grows" in row[4] for row in sheet(found).rows)
    assert curve([found]).rows[0][0] == "1"


async def test_ends_of_the_bracket() -> None:
    async def run(workload: Workload) -> dict[str, Any]:
        return run_of(workload.peak, 500)

    found = await search(STEADY, run, Objectives(), low=1_000, high=2_000, repeats=3)
    assert (found["sustained"], found["not_sustained"]) == (None, 1_000)
    assert len(found["trials"][0]["runs"]) == 1  # the first miss ends a trial
    assert summary(found).startswith("Not even 1,000")

    async def better(workload: Workload) -> dict[str, Any]:
        return run_of(workload.peak, 1e9)

    found = await search(STEADY, better, Objectives(), low=1_000, high=2_000, repeats=1)
    assert (found["sustained"], found["not_sustained"]) == (2_000, None)
    assert "more was not tried" in summary(found)
    with pytest.raises(ValueError, match="the bracket is 5 to 2"):
        await search(STEADY, better, Objectives(), low=5, high=2)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"outcome": "FAIL", "verdict": {"right": False}}, "FAIL: counts differ"),
        ({"outcome": "VOID", "void": ["the generator fell behind: ..."]}, "the generator fell behind"),
        ({"latency_s": {"visible": {"p99": 2.5}}}, "visible after 2,500 ms, p99"),
        ({"sent": {"per_second": 900}}, "only 900 events per second were sent"),
        ({"lag_growth": None}, "too short to tell whether the lag grows"),
        ({"lag_growth": 60.0}, "the lag grows by 60.0 events per second"),
    ],
)
def test_what_a_rate_must_keep(changes: dict[str, Any], reason: str) -> None:
    assert misses(run_of(1_000, 2_000), 1_000, Objectives()) == []
    assert reason in misses(run_of(1_000, 2_000, **changes), 1_000, Objectives())


async def test_void_runs_are_repeated_and_failed_ones_are_misses() -> None:
    outcomes = iter(["VOID", "PASS", "VOID", "VOID", "VOID", "CRASH"])

    async def run(workload: Workload) -> dict[str, Any]:
        outcome = next(outcomes)
        if outcome == "CRASH":
            raise CrewError("a sender ended with exit code 1\nand a long log")
        void = ["the generator fell behind: ..."] if outcome == "VOID" else []
        return run_of(workload.peak, 1e9, outcome=outcome, void=void)

    found = await search(STEADY, run, Objectives(), low=1_000, high=2_000, repeats=2)
    assert found["trials"][0]["runs"][-1]["reasons"] == ["VOID", "the generator fell behind"]
    found = await search(STEADY, run, Objectives(), low=1_000, high=2_000, repeats=1)
    assert found["trials"][0]["runs"][0]["reasons"] == ["a sender ended with exit code 1"]
    assert sheet(found).rows[0][2] == "-"


@pytest.mark.parametrize("name", ["burst", "ramp", "max-rate", "backlog"])
async def test_only_an_even_rate_can_be_sustained(name: str) -> None:
    async def run(workload: Workload) -> dict[str, Any]:
        raise AssertionError("nothing may be sent")

    with pytest.raises(ValueError, match="has not one even rate"):
        await search(load(name), run, Objectives(), low=1_000, high=2_000)
