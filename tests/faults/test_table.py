"""The table of runs tells what a test run left, and nothing of one that failed."""

from __future__ import annotations

import orjson
import pytest

from tests.faults.run import FLOOD, Result
from tests.faults.scenarios import SCENARIOS
from tests.faults.table import runs_table


def results(*names: str, failed: tuple[str, ...] = ()) -> bytes:
    runs = [Result(name, "embedded", seed, 1_000, {"kill": 2, "cut": 1}, 9.0, 0) for name in names for seed in (1, 2)]
    return orjson.dumps({"runs": runs, "failed": failed})


def test_runs_of_a_scenario_are_summed() -> None:
    table = runs_table(results(*SCENARIOS, FLOOD)).splitlines()
    assert "| all-workers-killed | embedded | 2 | 2,000 | 6 | 0 |" in table
    assert len(table) == 2 + len(SCENARIOS) + 1 + 1
    whole = len(SCENARIOS) + 1
    assert table[-1] == f"| **all** |  | {2 * whole} | {2_000 * whole:,} | {6 * whole} | 0 |"


def test_a_failed_run_is_not_published() -> None:
    with pytest.raises(ValueError, match="failed, so that there is nothing to publish: test_x"):
        runs_table(results(*SCENARIOS, FLOOD, failed=("test_x",)))


def test_a_scenario_that_did_not_run_is_named() -> None:
    with pytest.raises(ValueError, match="did not run: flood"):
        runs_table(results(*SCENARIOS))
