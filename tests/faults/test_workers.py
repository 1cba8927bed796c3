"""Workers that die, come, go, and wake up too late: every key still equals the truth."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from loadtest.events import Workload
from tests.e2e.harness import Stack
from tests.e2e.ledger import Record, plain_record
from tests.faults.conftest import StartStack

pytestmark = pytest.mark.faults

_FAUST = Path(sys.executable).parent / "faust"
_TAGPULSE = Path(sys.executable).parent / "tagpulse"


def records(seed: int, number: int = 5_000) -> list[Record]:
    return [plain_record(event) for event in Workload(seed=seed, until=datetime.now(UTC)).events(number)]


def test_killed_workers_are_replaced(start_stack: StartStack) -> None:
    """One of two, then both at once, at random moments."""
    stack = start_stack(workers=2)
    dice = random.Random(21)
    with stack.sender.flow(records(21), per_second=2_000):
        for number in (1, 2, 1, 2):
            kill_after_progress(stack, number, dice.uniform(0, 0.6))
    stack.check()
    stack.stop()


def kill_after_progress(stack: Stack, number: int, after_s: float) -> None:
    """Once counting goes on, wait a moment and SIGKILL so many workers."""
    before = stack.counted() or 0
    stack.wait_for(lambda: (stack.counted() or 0) > before, "counting goes on")
    time.sleep(after_s)
    for worker in stack.workers()[:number]:
        worker.kill()


def test_workers_come_and_go(start_stack: StartStack) -> None:
    stack = start_stack(workers=1)
    with stack.sender.flow(records(23), per_second=2_000):
        commands = {
            "by-hand-1": [str(_TAGPULSE), "worker"],
            "by-hand-2": [str(_FAUST), "-A", "streams.app", "worker", "-l", "info"],
        }
        started = {name: by_hand(stack, name, command) for name, command in commands.items()}
        for name, worker in started.items():
            stack.wait_for(lambda n=name: shown_in_claims(stack, n), f"{name} has counted something")  # type: ignore[misc]
            assert worker.poll() is None
        for worker in started.values():
            end(stack, worker)
        before = stack.counted() or 0
        stack.wait_for(lambda: (stack.counted() or 0) > before + 5_000, "the first worker goes on alone")
    stack.check()
    stack.stop()


def by_hand(stack: Stack, name: str, command: Sequence[str]) -> subprocess.Popen[bytes]:
    with (stack.folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            command, cwd=stack.folder, env=stack.worker_environment(name), stdout=log, stderr=subprocess.STDOUT
        )


def end(stack: Stack, worker: subprocess.Popen[bytes]) -> None:
    worker.terminate()
    stack.wait_for(lambda: worker.poll() is not None, "a worker ends on SIGTERM")
    assert worker.returncode == 0, stack.state()


def shown_in_claims(stack: Stack, name: str) -> bool:
    return bool(stack.rows(f"SELECT count() FROM claims WHERE worker = '{name}' AND done AND first < next")[0][0])


def test_a_worker_that_wakes_up_too_late(start_stack: StartStack) -> None:
    """Frozen beyond its session: the other takes over all; what the sleeper had in hand is refused or dropped."""
    stack = start_stack(workers=2, settings={"TAGPULSE_KAFKA_SESSION_TIMEOUT_S": "4"})
    with stack.sender.flow(records(24), per_second=2_000):
        for index in (0, 1):
            stack.wait_for(lambda: counting_now(stack) == {"worker-0", "worker-1"}, "both count")
            sleeper = worker_named(stack, f"worker-{index}")
            sleeper.suspend()
            stack.wait_for(lambda i=index: counting_now(stack) == {f"worker-{1 - i}"}, "the other counts all")  # type: ignore[misc]
            sleeper.resume()
    stack.check()
    stack.stop()


def counting_now(stack: Stack) -> set[str]:
    """Who made the last claim, and saw it done, in each of the twelve partitions, in the last 3 seconds."""
    rows = stack.rows(
        "SELECT argMax(worker, first), max(claimed_at) > now() - 3 FROM claims WHERE done AND first < next"
        " GROUP BY topic, partition"
    )
    if len(rows) < 12 or not all(recent for _, recent in rows):
        return set()
    return {name for name, _ in rows}


def worker_named(stack: Stack, name: str) -> psutil.Process:
    return next(p for p in stack.workers() if p.environ()["TAGPULSE_WORKER_NAME"] == name)


def test_a_worker_is_replaced_when_nothing_arrives(start_stack: StartStack) -> None:
    """Its successor finds the log's end where the claims say it is, and the next records are counted."""
    stack = start_stack(workers=1)
    stack.sender.send(records(25, 3_000))
    stack.check()
    (worker,) = stack.workers()
    worker.kill()
    stack.wait_for(lambda: took_over_again(stack), "another worker has taken over")
    stack.sender.send(records(26, 1_000))
    stack.check()
    stack.stop()


def took_over_again(stack: Stack) -> bool:
    messages = stack.messages.read_text().splitlines()
    return messages[-1] == "worker-0: ready" and "worker-0: died, ended by SIGKILL" in messages
