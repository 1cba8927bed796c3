"""Verifies one topic: recount its log, read the tables, compare, find out who is to blame.

Nothing has to stand still. The recount begins with what is done; the tables are read; then the claims
that landed meanwhile are recounted too, as far as the receipts that were read with the counts say.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from schemas.topics import Topic
from sinks.analytics import Grain
from sinks.backfills import backfilled, is_lost
from sinks.claims import Claim, Log
from sinks.migrations import Retention
from tagpulse.verify.blame import Part, Verdict, blame
from tagpulse.verify.chain import Chain
from tagpulse.verify.compare import Found, Held, compare, receipt_faults, uncertain_months
from tagpulse.verify.group import Group, GroupRecount, sources_of
from tagpulse.verify.log import LogReader
from tagpulse.verify.recount import Recount, Rejected, Tally
from tagpulse.verify.report import GrainReport, RejectFault, TopicReport
from tagpulse.verify.scan import Scanner, Skipped, forgotten, given_up
from tagpulse.verify.sightings import History
from tagpulse.verify.tables import Tables
from tagpulse.verify.windows import END_OF_TIME, Key, Span, month_of, spans

_ROUNDS = 4
#: With fewer new records than this, the recount has caught up well enough: the rest is counted by claim.
_CAUGHT_UP = 20_000
_NOTHING = Rejected("", "")


@dataclass(frozen=True, slots=True)
class Scope:
    """What to verify of each topic: windows of event time (unix seconds), or offsets of a partition."""

    since: int | None = None
    until: int | None = None
    partition: int | None = None
    first: int = 0
    next: int | None = None

    @property
    def is_part(self) -> bool:
        """Whether only a part of the topic's log is asked for."""
        return self.partition is not None

    def takes(self, claim: Claim) -> bool:
        """Whether the claim has offsets in the scope; claims are recounted whole."""
        return (self.partition is None or claim.log.partition == self.partition) and (
            claim.next > self.first and (self.next is None or claim.first < self.next)
        )


class Meter(Protocol):
    """Who wants to know how far we are."""

    def say(self, what: str) -> None: ...
    def expect(self, records: int) -> None: ...
    def did(self, records: int) -> None: ...


@dataclass(slots=True)
class _State:
    total: Tally = field(default_factory=Tally)
    held: dict[Grain, list[Held]] = field(default_factory=lambda: {grain: [] for grain in Grain})
    recounted: list[Claim] = field(default_factory=list)
    rejects: dict[Log, dict[int, Rejected]] = field(default_factory=lambda: defaultdict(dict))
    seen: set[str] = field(default_factory=set)


async def verify_topic(
    reader: LogReader, tables: Tables, topic: Topic, scope: Scope, retention: Retention, meter: Meter
) -> TopicReport:
    """Everything there is to say about `topic`. Raises LogUnreadable or QueryError."""
    return await _Run(reader, tables, topic, scope, retention, meter).report()


