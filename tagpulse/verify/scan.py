"""Recounts claims from Kafka: which of them can be repeated, and what became of each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from schemas.topics import Topic
from sinks.backfills import is_lost
from sinks.claims import Claim, Log
from tagpulse.verify.chain import Chain
from tagpulse.verify.log import LogReader
from tagpulse.verify.recount import Recount
from tagpulse.verify.sightings import History, Sightings

_STEP = 1_000


@dataclass(frozen=True, slots=True)
class Skipped:
    """Offsets that were claimed and cannot be counted again."""

    log: Log
    first: int
    next: int
    why: str


class Scanner:
    """Recounts claims of one topic, and of its backfills. `bounds`: partition -> first and next offset that Kafka has.

    `begin` gives the empty recount of a claim, or says why it cannot be recounted. `histories`: how the records of
    each log were judged; without, duplicates of claims are looked for among themselves.
    """

    def __init__(
        self,
        reader: LogReader,
        topic: Topic,
        bounds: Mapping[int, tuple[int, int]],
        begin: Callable[[Claim], Recount | str],
        did: Callable[[int], None] = lambda _: None,
        histories: Mapping[Log, History] = MappingProxyType({}),
    ) -> None:
        self._reader, self._topic, self._bounds, self._begin, self._did = reader, topic, bounds, begin, did
        self._histories = histories

    async def recounts(self, claims: Iterable[Claim]) -> AsyncIterator[Recount | Skipped]:
        """What becomes of each of `claims`, in order; those of a log must be in its order.

        Raises LogUnreadable, or QueryError where rules cannot be read.
        """
        run: list[Recount] = []
        for claim in claims:
            recount = self._hindrance(claim) or self._begin(claim)
            if isinstance(recount, Recount):
                recount = self._lack(recount) or recount
            follows = run and run[-1].claim.log == claim.log and run[-1].claim.next >= claim.first
            if run and not (follows and isinstance(recount, Recount)):
                async for outcome in self._read(run):
                    yield outcome
                run = []
            if isinstance(recount, Recount):
                run.append(recount)
            else:
                yield Skipped(claim.log, claim.first, claim.next, recount)
        async for outcome in self._read(run):
            yield outcome

    def _hindrance(self, claim: Claim) -> str:
        begin, end = self._bounds.get(claim.log.partition, (0, 0))
        if claim.first < begin and claim.records:
            return f"the log begins at {begin}: its retention removed older records"
        return f"the log ends at {end}: it is not the log that was claimed" if claim.next > end else ""

    def _lack(self, recount: Recount) -> str:
        """Why the duplicates of a claim cannot be found; "" where they can."""
        claim = recount.claim
        if (history := self._histories.get(claim.log)) is None:
            return ""
        return history.lacks(claim, recount.rules.dedup_records, self._bounds[claim.log.partition][0])

    async def _read(self, run: Sequence[Recount]) -> AsyncIterator[Recount | Skipped]:
        """Read the records of claims that follow each other, and hand out each recount when it is whole."""
        if not run:
            return
        rest, unreported = list(reversed(run)), 0
        log = run[0].claim.log
        first, history, sightings = run[0].claim.first, self._histories.get(log), None
        if reach := max(recount.rules.dedup_records for recount in run):
            sightings = Sightings(reach)
            first = min(first, history.start(first - reach)) if history else first
            for recount in run:
                recount.sightings = sightings
        # Claims of gaps alone need nothing from the log, which may begin after them.
        first = max(first, self._bounds[log.partition][0])
        losses = _Losses(lambda: history.lost_up_to(first, run[0].claim.first) if history and sightings else -1)
        async for offset, value in self._reader.records(self._topic.name, log.partition, first, run[-1].claim.next):
            if offset < run[0].claim.first:
                if history and sightings:
                    history.note(offset, value, sightings)
                continue
            while offset >= rest[-1].claim.next:
                yield losses.outcome(rest.pop())
            rest[-1].add(offset, value)
            unreported += 1
            if unreported == _STEP:
                self._did(unreported)
                unreported = 0
        self._did(unreported)
        while rest:
            yield losses.outcome(rest.pop())


def forgotten(chain: Chain) -> Skipped | None:
    """The offsets of a chain before its first claim, where these claims were forgotten; else None."""
    if chain.root is not None:
        return None
    first = chain.claims[0].first if chain.claims else 0
    return Skipped(chain.log, 0, first, "claims were forgotten (claims_kept_days), with their clock and rules")


def given_up(chain: Chain) -> Skipped | None:
    """A claim of a backfill that was made and then given up: some of its rows may have landed. None: there is none."""
    found = next((claim for claim in chain.claims if is_lost(claim) and claim.records), None)
    return Skipped(chain.log, found.first, found.next, "the backfill gave it up") if found else None


class _Losses:
    """Claims that follow each other, of which the log may have lost records; `before` tells up to where before them."""

    def __init__(self, before: Callable[[], int]) -> None:
        self._before = before
        self._up_to: int | None = None

    def outcome(self, recount: Recount) -> Recount | Skipped:
        """What becomes of the next claim, whose records have been read."""
        if self._up_to is None:
            self._up_to = self._before()
        claim, reach, why = recount.claim, recount.rules.dedup_records, recount.other_log()
        if why:
            self._up_to = claim.next
        elif reach and claim.records and self._up_to > max(0, claim.first - reach):
            why = f"of the {reach} offsets before it (dedup_records) the log has lost some records"
        return Skipped(claim.log, claim.first, claim.next, why) if why else recount
