"""A worker dies at each step of the protocol, in takeovers too; who comes after it makes all right."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.faults import crashing_worker
from tests.faults.conftest import StartStack
from tests.faults.test_workers import records

pytestmark = pytest.mark.faults

STEPS = ("before-claim", "claimed", "before-insert", "inserted", "before-done", "done", "before-recovery")


def test_a_worker_may_die_at_any_step(start_stack: StartStack, tmp_path: Path) -> None:
    plan = tmp_path / "plan"
    plan.mkdir()
    dice = random.Random(31)
    # The first arrivals happen while a worker recovers what the one before it left.
    deaths = [(step, arrival) for step in STEPS for arrival in (1, 2, dice.randint(3, 8))]
    deaths = [(step, min(arrival, 2) if step == "before-recovery" else arrival) for step, arrival in deaths]
    dice.shuffle(deaths)
    for number, (step, arrival) in enumerate(deaths):
        (plan / f"{number:03}.{step}.{arrival}").touch()
    stack = start_stack(
        "--worker",
        str(crashing_worker.__file__),
        workers=3,
        settings={"CRASH_PLAN": str(plan), "TAGPULSE_KAFKA_SESSION_TIMEOUT_S": "4"},
    )

    def reached() -> int:
        return sum(path.name.endswith(".reached") for path in plan.iterdir())

    with stack.sender.flow(records(31), per_second=1_500):
        stack.wait_for(lambda: reached() >= len(deaths) - 3, "nearly every planned death")
    stack.check()
    died = {path.name.split(".")[1] for path in plan.iterdir() if path.name.endswith(".reached")}
    assert died == set(STEPS)
    stack.stop()
