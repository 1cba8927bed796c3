"""What the comparison shall come to. Declared here, measured by `tagpulse bench`, asserted nowhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

#: Suffixes of the names in Report.rates(): whose CPU is added to that of the contestant.
CLICKHOUSE, MERGES = "+clickhouse", "+merges"


@dataclass(frozen=True)
class Target:
    """`ours` gets at least `ratio` times the events per CPU second of `against` done. Names are those of rates."""

    ours: str
    against: str
    ratio: float


TARGETS: tuple[Target, ...] = (
    Target("tagpulse_memory", "faust_table", 450),
    Target("tagpulse_memory", "quix_windows", 150),
    Target("tagpulse_memory", "bytewax_windows", 70),
    Target("tagpulse_memory", "aiokafka_dict", 6),
    Target("tagpulse_memory", "aiokafka_ceiling", 0.7),
    Target("tagpulse_full" + CLICKHOUSE, "clickhouse_tables", 5),
    Target("tagpulse_full", "tagpulse_memory", 0.7),
)


class Verdict(NamedTuple):
    """What a target came to; `measured` is None where one of the two has no figures.

    `with_merges` counts ClickHouse's merges until idle on both sides; None where neither has any.
    """

    target: Target
    measured: float | None
    with_merges: float | None

    def met(self) -> bool | None:
        """None where it was not measured."""
        return None if self.measured is None else self.measured >= self.target.ratio

    def met_with_merges(self) -> bool | None:
        """None where there are no merges to count."""
        return None if self.with_merges is None else self.with_merges >= self.target.ratio


def judge(rates: Mapping[str, float], targets: Sequence[Target] = TARGETS) -> list[Verdict]:
    """`rates`: events per CPU second by name."""
    return [_verdict(rates, target) for target in targets]


def _verdict(rates: Mapping[str, float], target: Target) -> Verdict:
    if target.ours not in rates or target.against not in rates:
        return Verdict(target, None, None)
    sides = [target.ours, target.against]
    measured = rates[target.ours] / rates[target.against]
    # The worker alone has no merges: they are ClickHouse's.
    merging = [side + MERGES if side + MERGES in rates else side for side in sides]
    return Verdict(target, measured, None if merging == sides else rates[merging[0]] / rates[merging[1]])
