"""What can go wrong in a run, and the dice that decide when."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

T = TypeVar("T")


class Fault(StrEnum):
    """One kind of trouble."""

    CRASH = "a worker is killed"
    PAUSE = "a worker stands still, beyond its session or not, and wakes up"
    STALL = "one thread of a worker stands still while its loop goes on"
    CUT_OFF = "a worker cannot reach Kafka, but ClickHouse"
    REBALANCE = "the group hands out its partitions anew"
    WIPE = "Kafka's committed offsets are lost"
    REFUSED = "a request is refused"
    ANSWER_LOST = "an answer is lost"
    LATE = "a request is given up by the client and executed later"
    DUPLICATED = "a request is executed twice, the second time later"
    AWAY = "ClickHouse is killed or away for some seconds"
    LOST_ROWS = "ClickHouse keeps a token and loses the rows of that part"
    SLOW = "a request stands still between two of its steps"
    VIEW_FAILS = "an insert fails half-way through its views and months"
    FORGET = "ClickHouse forgets tokens as soon as the sizing rule lets it"
    RULES = "workers have different rules of counting"
    RESTORE = "ClickHouse is restored from a backup"
    RECREATE = "topics are deleted and made again"


@dataclass(frozen=True)
class Plan:
    """One run: everything that happens in it follows from these values."""

    seed: int
    faults: frozenset[Fault]
    workers: int = 2
    partitions: int = 1
    records: int = 5
    """Offsets written to each partition at a time, gaps included."""

    intensity: float = 1.0
    """How often faults happen, as a multiple of the usual."""
    dedup_records: int = 0
    """Events repeat ids, and workers leave out the duplicates within so many offsets; strict ones within half."""

    @classmethod
    def of(cls, seed: int, only: frozenset[Fault] | None = None, intensity: float = 1.0) -> Plan:
        """A plan drawn from `seed`, with `only` these faults, or some of all."""
        draw = random.Random(seed)
        some = frozenset(fault for fault in Fault if draw.random() < 0.4)
        faults = some if only is None else only
        return cls(seed, faults, draw.randint(1, 3), draw.randint(1, 2), draw.randint(2, 7), intensity)


class Dice:
    """Every decision of a run, from its seed. Nothing goes wrong once the run is `calm`."""

    def __init__(self, plan: Plan) -> None:
        self._random = random.Random(plan.seed)
        self._faults, self._intensity = plan.faults, plan.intensity
        self.calm = False

    def strikes(self, fault: Fault, chance: float) -> bool:
        """Whether `fault` happens here."""
        return fault in self._faults and not self.calm and self._random.random() < chance * self._intensity

    def chance(self, probability: float) -> bool:
        """True in so many of all cases."""
        return self._random.random() < probability

    def between(self, low: float, high: float) -> float:
        """A number in [low, high)."""
        return self._random.uniform(low, high)

    def number(self, low: int, high: int) -> int:
        """A whole number from low to high."""
        return self._random.randint(low, high)

    def one_of(self, choices: Sequence[T]) -> T:
        """Any of them."""
        return choices[int(self._random.random() * len(choices))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """All of them, in any order."""
        return self._random.sample(items, len(items))
