"""ClickHouse killed, kept down, or hung under load: nothing is lost or doubled, and counting goes on by itself."""

from __future__ import annotations

import random
import time
from pathlib import Path

import psutil
import pytest

from tests.e2e.harness import Stack
from tests.faults.conftest import StartStack
from tests.faults.test_workers import records

pytestmark = pytest.mark.faults


def server(stack: Stack) -> psutil.Process:
    stack.wait_for(lambda: stack.counted() is not None, "ClickHouse answers")
    found = stack.clickhouse()
    assert found is not None
    return found


def test_clickhouse_away_for_a_while(start_stack: StartStack, tmp_path: Path) -> None:
    hold = tmp_path / "hold"
    stack = start_stack("--hold-clickhouse", str(hold), workers=2)
    with stack.sender.flow(records(41, 20_000), per_second=2_000):
        stack.wait_for(lambda: (stack.counted() or 0) > 5_000, "counting goes on")
        hold.touch()
        server(stack).kill()
        time.sleep(20)
        assert stack.counted() is None
        hold.unlink()
        stack.wait_for(lambda: (stack.counted() or 0) > 50_000, "counting goes on again")
    stack.check()
    stack.stop()


def test_clickhouse_killed_again_and_again(start_stack: StartStack) -> None:
    stack = start_stack(workers=2)
    dice = random.Random(42)
    with stack.sender.flow(records(42, 20_000), per_second=2_000):
        for _ in range(6):
            before = stack.counted() or 0
            stack.wait_for(lambda b=before: (stack.counted() or 0) > b, "counting goes on")  # type: ignore[misc]
            time.sleep(dice.uniform(0, 0.5))
            server(stack).kill()
            stack.wait_for(lambda: stack.counted() is not None, "ClickHouse is back")
    stack.check()
    stack.stop()


def test_clickhouse_accepts_and_never_answers(start_stack: StartStack) -> None:
    stack = start_stack(workers=2, settings={"TAGPULSE_INSERT_TIMEOUT_S": "3"})
    with stack.sender.flow(records(43, 20_000), per_second=2_000):
        stack.wait_for(lambda: (stack.counted() or 0) > 5_000, "counting goes on")
        hung = server(stack)
        hung.suspend()
        time.sleep(15)  # inserts give up after 3 + 5 s, and are repeated
        hung.resume()
        before = stack.counted() or 0
        stack.wait_for(lambda: (stack.counted() or 0) > before + 5_000, "counting goes on again")
    stack.check()
    stack.stop()
