"""ClickHouse killed, kept down, or hung under load: nothing is lost or doubled, and counting goes on by itself."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e.harness import Stack
from tests.faults.conftest import SMALL_DELTAS
from tests.faults.test_workers import records

pytestmark = pytest.mark.faults


def server(stack: Stack) -> psutil.Process:
    stack.wait_for(lambda: stack.counted() is not None, "ClickHouse answers")
    found = stack.clickhouse()
    assert found is not None
    return found


@pytest.fixture(scope="module")
def hold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """While this file exists, a restarted ClickHouse does not come back."""
    return tmp_path_factory.mktemp("hold") / "hold"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, hold: Path) -> Iterator[Stack]:
    stack = Stack(
        tmp_path_factory.mktemp("clickhouse-faults"),
        workers=2,
        settings=SMALL_DELTAS | {"TAGPULSE_INSERT_TIMEOUT_S": "3"},
        program=("-m", "tests.e2e.program", "--hold-clickhouse", str(hold)),
    )
    try:
        yield stack.start()
        stack.stop()
    finally:
        stack.abandon()


def wait_for_more(stack: Stack, number: int = 1) -> None:
    stack.wait_for(lambda: stack.counted() is not None, "ClickHouse answers")
    before = stack.counted() or 0
    stack.wait_for(lambda: (stack.counted() or 0) >= before + number, "counting goes on")


def test_away_for_a_while(stack: Stack, hold: Path) -> None:
    with stack.sender.flow(records(41), per_second=2_000):
        wait_for_more(stack)
        hold.touch()
        server(stack).kill()
        time.sleep(20)
        assert stack.counted() is None
        hold.unlink()
        wait_for_more(stack, 20_000)
    stack.check()


def test_killed_again_and_again(stack: Stack) -> None:
    dice = random.Random(42)
    with stack.sender.flow(records(42), per_second=2_000):
        for _ in range(6):
            wait_for_more(stack)
            time.sleep(dice.uniform(0, 0.5))
            server(stack).kill()
    stack.check()


def test_accepts_and_never_answers(stack: Stack) -> None:
    with stack.sender.flow(records(43), per_second=2_000):
        wait_for_more(stack)
        hung = server(stack)
        hung.suspend()
        time.sleep(15)  # inserts give up after 3 + 5 s, and are repeated
        hung.resume()
        wait_for_more(stack, 5_000)
    stack.check()
