"""The life of a stack: kept data over restarts, two side by side, an end without orphans."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from loadtest.events import Workload
from tests.brokers import on_both_brokers
from tests.e2e.harness import Stack
from tests.e2e.ledger import Record, plain_record

pytestmark = pytest.mark.e2e


def records(seed: int, number: int) -> list[Record]:
    return [plain_record(event) for event in Workload(seed=seed, until=datetime.now(UTC)).events(number)]


@pytest.fixture
def stacks(tmp_path: Path, broker_kind: str) -> Iterator[list[Stack]]:
    made = [Stack(tmp_path / "a", broker=broker_kind), Stack(tmp_path / "b", broker=broker_kind)]
    yield made
    for stack in made:
        if hasattr(stack, "process"):
            stack.abandon()


@on_both_brokers
def test_kept_data_is_added_to(stacks: list[Stack]) -> None:
    stack = stacks[0]
    logins, incarnations = [], []
    for life in range(3):
        stack.start()
        logins.append({name: value for name, value in stack.ready.items() if "user" in name or "password" in name})
        stack.sender.send(records(60 + life, 2_000))
        stack.check()
        incarnations.append(
            stack.rows("SELECT min(n), max(n) FROM (SELECT max(incarnation) n FROM incarnations GROUP BY topic)")
        )
        stack.stop()
    assert logins[0] == logins[1] == logins[2]
    numbers = [1, 1, 1] if stack.durable else [1, 2, 3]  # a log in memory is a new one in each life
    assert incarnations == [[(number, number)] for number in numbers]


def test_two_stacks_do_not_meet(stacks: list[Stack]) -> None:
    for stack in stacks:
        stack.start()
    assert stacks[0].ready["clickhouse_password"] != stacks[1].ready["clickhouse_password"]
    for number, stack in enumerate(stacks):
        stack.sender.send(records(70 + number, 2_000))
    for stack in stacks:
        stack.check()
    stacks[0].stop()
    stacks[1].sender.send(records(73, 1_000))
    stacks[1].check()
    stacks[1].stop()


def test_ctrl_c_ends_all_and_leaves_nothing(tmp_path: Path) -> None:
    """A Ctrl-C with work in hand, on a stack that keeps nothing."""
    stack = Stack(tmp_path / "stack", workers=2, keep=False)
    try:
        stack.start()
        with stack.sender.flow(records(80, 5_000), per_second=2_000):
            stack.wait_for(lambda: (stack.counted() or 0) > 2_000, "counting goes on")
            processes = stack.processes()
        assert len(processes) == 4
        stack.stop(signal.SIGINT)
        assert not any(process.is_running() for process in processes)
        assert not [path for path in stack.folder.iterdir() if path.name.startswith("tagpulse")]
    finally:
        stack.abandon()
