"""What a backfill of one log has to count, and what it cannot. Pure.

Claims are taken as a whole, from the oldest on. Where one of them cannot be counted again, all before it is given
up: an answer is exact from one moment on, so what lies before a hole is of no use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from sinks.claims import Claim
from streams.rules import Rules
from tagpulse.verify.chain import Chain
from tagpulse.verify.group import Group, Had


@dataclass(frozen=True, slots=True)
class Lost:
    """Offsets whose events were counted without the group and cannot be counted again.

    None of their events is later than `until_s` (unix seconds).
    """

    first: int
    next: int
    until_s: float
    why: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Offsets to cover by one claim of the backfill. `sources` are the claims in it to count again."""

    first: int
    next: int
    sources: tuple[Claim, ...]

    @property
    def records(self) -> int:
        return sum(source.records for source in self.sources)


@dataclass(frozen=True, slots=True)
class Plan:
    """`start`: where the chain of the backfill begins, if it has not begun."""

    start: int
    lost: Lost | None = None
    batches: Sequence[Batch] = field(default=())


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a log beside its claims.

    `begin` and `end`: what Kafka has of it; `tail`: the offset up to which it was backfilled, None: not begun;
    `otherwise`: the offset below which other hashtags were backfilled under the name; `forgotten_until_s`: the
    latest time of events in forgotten claims that were counted without the group, 0: there are none;
    `since_s`: nobody asks for times before that.
    """

    begin: int
    end: int
    tail: int | None = None
    otherwise: int = 0
    forgotten_until_s: float = 0.0
    since_s: float = 0.0


def plan(
    chain: Chain, group: Group, rules_of: Callable[[Claim], Rules], repeatable: Callable[[Rules], bool], known: Known,
    records: int,
) -> Plan:  # fmt: skip
    """What to do for the log of `chain`, in batches of some `records` records.

    `rules_of` reads the rules of a claim, also those that this build cannot repeat.
    """
    start = chain.root.next if chain.root else 0
    tail = start if known.tail is None else known.tail
    claims = [claim for claim in _done_in_order(chain) if claim.next > tail]
    lost: Lost | None = None
    if claims and claims[0].first > tail:
        why = "claims were forgotten (claims_kept_days), with their clock and rules"
        lost = Lost(tail, claims[0].first, known.forgotten_until_s, why)
    until_s = lost.until_s if lost else 0.0
    waiting: list[Claim] = []
    for claim in claims:
        rules = rules_of(claim)
        if claim.records and group.had(rules) is not Had.THESE:
            until_s = max(until_s, claim.clock + rules.max_future_s)
        if why := _hindrance(claim, rules, group, repeatable, known):
            lost, waiting = Lost(tail, claim.next, until_s, why), []
        else:
            waiting.append(claim)
    missing = [c for c in waiting if c.records and group.had(rules_of(c)) is Had.NOTHING]
    if not missing:
        return Plan(start, lost)
    first = lost.next if lost else tail
    return Plan(start, lost, list(_batches(waiting, {c.first for c in missing}, first, missing[-1].next, records)))


def _done_in_order(chain: Chain) -> Iterator[Claim]:
    for claim in chain.claims:
        if not claim.done:
            return
        yield claim


def _hindrance(claim: Claim, rules: Rules, group: Group, repeatable: Callable[[Rules], bool], known: Known) -> str:
    """Why `claim` was counted without the group and cannot be counted again; "" where it can, or need not."""
    had = group.had(rules)
    if not claim.records or had is Had.THESE:
        return ""
    if claim.clock + rules.max_future_s < known.since_s:
        return "nobody asked for so old events (--since)"
    if had is Had.OTHERS or claim.first < known.otherwise:
        return f"other hashtags were counted as @{group.name} there: for exact counts give these a name of their own"
    if claim.first < known.begin:
        return f"the log begins at {known.begin}: its retention removed older records"
    if claim.next > known.end:
        return f"the log ends at {known.end}: it is not the log that was claimed"
    if rules.dedup_records:
        return "duplicates were left out there (dedup_records), which a backfill cannot tell"
    return "" if repeatable(rules) else f"this build cannot repeat rules {claim.rules}"


def _batches(claims: Sequence[Claim], missing: set[int], first: int, end: int, records: int) -> Iterator[Batch]:
    sources: list[Claim] = []
    held = 0
    for claim in claims:
        if claim.first >= end:
            break
        if claim.first in missing:
            sources.append(claim)
            held += claim.records
        if held >= records or claim.next == end:
            yield Batch(first, claim.next, tuple(sources))
            first, sources, held = claim.next, [], 0
