"""A schedule of faults from a seed: the same seed, the same faults at the same points of progress."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Planned:
    """`fault` begins once `at_records` records were counted, and lasts for `seconds` (0: a blow)."""

    at_records: int
    fault: str
    seconds: float


def plan(
    seed: int, faults: Sequence[str], number: int, records: int, longest_s: float, after_records: int = 0
) -> list[Planned]:
    """So many faults, evenly spread at random over the first `records` records, in their order.

    Each name of `faults` comes about equally often, and at least once where `number` allows it. `longest_s` bounds
    how long one lasts. Raises ValueError where there is nothing to choose from.
    """
    if not faults or number < 1 or records < 1:
        raise ValueError(f"no plan of {number} out of {len(faults)} faults over {records} records")
    dice = random.Random(seed)  # noqa: S311 - reproducible, not secret
    names = [faults[i % len(faults)] for i in range(number)]
    dice.shuffle(names)
    points = sorted(after_records + dice.randrange(records) for _ in range(number))
    return [Planned(at, name, round(dice.uniform(0, longest_s), 2)) for at, name in zip(points, names, strict=True)]
