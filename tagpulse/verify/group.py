"""The recount of a backfill: one group of hashtags, over claims that were counted without it. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

import msgspec

from schemas.topics import EventType
from sinks.claims import Claim
from streams.judge import Fault, Reading, judge
from streams.rules import Rules
from tagpulse.verify.chain import Chain
from tagpulse.verify.recount import Recount, tags_of


class Had(Enum):
    """What a claim counted under the name of a group."""

    NOTHING = auto()
    THESE = auto()
    """The group with these very hashtags."""
    OTHERS = auto()


@dataclass(frozen=True, slots=True)
class Group:
    """A group of hashtags: its name without @, and their normal forms, sorted."""

    name: str
    hashtags: tuple[str, ...]

    def had(self, rules: Rules) -> Had:
        """What claims by `rules` counted as this group."""
        tags = rules.tag_groups.get(self.name)
        return Had.NOTHING if tags is None else Had.THESE if tuple(sorted(tags)) == self.hashtags else Had.OTHERS

    def alone(self, rules: Rules) -> Rules:
        """`rules` with this group and no other."""
        return msgspec.structs.replace(rules, tag_groups={self.name: self.hashtags})


class GroupRecount(Recount):
    """The recount of a claim of a backfill. `sources` are what it counts again, each with its rules, in order.

    Records of other claims in its range were counted with the group: they are passed over.
    """

    def __init__(
        self, claim: Claim, event_type: EventType, group: Group, sources: Sequence[tuple[Claim, Rules]]
    ) -> None:
        super().__init__(claim, event_type, Rules())
        self._tag = f"@{group.name}"
        self._rest = [(source, group.alone(rules)) for source, rules in reversed(sources)]
        self._of_source = 0
        self._why = ""

    def ranges(self) -> list[tuple[int, int]]:
        """The offsets to read, as few ranges as there can be."""
        found: list[tuple[int, int]] = []
        for source, _ in reversed(self._rest):
            if found and found[-1][1] == source.first:
                found[-1] = (found[-1][0], source.next)
            else:
                found.append((source.first, source.next))
        return found

    def add(self, offset: int, value: bytes | None) -> None:
        """Count one record."""
        while self._rest and offset >= self._rest[-1][0].next:
            self._end_source()
        if not self._rest or offset < self._rest[-1][0].first:
            return
        source, self.rules = self._rest[-1]
        self.records += 1
        self._of_source += 1
        self.last_offset, self.last_checksum = offset, zlib.crc32(value or b"")
        verdict = judge(self._event_type, self.rules, value, source.clock)
        # Why a record cannot be counted, its own claim has said.
        if not isinstance(verdict, Fault):
            self._count(verdict)

    def other_log(self) -> str:
        """Why the log no longer holds the records that the sources counted; "" where it does."""
        while self._rest:
            self._end_source()
        return self._why or super().other_log()

    def _count(self, reading: Reading) -> None:
        if self._tag in tags_of(reading.hashtags, self.rules):
            self.count_as(self._tag, reading)

    def _end_source(self) -> None:
        source, _ = self._rest.pop()
        found = (self._of_source, self.last_offset, self.last_checksum)
        if source.records and found != (source.records, source.last_offset, source.last_checksum):
            self._why = self._why or f"the records of {source.token} are not those that were claimed"
        self._of_source = 0


def sources_of(
    claim: Claim, chain: Chain | None, group: Group, rules_of: Callable[[Claim], Rules | None]
) -> list[tuple[Claim, Rules]] | str:
    """The claims of `chain`, with their rules, that the claim of a backfill counts again; or why that is not known."""
    within = [c for c in chain.claims if claim.first <= c.first and c.next <= claim.next] if chain else []
    ends = [claim.first, *(c.next for c in within)]
    if not within or [c.first for c in within] != ends[:-1] or ends[-1] != claim.next:
        return "the claims it counted again were forgotten (claims_kept_days)"
    found = []
    for source in within:
        rules = rules_of(source)
        if rules is None:
            return f"this build cannot repeat rules {source.rules}"
        if group.had(rules) is Had.NOTHING and source.records:
            found.append((source, rules))
    return found
