"""Backfills a campaign log by log, under claims, each range of offsets once (protocol: docs/protocol.md)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from uuid import uuid4

from schemas.topics import Topic
from sinks.backfills import LOST, BackfillClaims, backfill_log, backfilled
from sinks.claims import Claim, Log
from sinks.delta import DeltaRows
from sinks.errors import ClaimLost
from sinks.writer import Writer
from streams.rules import Rules
from tagpulse.backfill.plan import Batch, Known, Lost, plan
from tagpulse.backfill.rows import rows_of
from tagpulse.verify.chain import Chain
from tagpulse.verify.group import Group, GroupRecount, Had, sources_of
from tagpulse.verify.log import LogReader
from tagpulse.verify.tables import Tables, repeatable

_ROUNDS = 3
_NOTHING = DeltaRows("", (), (), (), (), (), ())


@dataclass(slots=True)
class LogReport:
    """What was done for one log: `records` were read again; `lost` could not be."""

    log: Log
    records: int = 0
    claims: int = 0
    lost: list[Lost] = field(default_factory=list)


class Backfill:
    """The backfill of one definition, `name.version` (sinks.backfills). `writer` writes to the chains of backfills.

    `records`: about so many go into one insert. `did` hears of records that were counted. Raises ClaimLost where
    another backfill of the definition runs, LogUnreadable, QueryError, or what Writer.write raises.
    """

    def __init__(
        self, reader: LogReader, tables: Tables, writer: Writer, definition: str, hashtags: tuple[str, ...],
        *, since_s: float = 0.0, records: int = 200_000, worker: str = "backfill",
        did: Callable[[int], None] = lambda _: None,
    ) -> None:  # fmt: skip
        self._reader, self._tables, self._writer = reader, tables, writer
        assert isinstance(writer.claims, BackfillClaims)
        self._claims = writer.claims
        self._definition, self._group = definition, Group(definition.rpartition(".")[0], hashtags)
        self._rules = self._group.alone(Rules())
        self._since_s, self._records, self._worker, self._did = since_s, records, worker, did

    async def topic(self, topic: Topic) -> list[LogReport]:
        """Count what is missing in every partition of `topic`, in its life of now.

        First, claims are finished that interrupted backfills have left, of other definitions too.
        """
        await asyncio.to_thread(self._writer.keep_rules, self._rules.version, self._rules.text)
        former = await asyncio.to_thread(self._tables.backfills, topic.name)
        logs = await asyncio.to_thread(self._tables.logs, topic.name)
        left = [await self._finish(topic, logs, claim) for chain in former.values() for claim in chain.open]
        return left + [await self._log(topic, log) for log in logs]

    async def _log(self, topic: Topic, source: Log) -> LogReport:
        report = LogReport(source)
        # Workers may count by older rules for some seconds more: what they counted meanwhile is next.
        for _ in range(_ROUNDS):
            if not await self._round(topic, source, report):
                break
        return report

    async def _round(self, topic: Topic, source: Log, report: LogReport) -> bool:
        """Do what is to be done as the claims are now. Returns whether anything was."""
        target = backfill_log(source, self._definition)
        chain = await asyncio.to_thread(self._tables.chain, source)
        tail = await asyncio.to_thread(self._claims.last, target)
        if tail is not None and not tail.done:
            raise ClaimLost(f"another backfill of {self._definition} is at work on {source}: let it come to its end")
        if not self._lacks(chain, tail):
            return False
        # Asked for after the claims: a log never ends before what was claimed, unless it is another log.
        bounds = await self._reader.bounds(topic.name, [source.partition])
        begin, end = bounds.get(source.partition, (0, 0))
        known = Known(
            begin,
            end,
            tail.next if tail else None,
            await asyncio.to_thread(self._claims.counted_otherwise, source, self._definition),
            await asyncio.to_thread(self._tables.forgotten_until, source, self._group),
            self._since_s,
        )
        wanted = plan(chain, self._group, self._tables.any_rules, repeatable, known, self._records)
        if not wanted.batches:
            # Claims that cannot be counted again speak for themselves.
            report.lost += [wanted.lost] if wanted.lost else []
            return False
        if tail is None:
            tail = await asyncio.to_thread(self._writer.chain_end, target, wanted.start, self._worker, uuid4())
        if wanted.lost:
            tail = await self._give_up(tail, wanted.lost, report)
        for batch in wanted.batches:
            tail = await self._count(topic, tail, batch, report)
        return True

    def _lacks(self, chain: Chain, tail: Claim | None) -> bool:
        """Whether anything that was not backfilled was counted without the group."""
        counted_to = tail.next if tail else 0
        rest = [claim for claim in chain.done if claim.records and claim.next > counted_to]
        return any(self._group.had(self._tables.any_rules(claim)) is not Had.THESE for claim in rest)

    async def _count(self, topic: Topic, tail: Claim, batch: Batch, report: LogReport) -> Claim:
        """Count a batch and write it under a claim. Returns the claim, done."""
        last = batch.sources[-1]
        claim = Claim(
            tail.log, batch.first, batch.next, uuid4(), self._worker, max(source.clock for source in batch.sources),
            self._rules.version, batch.records, last_offset=last.last_offset, last_checksum=last.last_checksum,
        )  # fmt: skip
        sources = [(source, self._tables.any_rules(source)) for source in batch.sources]
        recount = await self._read(topic, GroupRecount(claim, topic.event_type, self._group, sources))
        if why := recount.other_log():
            until_s = max(source.clock + rules.max_future_s for source, rules in sources)
            return await self._give_up(tail, Lost(batch.first, batch.next, until_s, why), report)
        rows = rows_of(recount.tally, topic.event_type)
        claim = replace(claim, months=rows.months())
        done = await asyncio.to_thread(self._writer.write, claim, tail, rows)
        report.records += batch.records
        report.claims += 1
        return done

    async def _finish(self, topic: Topic, logs: Sequence[Log], claim: Claim) -> LogReport:
        """Finish the claim that an interrupted backfill has left, or give it up."""
        of = backfilled(claim.log)
        assert of is not None
        report = LogReport(of.source)
        ((name, hashtags),) = self._tables.any_rules(claim).tag_groups.items()
        group = Group(name, hashtags)
        chain = await asyncio.to_thread(self._tables.chain, of.source)
        found = sources_of(claim, chain, group, self._tables.rules)
        why, sources = (found, []) if isinstance(found, str) else ("", found)
        bounds = await self._reader.bounds(topic.name, [of.source.partition])
        begin, end = bounds.get(of.source.partition, (0, 0))
        if of.source not in logs or (sources and (claim.next > end or sources[0][0].first < begin)):
            why = "Kafka no longer has its records"
        if not why:
            recount = await self._read(topic, GroupRecount(claim, topic.event_type, group, sources))
            why = recount.other_log()
            rows = rows_of(recount.tally, topic.event_type)
        if why:
            # Some of its rows may have landed. Answers do not read windows so early.
            until_s = claim.clock + self._tables.most_future_s()
            report.lost.append(Lost(claim.first, claim.next, until_s, why))
            await asyncio.to_thread(self._claims.done, replace(claim, rules=LOST, clock=until_s))
            return report
        await asyncio.to_thread(self._writer.recover, claim, rows)
        report.records, report.claims = claim.records, 1
        return report

    async def _read(self, topic: Topic, recount: GroupRecount) -> GroupRecount:
        for first, next_ in recount.ranges():
            unreported = 0
            async for offset, value in self._reader.records(topic.name, recount.claim.log.partition, first, next_):
                recount.add(offset, value)
                unreported += 1
            self._did(unreported)
        return recount

    async def _give_up(self, tail: Claim, lost: Lost, report: LogReport) -> Claim:
        """Note that offsets were not counted, so that answers are bounds up to their time. Returns the claim, done."""
        claim = Claim(tail.log, tail.next, lost.next, uuid4(), self._worker, lost.until_s, LOST)
        report.lost.append(lost)
        return await asyncio.to_thread(self._writer.write, claim, tail, _NOTHING)
