"""The benchmark of latency: a load test against its targets. How latencies come about is tested in `load`."""

from __future__ import annotations

from typing import Any

import pytest

from loadtest.latency import COUNTED_P99_S, figures, sheets

OPTIONS = {"rate": 1_000, "producers": 1, "partitions": 4, "broker": "embedded"}


def run_with(counted_p99: float, visible_p99: float, void: list[str]) -> dict[str, Any]:
    at = {"p50": 0.01, "p90": 0.02, "p99.9": 3.0, "p99.99": 3.0, "max": 4.0}
    return {
        "sent": {"events": 10}, "late_s": {"p50": 0.001, "p99": 0.3, "max": 0.4}, "void": void,
        "cpu_s": {"worker-0": 1.25},
        "latency_s": {"counted": at | {"p99": counted_p99}, "visible": at | {"p99": visible_p99}},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("counted", "visible", "met"),
    [(0.049, 1.49, [True, True]), (0.051, 1.4, [False, True]), (0.04, 1.51, [True, False])],
)
def test_latencies_are_judged_by_their_99th_percentile(counted: float, visible: float, met: list[bool]) -> None:
    found = figures(run_with(counted, visible, []))
    assert [found[name]["met"] for name in ("counted", "visible")] == met
    assert found["counted"]["target_p99_s"] == COUNTED_P99_S
    assert found["visible"]["target_p99_s"] == 1.5
    table = sheets({"options": OPTIONS} | found)[0]
    assert [row[-1].endswith(", met") for row in table.rows] == met
    assert "worker-0 1.2" in table.caption


def test_a_void_run_shows_no_figures() -> None:
    void = sheets({"options": OPTIONS} | figures(run_with(0.01, 1.0, ["the generator fell behind"])))[0]
    assert void.rows == []
    assert "void" in void.title
