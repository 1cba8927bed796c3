"""Recounts claims from Kafka: which of them can be repeated, and what became of each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from schemas.topics import Topic
from sinks.backfills import is_lost
from sinks.claims import Claim, Log
from tagpulse.verify.chain import Chain
from tagpulse.verify.log import LogReader
from tagpulse.verify.recount import Recount

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

    `begin` gives the empty recount of a claim, or says why it cannot be recounted.
    """

    def __init__(
        self,
        reader: LogReader,
        topic: Topic,
        bounds: Mapping[int, tuple[int, int]],
        begin: Callable[[Claim], Recount | str],
        did: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._reader, self._topic, self._bounds, self._begin, self._did = reader, topic, bounds, begin, did

    async def recounts(self, claims: Iterable[Claim]) -> AsyncIterator[Recount | Skipped]:
        """What becomes of each of `claims`, in order; those of a log must be in its order.

        Raises LogUnreadable, or QueryError where rules cannot be read.
        """
        run: list[Recount] = []
        for claim in claims:
            recount = self._hindrance(claim) or self._begin(claim)
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

    async def _read(self, run: Sequence[Recount]) -> AsyncIterator[Recount | Skipped]:
        """Read the records of claims that follow each other, and hand out each recount when it is whole."""
        if not run:
            return
        rest, unreported = list(reversed(run)), 0
        log = run[0].claim.log
        # Claims of gaps alone need nothing from the log, which may begin after them.
        first = max(run[0].claim.first, self._bounds[log.partition][0])
        async for offset, value in self._reader.records(self._topic.name, log.partition, first, run[-1].claim.next):
            while offset >= rest[-1].claim.next:
                yield _outcome(rest.pop())
            rest[-1].add(offset, value)
            unreported += 1
            if unreported == _STEP:
                self._did(unreported)
                unreported = 0
        self._did(unreported)
        while rest:
            yield _outcome(rest.pop())


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


def _outcome(recount: Recount) -> Recount | Skipped:
    claim = recount.claim
    why = recount.other_log()
    return Skipped(claim.log, claim.first, claim.next, why) if why else recount
