"""A backlog, and a flood of tags that nobody used before: memory stays bounded, and nothing is lost.

TAGPULSE_LONG_TESTS=1 makes the backlog 2,000,000 events; `-s` shows the figures.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from loadtest.events import Event, Workload
from tests.e2e.harness import Stack
from tests.e2e.ledger import Record, plain_record

pytestmark = pytest.mark.faults

LONG = os.environ.get("TAGPULSE_LONG_TESTS") == "1"
DISTINCT, TIMES = (400_000, 5) if LONG else (30_000, 10)
#: Outlasts the making of the backlog. (The embedded broker lets the first member of a group wait for half of it.)
SLEEP_S = "60" if LONG else "12"
MOST_BYTES = (600 if LONG else 320) * 1024 * 1024
MOST_BYTES_FLOOD = 280 * 1024 * 1024


class Meter:
    """Peak memory of a worker, and CPU seconds of it and of ClickHouse, while entered.

    Pages of mapped files are left out: how many of a library's pages are resident is the page cache's affair, and
    differs by tens of MiB between two installations of the same versions.
    """

    def __init__(self, stack: Stack) -> None:
        (self._worker,) = stack.workers()
        server = stack.clickhouse()
        assert server is not None
        self._server = server
        self.peak = self.server_peak = 0
        self._stop = threading.Event()

    @contextmanager
    def running(self) -> Iterator[Meter]:
        sampler = threading.Thread(target=self._sample, daemon=True)
        began, cpu = time.monotonic(), (_cpu_s(self._worker), _cpu_s(self._server))
        sampler.start()
        try:
            yield self
        finally:
            self._stop.set()
            sampler.join()
        self.seconds = time.monotonic() - began
        self.worker_cpu, self.server_cpu = _cpu_s(self._worker) - cpu[0], _cpu_s(self._server) - cpu[1]

    def tell(self, number: int) -> None:
        print(
            f"\n{number:,} events in {self.seconds:.1f} s ({number / self.seconds:,.0f}/s); worker: "
            f"{self.worker_cpu:.1f} CPU s, peak {self.peak >> 20} MiB; ClickHouse: {self.server_cpu:.1f} CPU s, "
            f"peak {self.server_peak >> 20} MiB"
        )

    def _sample(self) -> None:
        while not self._stop.wait(0.02):
            self.peak = max(self.peak, _own_bytes(self._worker))
            self.server_peak = max(self.server_peak, _own_bytes(self._server))


def _own_bytes(process: psutil.Process) -> int:
    memory = process.memory_info()
    return int(memory.rss - memory.shared)


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def drain(stack: Stack, records: list[Record], times: int) -> Meter:
    """Put a backlog in front of a sleeping worker and let it loose."""
    meter = Meter(stack)
    (worker,) = stack.workers()
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


@pytest.fixture
def narrow_stack(tmp_path: Path) -> Iterator[Stack]:
    narrow = {"TAGPULSE_MAX_DELTA_ROWS": "5000", "TAGPULSE_MAX_PENDING_ROWS": "60000"}
    stack = Stack(tmp_path / "stack", settings=narrow | {"TAGPULSE_KAFKA_SESSION_TIMEOUT_S": SLEEP_S})
    try:
        yield stack.start()
        stack.stop()
    finally:
        stack.abandon()


def test_a_flood_of_new_tags_keeps_memory_bounded(narrow_stack: Stack) -> None:
    records = [plain_record(flood(event, number)) for number, event in enumerate(base_events(6_000))]
    meter = drain(narrow_stack, records, 1)
    assert meter.peak < MOST_BYTES_FLOOD
    narrow_stack.check()
    largest = narrow_stack.rows("SELECT max(records) FROM claims")[0][0]
    assert largest < 6_000 / 3, "deltas are cut by their rows"


def base_events(number: int) -> Iterator[Event]:
    return Workload(seed=52, until=datetime.now(UTC)).events(number)


def flood(event: Event, number: int) -> Event:
    return event | {"hashtags": [f"only once {number} {n}" for n in range(30)]}
