"""The protocol under random interleavings and faults: every record is counted exactly once."""

from __future__ import annotations

import os
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.simulation.faults import Fault, Plan
from tests.simulation.world import simulate

EXAMPLES = int(os.environ.get("SIMULATION_EXAMPLES", "150"))

plans = st.builds(
    Plan,
    seed=st.integers(0, 2**32 - 1),
    faults=st.frozensets(st.sampled_from(Fault)),
    workers=st.integers(1, 3),
    partitions=st.integers(1, 2),
    records=st.integers(1, 7),
)


@settings(
    max_examples=EXAMPLES,
    derandomize=EXAMPLES <= 150,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
@given(plan=plans)
def test_every_record_is_counted_exactly_once(plan: Plan) -> None:
    simulate(plan)


@settings(
    max_examples=EXAMPLES // 3,
    derandomize=EXAMPLES <= 150,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
@given(plan=plans, dedup_records=st.integers(1, 12))
def test_an_event_that_was_sent_twice_is_counted_once(plan: Plan, dedup_records: int) -> None:
    simulate(replace(plan, dedup_records=dedup_records))


def test_a_plan_always_takes_the_same_course() -> None:
    plan = Plan(7, frozenset(Fault), workers=3, partitions=2)
    assert simulate(plan) == simulate(plan)
