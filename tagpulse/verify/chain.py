"""The claims of a log as one chain: what is counted, what is open, where the chain is broken. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sinks.claims import Claim, Log


@dataclass(slots=True)
class Chain:
    """`claims` in order, each once, without the root; `root` is None where old claims were forgotten."""

    log: Log
    root: Claim | None = None
    claims: list[Claim] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def done(self) -> list[Claim]:
        return [claim for claim in self.claims if claim.done]

    @property
    def open(self) -> list[Claim]:
        return [claim for claim in self.claims if not claim.done]

    @property
    def tail(self) -> int:
        """The offset up to which all is counted."""
        done = self.done
        return done[-1].next if done else self.root.next if self.root else 0


def chains(rows: Iterable[Claim]) -> dict[Log, Chain]:
    """Chains from rows of the table `claims`, in any order."""
    by_log: defaultdict[Log, list[Claim]] = defaultdict(list)
    for row in rows:
        by_log[row.log].append(row)
    return {log: _chain(log, by_log[log]) for log in sorted(by_log, key=str)}


def _chain(log: Log, rows: Sequence[Claim]) -> Chain:
    chain = Chain(log)
    by_range: defaultdict[tuple[int, int], list[Claim]] = defaultdict(list)
    for row in rows:
        by_range[row.first, row.next].append(row)
    end: int | None = None
    for first, next_ in sorted(by_range):
        same = by_range[first, next_]
        place = f"{log} [{first}, {next_})"
        if first == next_ and end is None:
            chain.root, end = same[0], first
            continue
        if end is not None and first != end:
            chain.faults.append(f"{place} {'leaves a hole after' if first > end else 'overlaps what ends at'} {end}")
        if chain.claims and not chain.claims[-1].done:
            chain.faults.append(f"{place} follows a claim that is not done")
        opened, closed = [c for c in same if not c.done], [c for c in same if c.done]
        if len({c.claim_id for c in same}) > 1 or len(opened) > 1 or len(closed) > 1:
            chain.faults.append(f"{place} was claimed more than once")
        if not opened:
            chain.faults.append(f"{place} is done and was never claimed")
        chain.claims.append(closed[0] if closed else opened[0])
        end = max(next_, end or 0)
    return chain
