"""Millions of events, drained while one fault after another happens: only with FAULTS_REPEATS, for its time.

Scenarios aim one fault at one step among some thousand events. Here deltas have their usual size, and faults come at
random moments. Compared is what load tests compare: every key by minute, the sums of hours and days, rejects by reason.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict

import pytest

from loadtest.load.run import run
from loadtest.load.servers import Local
from loadtest.load.workload import FaultKind, Workload, load
from tagpulse.stack.broker import BrokerKind
from tests.brokers import on_both_brokers
from tests.faults.reporting import RESULT
from tests.faults.run import FLOOD, Result
from tests.faults.test_scenarios import REPEATS

EVENTS, FLOODS = 4_000_000, 3
_FIRST_S, _APART_S = 2.0, 9.0
_LENGTHS = {FaultKind.CUT_CLICKHOUSE: 4.0, FaultKind.CUT_KAFKA: 3.0, FaultKind.PAUSE_WORKER: 12.0}

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(not REPEATS, reason="floods take an hour: make test-faults-long"),
]


def flood(seed: int) -> Workload:
    """A full log and two workers; every fault once, in an order and at moments that the seed gives."""
    dice = random.Random(seed)
    kinds = [FaultKind.KILL_WORKER, FaultKind.KILL_CLICKHOUSE, *_LENGTHS]
    dice.shuffle(kinds)
    faults = [
        {"at_s": _FIRST_S + number * _APART_S + dice.uniform(0, 2), "fault": kind, "seconds": _LENGTHS.get(kind, 1.0)}
        for number, kind in enumerate(kinds)
    ]
    seconds = _FIRST_S + (len(kinds) + 1) * _APART_S
    return load("failures").changed(
        {
            "seed": seed, "backlog": EVENTS, "steps": [{"seconds": seconds, "rate": 1_000}], "faults": faults,
            "poison": 0.001, "drain_s": 900.0,
        }
    )  # fmt: skip


@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("seed", range(FLOODS))
@on_both_brokers
def test_nothing_of_a_flood_is_lost_or_doubled(
    seed: int, broker_kind: str, record_property: Callable[[str, object], None]
) -> None:
    workload, began = flood(seed), time.monotonic()
    document = asyncio.run(run(workload, Local(broker=BrokerKind(broker_kind))))
    verdict, sent = document["verdict"], document["sent"]["events"]
    done = Counter(fault["fault"] for fault in document["faults"])
    lost, doubled = verdict["missing"], verdict["doubled"] + verdict["extra"]
    assert sent >= EVENTS
    assert document["drained_s"] is not None
    assert set(done) == {fault.fault.value for fault in workload.faults}
    counts = (sent, dict(done), verdict["right"], lost, doubled)
    record_property(RESULT, asdict(Result(FLOOD, broker_kind, seed, *counts, time.monotonic() - began)))
    assert verdict["right"], verdict
