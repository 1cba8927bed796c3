"""The test of the test: the simulation finds what is wrong with a protocol that lacks one of its steps."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.simulation.faults import Plan
from tests.simulation.invariants import Violation
from tests.simulation.variants import BROKEN, Variant
from tests.simulation.world import simulate

_MAX_EXAMPLES = 400


@pytest.mark.parametrize("variant", BROKEN, ids=lambda variant: variant.name)
def test_a_broken_protocol_is_caught(variant: Variant) -> None:
    for seed in range(variant.first_seed, variant.first_seed + _MAX_EXAMPLES):
        plan = replace(Plan.of(seed, variant.needs, variant.intensity), dedup_records=variant.dedup_records)
        try:
            simulate(plan, variant)
        except Violation:
            simulate(plan)  # the protocol as it is keeps its promise where the broken one did not
            return
    pytest.fail(f"{variant.name}: nothing was found wrong in {_MAX_EXAMPLES} runs")
