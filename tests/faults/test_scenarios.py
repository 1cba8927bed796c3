"""Every scenario on a real stack: each key of each table equals the truth, nothing is lost or doubled.

FAULTS_REPEATS=N runs each N times on both brokers, each time with other seeds; without it a short form runs on one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import asdict

import pytest

from tagpulse.stack.broker import BrokerKind
from tests.faults.registry import Scenario
from tests.faults.reporting import RESULT
from tests.faults.rig import Rig, Setup
from tests.faults.run import execute
from tests.faults.scenarios import SCENARIOS
from tests.faults.table import PAGE, published, rendered

pytestmark = pytest.mark.faults

REPEATS = int(os.environ.get("FAULTS_REPEATS", "0"))


class Rigs:
    """The rig of the moment. Scenarios of one setup and broker share one, until one of them fails on it."""

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        self._folders = folders
        self._rig: Rig | None = None

    def get(self, setup: Setup, broker: BrokerKind) -> Rig:
        rig = self._rig
        if rig is not None and ((rig.setup, rig.broker) != (setup, broker) or rig.stack.suspect):
            self.end()
        if self._rig is None:
            self._rig = Rig(self._folders.mktemp("rig"), setup, broker)
            self._rig.start()
        return self._rig

    def end(self) -> None:
        rig, self._rig = self._rig, None
        if rig is not None:
            try:
                if not rig.stack.suspect:
                    if REPEATS:
                        rig.verify()
                    rig.stop()
            finally:
                rig.abandon()


@pytest.fixture(scope="module")
def rigs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rigs]:
    rigs = Rigs(tmp_path_factory)
    yield rigs
    rigs.end()


def cases() -> list[object]:
    """Broker, scenario and number of its repetition; those that share a rig follow each other."""
    in_order = sorted(SCENARIOS.values(), key=lambda s: s.setup.name)
    return [
        pytest.param(broker.value, scenario, repeat, id=f"{broker.value}-{scenario.name}-{repeat}")
        for repeat in range(REPEATS or 1)
        for broker in BrokerKind
        for scenario in in_order
        if broker in (scenario.brokers if REPEATS else [scenario.short_on])
    ]


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("broker_kind", "scenario", "repeat"), cases(), indirect=["broker_kind"])
def test_nothing_is_lost_or_doubled(
    rigs: Rigs, broker_kind: str, scenario: Scenario, repeat: int, record_property: Callable[[str, object], None]
) -> None:
    rig = rigs.get(scenario.setup, BrokerKind(broker_kind))
    try:
        note = lambda result: record_property(RESULT, asdict(result))  # noqa: E731
        execute(scenario, repeat, rig, note, short=not REPEATS)
    except BaseException:
        rig.stack.spoil()
        raise


def test_the_protocol_lists_every_scenario() -> None:
    assert published(PAGE.read_text()) == rendered(), "run python -m tests.faults.table"
