"""A worker that stands still ends, whatever made it so, and says why."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.app import EXIT_FATAL
from tests.e2e.harness import Stack
from tests.faults import stuck_worker

pytestmark = pytest.mark.faults

_DEADLINE_S = 120


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path / "stack")
    try:
        yield stack.start()
        stack.stop()
    finally:
        stack.abandon()


def test_a_worker_that_stands_still_ends(stack: Stack) -> None:
    wanted = {
        "group": "GroupAuthorizationFailedError",
        "fetch": "Fetcher._fetch_requests_routine has ended",
        "takeover": "could not be taken over within 2 s",
        "loop": "its event loop has stood for",
    }
    workers = {fault: start(stack, fault) for fault in wanted}
    for fault, worker in workers.items():
        with worker:
            _, log = worker.communicate(timeout=_DEADLINE_S)
        assert worker.returncode == EXIT_FATAL, f"{fault}: {worker.returncode}\n{log[-4000:]}"
        assert wanted[fault] in log, f"{fault}: {log[-4000:]}"


def start(stack: Stack, fault: str) -> subprocess.Popen[str]:
    """A worker in a group of its own, with `fault`."""
    return subprocess.Popen(
        [sys.executable, str(stuck_worker.__file__), fault],
        env=stack.worker_environment(fault, TAGPULSE_WATCHDOG_S="15", TAGPULSE_KAFKA_GROUP=f"stuck-{fault}"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
