"""A backlog: memory stays bounded, and nothing is lost.

TAGPULSE_LONG_TESTS=1 makes the backlog 2,000,000 events; `-s` shows the figures.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from loadtest.events import Workload
from tests.e2e.harness import Stack
from tests.e2e.ledger import Record, plain_record
from tests.faults.meter import Meter

pytestmark = pytest.mark.faults

LONG = os.environ.get("TAGPULSE_LONG_TESTS") == "1"
DISTINCT, TIMES = (400_000, 5) if LONG else (30_000, 10)
#: Outlasts the making of the backlog. (The embedded broker lets the first member of a group wait for half of it.)
SLEEP_S = "60" if LONG else "12"
MOST_BYTES = (600 if LONG else 320) * 1024 * 1024


def drain(stack: Stack, records: list[Record], times: int) -> Meter:
    """Put a backlog in front of a sleeping worker and let it loose."""
    (worker,) = stack.workers()
    server = stack.clickhouse()
    assert server is not None
    meter = Meter(worker, server)
    worker.suspend()
    for _ in range(times):
        stack.sender.send(records)
    with meter.running():
        worker.resume()
        stack.wait_counted()
    meter.tell(len(records) * times)
    return meter


@pytest.fixture
def backlog_stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path / "stack", settings={"TAGPULSE_KAFKA_SESSION_TIMEOUT_S": SLEEP_S})
    try:
        yield stack.start()
        stack.stop()
    finally:
        stack.abandon()


@pytest.mark.timeout(900)
def test_a_backlog_drains_in_bounded_memory(backlog_stack: Stack) -> None:
    events = Workload(seed=51, until=datetime.now(UTC), tags=100_000 if LONG else 5_000).events(DISTINCT)
    meter = drain(backlog_stack, [plain_record(event) for event in events], TIMES)
    assert meter.peak < MOST_BYTES
    backlog_stack.check()
