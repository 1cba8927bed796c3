"""Counts the records of a claim again: the careful reading of each record, and plain dicts. Pure.

Nothing of `streams.decoding`, `streams.counting` or `streams.kernel` is used, so a fault there cannot hide here.
"""

from __future__ import annotations

import zlib
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from schemas.rejects import RejectReason
from schemas.tags import bounded_form
from schemas.topics import EventType
from sinks.analytics import Grain
from sinks.claims import Claim
from streams.judge import Fault, Reading, event_id_of, judge
from streams.rules import Rules
from tagpulse.verify.sightings import Sightings
from tagpulse.verify.windows import Key, Span, floor, month_of


@dataclass(frozen=True, slots=True)
class Rejected:
    """Why a record must stand in `rejected_events`."""

    reason: str
    field: str


@dataclass(slots=True)
class Tally:
    """What some records count for: events, and for sticker uses the distinct videos, by key at the grain minute."""

    events: Counter[Key] = field(default_factory=Counter)
    videos: defaultdict[Key, set[int]] = field(default_factory=lambda: defaultdict(set))

    def add(self, other: Tally, span: Span) -> None:
        """Add what lies in `span`."""
        for key, number in other.events.items():
            if key.window in span:
                self.events[key] += number
        for key, ids in other.videos.items():
            if key.window in span:
                self.videos[key] |= ids

    def at(self, grain: Grain, span: Span) -> Tally:
        """The same by windows of `grain`, those in `span` only."""
        coarse = Tally()
        for key, number in self.events.items():
            if (window := floor(key.window, grain)) in span:
                coarse.events[key._replace(window=window)] += number
        for key, ids in self.videos.items():
            if (window := floor(key.window, grain)) in span:
                coarse.videos[key._replace(window=window)] |= ids
        return coarse

    def by_month(self) -> dict[int, Tally]:
        """Its parts by month (YYYYMM): what may land, or be lost, apart."""
        parts: defaultdict[int, Tally] = defaultdict(Tally)
        months: dict[int, int] = {}
        for key, number in self.events.items():
            day = key.window // 86_400
            if day not in months:
                months[day] = month_of(key.window)
            part = parts[months[day]]
            part.events[key] = number
            if key in self.videos:
                part.videos[key] = self.videos[key]
        return dict(parts)


class Recount:
    """The recount of one claim, growing record by record."""

    def __init__(self, claim: Claim, event_type: EventType, rules: Rules) -> None:
        self.claim = claim
        self.tally = Tally()
        self.rejects: dict[int, Rejected] = {}
        """Offset -> reason, of the records that cannot be counted."""
        self.records = 0
        self.last_offset = -1
        self.last_checksum = 0
        self._event_type = event_type
        self.rules = rules
        self.sightings: Sightings | None = None
        """Of the records before it in its log, where duplicates are to be found."""

    def add(self, offset: int, value: bytes | None) -> None:
        """Count one record."""
        self.records += 1
        self.last_offset, self.last_checksum = offset, zlib.crc32(value or b"")
        verdict = judge(self._event_type, self.rules, value, self.claim.clock)
        if isinstance(verdict, Fault):
            self.rejects[offset] = Rejected(verdict.reason.value, verdict.field)
        elif self.sightings and self.sightings.again(event_id_of(value), offset, self.rules.dedup_records):
            self.rejects[offset] = Rejected(RejectReason.DUPLICATE.value, "event_id")
        else:
            self._count(verdict)

    def count_as(self, hashtag: str, reading: Reading) -> None:
        """Count the event in the row of `hashtag`."""
        key = Key(reading.country, hashtag, reading.sticker, floor(reading.second, Grain.MINUTE))
        self.tally.events[key] += reading.events
        if self._event_type is EventType.STICKER_USE:
            self.tally.videos[key].add(reading.video_id)

    def _count(self, reading: Reading) -> None:
        for hashtag in ("", *tags_of(reading.hashtags, self.rules)):
            self.count_as(hashtag, reading)

    def other_log(self) -> str:
        """Why the log no longer holds the records of the claim; "" where it does."""
        claim = self.claim
        if self.records != claim.records:
            return f"the log has {self.records} records there, {claim.records} were claimed"
        if (self.last_offset, self.last_checksum) != (claim.last_offset, claim.last_checksum):
            return "the last record is not the one that was claimed"
        return ""

    def judged_otherwise(self) -> str:
        """In what the recount of the same records differs from what the claim says; "" where in nothing."""
        claim, months = self.claim, tuple(sorted(self.tally.by_month()))
        if len(self.rejects) != claim.rejects:
            return f"recount finds {len(self.rejects)} rejects, the claim says {claim.rejects}"
        if months != claim.months:
            return f"recount finds months {list(months)}, the claim says {list(claim.months)}"
        return ""


def tags_of(written: tuple[str, ...], rules: Rules) -> list[str]:
    """The rows that hashtags `written` add to: normal forms, each once, then the groups (`@name`) they belong to."""
    forms: dict[str, None] = {}
    for text in written:
        form = bounded_form(text, rules.max_tag_bytes)
        if form:
            forms[form] = None
    kept = list(forms)[: rules.max_hashtags_per_event]
    groups = [f"@{name}" for name, members in rules.tag_groups.items() if set(members) & set(kept)]
    return kept + groups