class _Run:
    def __init__(
        self, reader: LogReader, tables: Tables, topic: Topic, scope: Scope, retention: Retention, meter: Meter
    ) -> None:
        self._reader, self._tables, self._topic = reader, tables, topic
        self._scope, self._retention, self._meter = scope, retention, meter
        self._spans = spans(scope.since, scope.until, retention, datetime.now(UTC).timestamp())
        self._kept = spans(None, None, retention, datetime.now(UTC).timestamp())
        # Coarse windows need their old minutes too, so the TTL of minutes does not cut the recount.
        self._span = Span(scope.since or 0, END_OF_TIME if scope.until is None else scope.until)
        self._state = _State()
        self._known: Mapping[Log, Chain] = {}
        self._report = TopicReport(topic.name, topic.event_type.value, asked_part=scope.is_part)

    async def report(self) -> TopicReport:
        report, state = self._report, self._state
        self._incarnation = await asyncio.to_thread(self._tables.incarnation, self._topic.name)
        chains = await self._chains()
        report.skipped += [gap for chain in chains.values() if (gap := forgotten(chain) or given_up(chain))]
        await self._recount_what_is_done(chains)
        self._meter.say("reading tables")
        found = {
            grain: await asyncio.to_thread(
                self._tables.counts, self._topic.event_type, self._topic.name, grain, self._spans[grain]
            )
            for grain in Grain
        }
        # Read after the tables: whatever they hold has a claim by now.
        chains = await self._chains()
        truth = {grain: state.total.at(grain, self._spans[grain]) for grain in Grain}
        await self._recount_what_landed_meanwhile(chains, found, truth)
        whole = self._whole(chains)
        for grain in Grain:
            self._compare(grain, truth[grain], found[grain], whole)
        await self._blame()
        await self._compare_rejects()
        report.chain_faults = [fault for chain in chains.values() for fault in chain.faults]
        report.open_claims = [claim for chain in chains.values() for claim in chain.open]
        report.records, report.claims = sum(c.records for c in state.recounted), len(state.recounted)
        report.rejects = sum(map(len, state.rejects.values()))
        return report

    async def _chains(self) -> dict[Log, Chain]:
        """Chains of the life in force, in scope. They are kept: what a backfill counts, its sources' claims say."""
        every = await asyncio.to_thread(self._tables.chains, self._topic.name)
        older = [chain for log, chain in every.items() if log.incarnation != self._incarnation and not backfilled(log)]
        self._report.older_lives = sum(claim.records for chain in older for claim in chain.done)
        self._found = {
            log: chain
            for log, chain in every.items()
            if log.incarnation == self._incarnation and self._scope.partition in (None, log.partition)
        }
        return self._found

    def _whole(self, chains: Mapping[Log, Chain]) -> frozenset[Log]:
        """Logs that were recounted from their root."""
        broken = {skipped.log for skipped in self._report.skipped}
        part = self._scope.first > 0 or self._scope.next is not None
        return frozenset(log for log, chain in chains.items() if chain.root and log not in broken and not part)

    # -- recounting ------------------------------------------------------------------------------------------

    async def _recount_what_is_done(self, chains: Mapping[Log, Chain]) -> None:
        for number in range(_ROUNDS):
            if number:
                chains = await self._chains()
            claims = self._new(claim for chain in chains.values() for claim in chain.done)
            records = sum(claim.records for claim in claims)
            self._meter.say("recounting" if not number else "recounting what was counted meanwhile")
            await self._scan(claims, self._fold)
            if records < _CAUGHT_UP:
                return

    async def _recount_what_landed_meanwhile(
        self, chains: Mapping[Log, Chain], found: Mapping[Grain, Found], truth: Mapping[Grain, Tally]
    ) -> None:
        def fold(recount: Recount) -> None:
            claim, landed = recount.claim, False
            for month, part in recount.tally.by_month().items():
                for grain in Grain:
                    if found[grain].holds(claim, month):
                        truth[grain].add(part.at(grain, self._spans[grain]), self._spans[grain])
                        self._state.held[grain].append((claim, month))
                        landed = True
            if landed or claim.done:
                self._keep(recount)

        claims = self._new(claim for chain in chains.values() for claim in chain.claims)
        held = [c for c in claims if c.done or any(f.holds(c, month) for f in found.values() for month in c.months)]
        await self._scan(held, fold)

    def _new(self, claims: Iterable[Claim]) -> list[Claim]:
        new = [c for c in claims if self._scope.takes(c) and c.token not in self._state.seen and not is_lost(c)]
        return sorted(new, key=_place)

    async def _scan(self, claims: list[Claim], fold: Callable[[Recount], None]) -> None:
        self._state.seen |= {claim.token for claim in claims}
        async for outcome in self._recounts(claims):
            if isinstance(outcome, Skipped):
                self._report.skipped.append(outcome)
                continue
            if problem := outcome.judged_otherwise():
                self._report.judged_otherwise.append(f"{outcome.claim.token}: {problem}")
            fold(outcome)

    async def _recounts(self, claims: list[Claim]) -> AsyncIterator[Recount | Skipped]:
        self._meter.expect(sum(claim.records for claim in claims))
        # Asked for after the claims: a log never ends before what was claimed, unless it is another log.
        bounds = await self._reader.bounds(self._topic.name, sorted({claim.log.partition for claim in claims}))
        histories = {
            log: History(chain.done, chain.root is not None, self._topic.event_type, self._tables.rules)
            for log, chain in self._found.items()
            if not backfilled(log)
        }
        scanner = Scanner(self._reader, self._topic, bounds, self._begin, self._meter.did, histories)
        async for outcome in scanner.recounts(claims):
            yield outcome

    def _begin(self, claim: Claim) -> Recount | str:
        """The empty recount of `claim`, or why it cannot be recounted."""
        rules = self._tables.rules(claim)
        if rules is None:
            return f"this build cannot repeat rules {claim.rules}"
        if (of := backfilled(claim.log)) is None:
            return Recount(claim, self._topic.event_type, rules)
        ((name, hashtags),) = rules.tag_groups.items()
        group = Group(name, hashtags)
        sources = sources_of(claim, self._found.get(of.source), group, self._tables.rules)
        if isinstance(sources, str):
            return sources
        return GroupRecount(claim, self._topic.event_type, group, sources)

    def _fold(self, recount: Recount) -> None:
        self._state.total.add(recount.tally, self._span)
        for grain in Grain:
            self._state.held[grain] += [(recount.claim, month) for month in recount.claim.months]
        self._keep(recount)

    def _keep(self, recount: Recount) -> None:
        self._state.recounted.append(recount.claim)
        self._state.rejects[recount.claim.log] |= recount.rejects

    # -- comparing -------------------------------------------------------------------------------------------

    def _compare(self, grain: Grain, truth: Tally, found: Found, whole: frozenset[Log]) -> None:
        held = self._state.held[grain]
        comparison = compare(truth, found, uncertain_months(found, held, whole))
        faults = receipt_faults(found, held, whole, self._kept[grain].since)
        self._report.grains[grain] = GrainReport(self._spans[grain], comparison, Verdict(), faults)

    async def _blame(self) -> None:
        off = {g: {d.key: d.off for d in part.comparison.differences} for g, part in self._report.grains.items()}
        months = {month_of(key.window) for keys in off.values() for key in keys}
        if not months:
            return
        claims = [claim for claim in self._state.recounted if months.intersection(claim.months)]
        held = {grain: {(claim.token, month) for claim, month in self._state.held[grain]} for grain in Grain}
        parts: dict[Grain, list[Part]] = {grain: [] for grain in Grain}
        self._meter.say("looking for the batches to blame")
        claims.sort(key=_place)
        async for recount in self._recounts(claims):
            if isinstance(recount, Skipped):
                continue
            for month, tally in recount.tally.by_month().items():
                for grain in Grain:
                    if (recount.claim.token, month) in held[grain]:
                        events = tally.at(grain, self._spans[grain]).events
                        parts[grain] += _part(recount.claim, month, events, off[grain])
        for grain, report in self._report.grains.items():
            agreeing = [(claim, fault.month) for fault in report.receipts for claim in fault.claims]
            report.verdict = blame(off[grain], parts[grain], agreeing)

    async def _compare_rejects(self) -> None:
        oldest = datetime.now(UTC) - timedelta(days=self._retention.rejects_days - 1)
        by_log: dict[Log, list[Claim]] = defaultdict(list)
        for claim in self._state.recounted:
            if claim.done and claim.claimed_at is not None and claim.claimed_at > oldest:
                by_log[claim.log].append(claim)
        for log, claims in by_log.items():
            first, next_ = min(c.first for c in claims), max(c.next for c in claims)
            there = await asyncio.to_thread(self._tables.rejects, log, first, next_)
            wanted = self._state.rejects[log]
            for offset in sorted(there.keys() | wanted.keys()):
                truth, found = wanted.get(offset, _NOTHING), there.get(offset, _NOTHING)
                if truth != found and any(c.first <= offset < c.next for c in claims):
                    self._report.reject_faults.append(RejectFault(str(log), offset, _words(truth), _words(found)))


def _place(claim: Claim) -> tuple[str, int, int]:
    return claim.log.topic, claim.log.partition, claim.first


def _part(claim: Claim, month: int, events: Mapping[Key, int], off: Mapping[Key, int]) -> list[Part]:
    differing = {key: number for key, number in events.items() if key in off}
    return [Part(claim, month, differing, whole=len(differing) == len(events))] if differing else []


def _words(rejected: Rejected) -> str:
    return f"{rejected.reason} ({rejected.field})" if rejected.field else rejected.reason
