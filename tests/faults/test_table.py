"""The table of runs tells what a test run left, and nothing of one that failed."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from loadtest.document import Document
from tests.faults.run import FLOOD, Result
from tests.faults.scenarios import SCENARIOS
from tests.faults.table import runs_sheet


def results(*names: str, failed: tuple[str, ...] = ()) -> Document:
    runs = [Result(name, "embedded", seed, 1_000, {"kill": 2, "cut": 1}, 9.0) for name in names for seed in (1, 2)]
    return {"runs": [asdict(run) for run in runs], "failed": failed}


def test_runs_of_a_scenario_are_summed() -> None:
    rows = runs_sheet(results(*SCENARIOS, FLOOD)).rows
    assert ("all-workers-killed", "embedded", "2", "2,000", "6") in rows
    whole = len(SCENARIOS) + 1
    assert len(rows) == whole + 1
    assert rows[-1] == ("all", "", f"{2 * whole}", f"{2_000 * whole:,}", f"{6 * whole}")


def test_a_failed_run_is_not_published() -> None:
    with pytest.raises(ValueError, match="failed, so that there is nothing to publish: test_x"):
        runs_sheet(results(*SCENARIOS, FLOOD, failed=("test_x",)))


def test_a_scenario_that_did_not_run_is_named() -> None:
    with pytest.raises(ValueError, match="did not run: flood"):
        runs_sheet(results(*SCENARIOS))
