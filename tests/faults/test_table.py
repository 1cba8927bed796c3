"""The table of runs tells what a test run left, right or wrong, and nothing of one that was not compared."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from loadtest.document import Document
from tagpulse.stack.broker import BrokerKind
from tests.faults.run import FLOOD, Result
from tests.faults.scenarios import SCENARIOS
from tests.faults.table import runs_sheet, together

WHOLE = {(s.name, broker.value) for s in SCENARIOS.values() for broker in s.brokers}
WHOLE |= {(FLOOD, broker.value) for broker in BrokerKind}


def results(whole: set[tuple[str, str]], failed: tuple[str, ...] = ()) -> Document:
    """Two runs of each; the second of each doubles an event."""
    runs = [
        Result(name, broker, seed, 1_000, {"kill": 2, "cut": 1}, seed == 0, 0, seed, 9.0)
        for name, broker in whole
        for seed in (0, 1)
    ]
    return {"runs": [asdict(run) for run in runs], "failed": failed}


def test_runs_of_a_scenario_are_summed() -> None:
    rows = runs_sheet(results(WHOLE)).rows
    assert ("all-workers-killed", "kafka", "2", "1", "2,000", "6", "0", "1") in rows
    number = len(WHOLE)
    assert len(rows) == number + 1
    assert rows[-1] == (
        "all", "", f"{2 * number}", f"{number}", f"{2_000 * number:,}", f"{6 * number}", "0", f"{number}",
    )  # fmt: skip


def test_where_a_run_was_not_compared_nothing_is_published() -> None:
    with pytest.raises(ValueError, match="failed before anything was compared: test_x"):
        runs_sheet(results(WHOLE, failed=("test_x",)))


def test_what_did_not_run_is_named() -> None:
    with pytest.raises(ValueError, match=r"did not run: flood \(kafka\)"):
        runs_sheet(results(WHOLE - {(FLOOD, "kafka")}))


def test_files_of_results_are_taken_together() -> None:
    part = {("chaos", "kafka"), (FLOOD, "kafka")}
    one = results(WHOLE - part) | {"command": "first", "date": "2026-01-01"}
    other = results(part, failed=("test_x",)) | {"command": "second", "date": "2026-01-02"}
    whole = together([one, other])
    assert (whole["command"], whole["date"], whole["failed"]) == ("first`, `second", "2026-01-02", ["test_x"])
    assert runs_sheet(whole | {"failed": []}).rows == runs_sheet(results(WHOLE)).rows
