"""Compares a recount with what ClickHouse holds, key by key. Pure.

A SELECT of one table sees the parts of one moment, and a receipt lies in the part of the rows it vouches for. So
the receipts that were read together with the counts say exactly which claims these counts hold, on a
running system too: of each log, those up to `landed` of the month.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from sinks.claims import Claim, Log
from sinks.delta import receipt_window
from tagpulse.verify.recount import Tally
from tagpulse.verify.windows import Key, month_of

#: Distinct videos are a sketch (uniqCombined64(14)); it may be off by this much, or by one.
VIDEO_TOLERANCE = 0.03


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the receipts of a log in one month add up to, in one table."""

    records: int
    landed: int


@dataclass(slots=True)
class Found:
    """One table as it was at one moment. Receipts by (log, month)."""

    events: dict[Key, int] = field(default_factory=dict)
    videos: dict[Key, int] = field(default_factory=dict)
    receipts: dict[tuple[Log, int], Receipt] = field(default_factory=dict)

    def holds(self, claim: Claim, month: int) -> bool:
        """Whether the rows of `claim` in `month` are, or should be, in the table."""
        receipt = self.receipts.get((claim.log, month))
        return receipt is not None and claim.next <= receipt.landed


@dataclass(frozen=True, slots=True)
class Difference:
    """A key whose count is not the truth. `off` is what ClickHouse has too much; negative: too little."""

    key: Key
    truth: int
    found: int

    @property
    def off(self) -> int:
        return self.found - self.truth


@dataclass(slots=True)
class Comparison:
    """`exact` and `at_least` say how many keys were compared in which way."""

    exact: int = 0
    at_least: int = 0
    differences: list[Difference] = field(default_factory=list)
    sketches: list[Difference] = field(default_factory=list)
    """Keys whose distinct videos are off by more than the tolerance."""
    worst_sketch: float = 0.0


def compare(truth: Tally, found: Found, uncertain_months: frozenset[int]) -> Comparison:
    """Compare all keys. In `uncertain_months` ClickHouse may hold more than was recounted, but not less."""
    result = Comparison()
    months: dict[int, int] = {}
    for key in truth.events.keys() | found.events.keys():
        day = key.window // 86_400
        if day not in months:
            months[day] = month_of(key.window)
        exact = months[day] not in uncertain_months
        wanted, there = truth.events.get(key, 0), found.events.get(key, 0)
        result.exact += exact
        result.at_least += not exact
        if there < wanted or (exact and there > wanted):
            result.differences.append(Difference(key, wanted, there))
        _compare_videos(result, key, len(truth.videos.get(key, ())), found.videos.get(key, 0), exact)
    result.differences.sort(key=lambda d: (-abs(d.off), d.key))
    return result


def _compare_videos(result: Comparison, key: Key, wanted: int, there: int, exact: bool) -> None:
    error = abs(there - wanted) if exact else max(0, wanted - there)
    if error:
        result.worst_sketch = max(result.worst_sketch, error / max(1, wanted))
        if error > max(1, VIDEO_TOLERANCE * wanted):
            result.sketches.append(Difference(key, wanted, there))


@dataclass(frozen=True, slots=True)
class ReceiptFault:
    """A month of a log in which the receipts do not add up to the claims."""

    log: Log
    month: int
    claimed: int
    landed: int
    claims: tuple[Claim, ...]
    """Those that cover exactly as many records as are missing, or too many."""


#: A claim and a month in which it has rows: what one receipt vouches for.
Held = tuple[Claim, int]


def claimed_records(held: Iterable[Held]) -> Counter[tuple[Log, int]]:
    """What the receipts of `held` add up to, by log and month."""
    sums: Counter[tuple[Log, int]] = Counter()
    for claim, month in held:
        sums[claim.log, month] += claim.records
    return sums


def uncertain_months(found: Found, held: Iterable[Held], whole: frozenset[Log]) -> frozenset[int]:
    """Months in which the table has rows that no recounted claim accounts for.

    `whole` logs were recounted from their root: what their receipts say beyond that is an error, not the past.
    """
    claimed = claimed_records(held)
    return frozenset(
        month
        for (log, month), receipt in found.receipts.items()
        if log not in whole and receipt.records > claimed[log, month]
    )


def receipt_faults(found: Found, held: Iterable[Held], whole: frozenset[Log], since: int) -> list[ReceiptFault]:
    """Where the receipts of whole logs are not the sums of `held`, in months that end after `since` (unix seconds)."""
    by_place: defaultdict[tuple[Log, int], list[Claim]] = defaultdict(list)
    for claim, month in held:
        by_place[claim.log, month].append(claim)
    faults = []
    for place in sorted(by_place.keys() | found.receipts.keys(), key=str):
        log, month = place
        if log not in whole or receipt_window(month) < since:
            continue
        claims, receipt = by_place.get(place, []), found.receipts.get(place)
        claimed, landed = sum(c.records for c in claims), receipt.records if receipt else 0
        if claimed != landed:
            suspects = tuple(c for c in claims if c.records == abs(claimed - landed))
            faults.append(ReceiptFault(log, month, claimed, landed, suspects))
    return faults
