"""Workers that die, come, go, and wake up too late, as Apache Kafka's groups see it: every key equals the truth."""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.e2e.harness import Stack
from tests.kafka import by_hand
from tests.kafka.claims import wait_for_more
from tests.kafka.conftest import Shown
from tests.kafka.sample import records

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

_FAUST = str(Path(sys.executable).parent / "faust")


def test_workers_die_come_and_go(busy: Stack, shown: Shown) -> None:
    stack = busy
    dice = random.Random(81)
    with shown(stack) as faults, stack.sender.flow(records(81), per_second=1_500):
        for number in (1, 2):
            wait_for_more(stack)
            time.sleep(dice.uniform(0, 0.6))
            for worker in stack.workers()[:number]:
                worker.kill()
            faults["SIGKILL of workers"] += 1
        guest = by_hand.start(stack, "guest", [_FAUST, "-A", "streams.app", "worker", "-l", "info"])
        stack.wait_for(lambda: "guest" in last_to_count(stack), "the guest counts")
        by_hand.end(stack, guest)
        faults["a worker joins and leaves"] += 1
        wait_for_more(stack)


def test_a_worker_that_wakes_up_too_late(busy: Stack, shown: Shown) -> None:
    """Frozen beyond its session: the other takes over all; what the sleeper had in hand is refused or dropped."""
    stack = busy
    with shown(stack) as faults, stack.sender.flow(records(82), per_second=1_500):
        wait_for_more(stack)
        stack.wait_for(lambda: last_to_count(stack) == {"worker-0", "worker-1"}, "both count")
        sleeper = worker_named(stack, "worker-0")
        sleeper.suspend()
        stack.wait_for(lambda: last_to_count(stack) == {"worker-1"}, "the other counts all")
        sleeper.resume()
        faults["SIGSTOP of a worker, SIGCONT"] += 1
        wait_for_more(stack)


def last_to_count(stack: Stack) -> set[str]:
    """Who finished the last claim with records of each partition that the flow goes to."""
    rows = stack.rows(
        "SELECT argMax(worker, first) FROM claims WHERE done AND records > 0 AND partition < 4"
        " GROUP BY topic, partition"
    )
    return {name for (name,) in rows}


def worker_named(stack: Stack, name: str) -> psutil.Process:
    return next(p for p in stack.workers() if p.environ()["TAGPULSE_WORKER_NAME"] == name)
