"""Costs are found again from runs that were made of them; a document that is none is refused; one real run, small."""

from __future__ import annotations

import copy
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loadtest.document import DocumentError, encode, header, read
from loadtest.forms import sheets
from loadtest.planner import check, coefficients
from loadtest.planner.calibrate import Options, fitted, trials
from loadtest.planner.fitting import costs, worst
from loadtest.planner.trial import Seen, Trial, run
from tests.loadtest.planner.made import COSTS


def seen(name: str, events: int, value_bytes: int, updates: int, rows: int, deltas: int) -> Seen:
    """A run that cost exactly what COSTS say, but for a tenth of a core that ClickHouse always takes."""
    reading = events * 1e-6 + value_bytes * 1e-9 + updates * 1e-7
    ids = 2_000.0 if name == "few keys" else 500.0
    grains = {
        f"engagement_{grain}": {"rows": 1_000.0, "bytes": 1_000 * size + ids * 8}
        for grain, size in (("minute", 10.0), ("hour", 12.0), ("day", 14.0))
    }
    return Seen(
        name=name, events=events, value_bytes=value_bytes, kafka_bytes=value_bytes + 40 * events, updates=updates,
        deltas=deltas, rows=rows, wall_s=10.0, worker_cpu_s=reading + COSTS.writing_s(rows, deltas),
        clickhouse_cpu_s=0.8 * COSTS.clickhouse.of(rows, deltas) + 1.0, idle_cores=0.1,
        merges_cpu_s=0.2 * COSTS.clickhouse.of(rows, deltas), merges_settled=True,
        write_s=COSTS.write.of(rows, deltas), start_s=5.0, claim_read_s=0.01, worker_bytes=500_000_000,
        stored=grains | {"claims": {"rows": 2.0 * deltas, "bytes": 500.0 * deltas}},
        kept_ids={"minute": ids, "hour": ids, "day": ids},
    )  # fmt: skip


RUNS = [
    seen("large deltas", 250_000, 65_000_000, 1_340_000, 690_000, 8),
    seen("small deltas", 62_500, 16_000_000, 330_000, 210_000, 100),
    seen("few keys", 250_000, 63_000_000, 1_240_000, 140_000, 6),
    seen("no hashtags", 250_000, 51_000_000, 250_000, 7_500, 6),
    seen("long events", 250_000, 315_000_000, 1_340_000, 690_000, 14),
]


def test_costs_come_out_of_runs_as_they_went_in() -> None:
    found = fitted(RUNS)
    for name in ("event", "byte", "update", "row", "delta"):
        assert getattr(found.worker, name) == pytest.approx(getattr(COSTS.worker, name), rel=1e-6)
    for one, made in ((found.clickhouse, COSTS.clickhouse), (found.write, COSTS.write)):
        assert (one.row, one.delta) == pytest.approx((made.row, made.delta))
    assert (found.merging, found.kafka_overhead, found.residual) == pytest.approx((0.2, 40.0, 0.0), abs=1e-6)
    for name, size in (("minute_row", 10), ("hour_row", 12), ("day_row", 14), ("video_id", 8), ("claim", 500)):
        assert getattr(found.stored, name) == pytest.approx(size)


def test_a_missing_run_is_named() -> None:
    with pytest.raises(ValueError, match="'small deltas' are needed"):
        fitted(RUNS[:1])


def test_no_cost_is_negative_however_noisy_the_runs() -> None:
    dice = np.random.default_rng(1)
    for _ in range(20):
        amounts = dice.uniform(1, 100, (6, 4))
        spent = amounts @ np.array([1.0, 0.0, 2.0, 0.1]) * dice.uniform(0.7, 1.3, 6)
        found = costs(amounts.tolist(), spent.tolist())
        assert min(found) >= 0
        assert worst(amounts.tolist(), spent.tolist(), found) < 0.5


def test_what_was_spent_must_be_something() -> None:
    with pytest.raises(ValueError, match="must have spent something"):
        costs([[1.0]], [0.0])


# ---- documents ----------------------------------------------------------------------------------------


