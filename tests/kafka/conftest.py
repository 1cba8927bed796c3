"""Stacks on Apache Kafka. Most tests share one of two, whose ledgers know what others sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tagpulse.stack.broker import BrokerKind
from tests.e2e.harness import Stack
from tests.faults.reporting import RESULT
from tests.faults.run import compared

MakeStack = Callable[..., Stack]
#: `with shown(stack) as faults`: the body counts what it does; then every key must equal the truth.
Shown = Callable[[Stack], AbstractContextManager[Counter[str]]]
#: Many small deltas, so that a fault at a random moment hits the protocol and not the pause between.
SETTINGS = {
    "TAGPULSE_FLUSH_INTERVAL_S": "0.2",
    "TAGPULSE_MAX_DELTA_ROWS": "2000",
    "TAGPULSE_KAFKA_METADATA_MAX_AGE_S": "2",
}
_FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note which tests failed: what they leave behind is for nobody else."""
    report = yield
    if report.failed:
        item.stash[_FAILED] = True
    return report


class Shared:
    """One stack for many tests; after a failure the next test gets a new one."""

    def __init__(self, start: Callable[[], Stack]) -> None:
        self._start = start
        self._stack: Stack | None = None

    def lend(self, request: pytest.FixtureRequest) -> Iterator[Stack]:
        if self._stack is None:
            self._stack = self._start()
        yield self._stack
        if request.node.stash.get(_FAILED, False):
            self._stack.abandon()
            self._stack = None

    def end(self) -> None:
        if self._stack is not None:
            self._stack.stop()


@pytest.fixture(scope="package")
def make_stack(tmp_path_factory: pytest.TempPathFactory, kafka: None) -> Iterator[MakeStack]:
    """Starts a stack with quick restarts: `workers` (may be 0), `partitions`, `kafka_nodes`."""
    started: list[Stack] = []

    def make(*, workers: int, partitions: int, kafka_nodes: int = 1) -> Stack:
        folder: Path = tmp_path_factory.mktemp("stack")
        numbers: dict[str, Any] = {"workers": workers, "partitions": partitions, "kafka_nodes": kafka_nodes}
        program = ("-m", "tests.e2e.program")
        stack = Stack(folder, **numbers, settings=SETTINGS, program=program, broker="kafka")
        started.append(stack)
        return stack.start()

    yield make
    for stack in started:
        stack.abandon()


def shared(make: MakeStack, *, workers: int, partitions: int) -> Iterator[Shared]:
    found = Shared(lambda: make(workers=workers, partitions=partitions))
    yield found
    found.end()


@pytest.fixture(scope="package")
def _busy(make_stack: MakeStack) -> Iterator[Shared]:
    yield from shared(make_stack, workers=2, partitions=4)


@pytest.fixture(scope="package")
def _idle(make_stack: MakeStack) -> Iterator[Shared]:
    yield from shared(make_stack, workers=0, partitions=1)


@pytest.fixture
def busy(_busy: Shared, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """Two workers, four partitions or more."""
    yield from _busy.lend(request)


@pytest.fixture
def idle(_idle: Shared, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """One partition, no worker: each test starts its own, and ends it."""
    yield from _idle.lend(request)


@pytest.fixture
def shown(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Shown:
    """For the table of runs: what came of this test, under its own name."""
    name = str(request.node.name).removeprefix("test_").replace("_", "-")
    return lambda stack: compared(
        stack, name, BrokerKind.KAFKA, 0, lambda result: record_property(RESULT, asdict(result))
    )
