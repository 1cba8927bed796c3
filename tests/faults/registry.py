"""Scenarios: each is one kind of fault, done to a real stack again and again while events flow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tagpulse.stack.broker import BrokerKind
from tests.e2e.ledger import Record
from tests.faults.rig import SUPERVISED, Setup

if TYPE_CHECKING:
    from tests.faults.run import Run

Body = Callable[["Run"], None]
#: Makes the records of a flow from a seed.
Records = Callable[[int], Sequence[Record]]


@dataclass(frozen=True)
class Scenario:
    """`body` injects faults into a run, round by round. The runner sends, waits and compares."""

    name: str
    happens: str
    """What is done to the stack, in words."""
    promise: str
    """What must come of it, beside that every count equals the truth."""
    body: Body
    setup: Setup
    rounds: int
    per_second: int
    """Events sent each second while it runs; 0: it sends by itself."""
    short_on: BrokerKind
    """Where it runs with all other tests, in a short form."""
    records: Records | None
    """None: the usual events."""
    brokers: Sequence[BrokerKind]
    """Those that can do it."""

    @property
    def source(self) -> str:
        """The function that does it, as `path::name`."""
        return f"{self.body.__module__.replace('.', '/')}.py::{self.body.__qualname__.partition('.')[0]}"


SCENARIOS: dict[str, Scenario] = {}


def scenario(
    happens: str,
    promise: str,
    *,
    name: str = "",
    rounds: int = 1,
    per_second: int = 1_000,
    short_on: BrokerKind | None = None,
    setup: Setup = SUPERVISED,
    records: Records | None = None,
    brokers: Sequence[BrokerKind] = tuple(BrokerKind),
) -> Callable[[Body], Body]:
    """Register a body under its own name (`name` where several share a body).

    `short_on`: None leaves it to the order of scenarios, in which brokers take turns.
    """

    def register(body: Body) -> Body:
        slug = name or body.__name__.replace("_", "-")
        assert slug not in SCENARIOS, f"two scenarios are called {slug}"
        where = short_on or brokers[len(SCENARIOS) % len(brokers)]
        SCENARIOS[slug] = Scenario(slug, happens, promise, body, setup, rounds, per_second, where, records, brokers)
        return body

    return register