def document() -> dict[str, Any]:
    """A calibration as the command writes it."""
    return header("calibration", "tagpulse plan calibrate --out x.json") | {
        "options": asdict(Options()),
        "runs": [asdict(one) | {"clickhouse_s": one.clickhouse_s} for one in RUNS],
        "coefficients": dict(coefficients.encode(fitted(RUNS))),
    }


def test_a_calibration_comes_back_and_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(encode(document()))
    assert coefficients.of(read(path), str(path)) == fitted(RUNS)
    costs_sheet, runs_sheet = sheets(read(path))
    assert ["- for a delta in claims", "500 B"] in [list(row) for row in costs_sheet.rows]
    assert len(runs_sheet.rows) == len(RUNS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"form": "keys"}, "x.json is a document of the form 'keys', not 'calibration'; make it anew: tagpulse plan"),
        ({"coefficients": None}, "x.json: coefficients is missing"),
        ({"worker": 3}, "x.json: coefficients.worker is missing"),
        ({"residual": "much"}, "x.json: coefficients.residual must be a number, not 'much'"),
        ({"residual": -1}, "x.json: coefficients.residual is -1: a cost cannot be negative"),
        ({"residual": None}, "x.json: coefficients.residual must be a number, not None"),
    ],
)
def test_what_is_no_calibration_is_refused(change: dict[str, Any], message: str) -> None:
    bad = copy.deepcopy(document())
    for name, value in change.items():
        (bad if name in bad else bad["coefficients"])[name] = value
    with pytest.raises(DocumentError) as caught:
        coefficients.of(bad, "x.json")
    assert str(caught.value).startswith(message)


def test_the_calibration_of_tagpulse_says_how_it_was_made() -> None:
    shipped = coefficients.shipped()
    assert shipped["command"].startswith("tagpulse plan calibrate ")
    assert shipped["machine"]["cpu"]
    assert shipped["versions"]["chdb"]
    found = coefficients.of(shipped)
    assert found.clickhouse.row > 0
    assert found.clickhouse.delta > 0
    assert sheets(shipped)


# ---- prediction ---------------------------------------------------------------------------------------


def test_a_prediction_is_what_the_costs_say() -> None:
    """All of a small backlog in one or two deltas a log, so rows are those of few windows."""
    options = check.Options(events=12_000, partitions=1)
    workload = options.workload()
    foretold = check.predict(options, workload, 260.0, 5.37, COSTS)
    assert 3 <= foretold.deltas <= 9
    assert 12_000 < foretold.rows < 12_000 * 5.37
    reading = 1e-6 + 260 * 1e-9 + 5.37 * 1e-7
    written = COSTS.writing_s(foretold.rows, foretold.deltas) / 12_000
    assert foretold.worker_s == pytest.approx(reading + written)
    assert foretold.clickhouse_s == pytest.approx(COSTS.clickhouse.of(foretold.rows, foretold.deltas) / 12_000)


@pytest.mark.e2e
@pytest.mark.timeout(900)
async def test_a_real_run_counts_right_and_shows_every_cost() -> None:
    (plain, *_) = trials(Options.quick())
    workload = plain.backlogs["large deltas"]
    small = Trial(backlogs={"one": replace(workload, number=3_000)}, partitions=1, quiet_s=0.3)
    (found,) = await run(small)
    assert found.events == 3_000
    assert found.deltas >= 3
    assert found.updates > found.rows > 3_000
    assert min(found.worker_cpu_s, found.clickhouse_s, found.write_s, found.claim_read_s, found.start_s) > 0
    assert found.kafka_bytes > found.value_bytes
    assert all(found.stored[f"engagement_{grain}"]["rows"] > 0 for grain in ("minute", "hour", "day"))
    assert found.kept_ids["minute"] > 0
    foretold = check.predict(
        check.Options(events=3_000, partitions=1), replace(workload, number=3_000), 260.0, 5.37, COSTS
    )  # fmt: skip
    assert foretold.merged_rows == pytest.approx(check.measured(found).merged_rows, rel=0.1)
