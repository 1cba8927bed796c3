"""Finds the claims whose rows explain the differences. Pure.

What lands or is lost as one is a **part**: the rows of a claim in one month, in one table. A part explains
differences where each of its keys is off by at least what the part counts there, all in one direction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from sinks.claims import Claim
from tagpulse.verify.windows import Key

_NAMED_CARRIERS = 3


class Kind(StrEnum):
    """What became of counts. The value is what people see."""

    MISSING = "missing"
    """ClickHouse has less than the log."""
    DOUBLED = "doubled"
    """ClickHouse has the rows of a batch once more."""
    EXTRA = "extra"
    """ClickHouse has more, and no batch as a whole explains it."""


@dataclass(frozen=True, slots=True)
class Part:
    """What a claim counts in one month, at the grain of the table.

    `whole`: `events` has all keys that are compared; else only those that differ, because others do not.
    """

    claim: Claim
    month: int
    events: Mapping[Key, int]
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Suspect:
    """A part that is missing or doubled as a whole. `others` count the same, so it may as well be one of them."""

    kind: Kind
    part: Part
    others: tuple[Part, ...] = ()


@dataclass(slots=True)
class Verdict:
    """`kinds` and `claims` for every key that differs: what happened, and the claims to look at."""

    suspects: list[Suspect] = field(default_factory=list)
    kinds: dict[Key, Kind] = field(default_factory=dict)
    claims: dict[Key, list[Claim]] = field(default_factory=dict)
    explained: set[Key] = field(default_factory=set)
    """Keys whose whole difference is explained by suspects, or by one claim alone."""


def blame(off: Mapping[Key, int], parts: Sequence[Part], agreeing: Iterable[tuple[Claim, int]] = ()) -> Verdict:
    """Explain `off` (key -> found minus truth, none 0) by `parts`.

    `agreeing` are parts (claim, month) whose receipts are off by just this claim: they go first among equals.
    """
    verdict = Verdict()
    rest = dict(off)
    favoured = {(claim.token, month) for claim, month in agreeing}
    waiting = [part for part in parts if part.events and _fits(part, rest)]
    while waiting:
        waiting.sort(key=lambda p: (_exact(p, rest), (p.claim.token, p.month) in favoured, len(p.events)), reverse=True)
        progress = False
        for part in waiting:
            if _fits(part, rest) and _exact(part, rest):
                others = tuple(p for p in waiting if p is not part and p.events == part.events)
                _take(verdict, part, others, rest)
                progress = True
        waiting = [part for part in waiting if progress and _fits(part, rest)]
    _explain_single_keys(verdict, rest, parts)
    return verdict


def _fits(part: Part, rest: Mapping[Key, int]) -> bool:
    """Whether each key of the part is off by at least what the part counts there, all in one direction."""
    if not part.whole:
        return False
    sign = 0
    for key, number in part.events.items():
        off = rest.get(key, 0)
        if abs(off) < number or sign * off < 0 or off == 0:
            return False
        sign = off
    return True


def _exact(part: Part, rest: Mapping[Key, int]) -> int:
    return sum(abs(rest.get(key, 0)) == number for key, number in part.events.items())


def _take(verdict: Verdict, part: Part, others: tuple[Part, ...], rest: dict[Key, int]) -> None:
    kind = Kind.MISSING if rest[next(iter(part.events))] < 0 else Kind.DOUBLED
    verdict.suspects.append(Suspect(kind, part, others))
    for key, number in part.events.items():
        verdict.kinds[key] = kind
        verdict.claims.setdefault(key, []).append(part.claim)
        rest[key] += number if kind is Kind.MISSING else -number
        if not rest[key]:
            del rest[key]
            verdict.explained.add(key)


def _explain_single_keys(verdict: Verdict, rest: Mapping[Key, int], parts: Sequence[Part]) -> None:
    """For what is left: claims that count the key as often as it is off, else those that count it at all."""
    carriers: defaultdict[Key, list[tuple[Claim, int]]] = defaultdict(list)
    for part in parts:
        for key in part.events.keys() & rest.keys():
            carriers[key].append((part.claim, part.events[key]))
    for key, off in rest.items():
        exact = [claim for claim, number in carriers[key] if number == abs(off)]
        verdict.kinds[key] = Kind.MISSING if off < 0 else Kind.EXTRA
        verdict.claims[key] = (exact or [claim for claim, _ in carriers[key]])[:_NAMED_CARRIERS]
        if len(exact) == 1:
            verdict.explained.add(key)
