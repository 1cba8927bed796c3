"""The protocol as it is, and broken variants of it: each lacks one step, and the simulation must notice.

A variant is the real code with as little changed as can be.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

from sinks.claims import Claim, Claims
from sinks.delta import DeltaRows, Rows, counts_block
from sinks.native import Block
from sinks.writer import Writer, WriterSettings
from streams.batch import RecordBatch
from streams.checkpoints import Checkpoints
from streams.counters import TopicCounter
from streams.duplicates import Duplicates, Past
from streams.in_force import RulesInForce
from streams.partition import Partition
from tests.simulation.faults import Fault

_AGES = timedelta(days=1000)


@dataclass(frozen=True)
class Variant:
    """Code to run in the place of the real one.

    `needs` are faults without which its mistake does not show, `first_seed` is where the search for it begins:
    the rarest show once in some thousand runs.
    """

    name: str
    writer: type[Writer] = Writer
    checkpoints: type[Checkpoints] = Checkpoints
    patch: Callable[[], AbstractContextManager[Any]] = nullcontext
    needs: frozenset[Fault] = field(default=frozenset())
    intensity: float = 1.0
    first_seed: int = 0
    dedup_records: int = 0


def _with_claims(claims: type[Claims]) -> type[Writer]:
    class WithClaims(Writer):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self.claims = claims(self.client)

    return WithClaims


class _NoGuard(Claims):
    def _insert(self, claim: Claim, guard: str, token: str, **parameters: object) -> None:
        super()._insert(claim, "1", token, **parameters)


class _NoClaimToken(Claims):
    def _insert(self, claim: Claim, guard: str, token: str, **parameters: object) -> None:
        super()._insert(claim, guard, "" if token.startswith("claim/") else token, **parameters)


class _OneIncarnation(Claims):
    def incarnation(self, topic: str) -> int:
        return 0


class _DoneOnce(Claims):
    def done(self, claim: Claim) -> Claim:
        self._insert(replace(claim, done=True), "1", f"done/{claim.token}")
        return replace(claim, done=True)


def _never_expires(rows: DeltaRows, log: str, next_offset: int, records: int, expires: datetime) -> Block:
    return counts_block(rows, log, next_offset, records, expires + _AGES)


class _SmallBlocks(Writer):
    def _insert_settings(self, token: str) -> dict[str, Any]:
        return super()._insert_settings(token) | {"max_insert_block_size": 4}


class _DoneFirst(Writer):
    def write(self, claim: Claim, tail: Claim, rows: Rows, held: Callable[[], bool] = lambda: True) -> Claim:
        claims, self.claims = self.claims, mock.Mock(wraps=self.claims)
        self.claims.claim = lambda claim, tail: claims.done(claims.claim(claim, tail))
        try:
            return super().write(claim, tail, rows, held)
        finally:
            self.claims = claims


class _NoReceipts(Writer):
    def _repair(self, *_: Any) -> None:
        pass


class _OldByToken(Writer):
    def recover(self, claim: Claim, rows: Rows, held: Callable[[], bool] = lambda: True) -> Claim:
        assert claim.claimed_at is not None
        return super().recover(replace(claim, claimed_at=claim.claimed_at + _AGES), rows, held)


class _TrustsLate(Writer):
    def __init__(self, client: Any, settings: WriterSettings) -> None:
        super().__init__(client, replace(settings, trust_s=math.inf))


class _OwnClock(Checkpoints):
    async def _take_over(self, *args: Any) -> tuple[Partition, int]:
        partition, start = await super()._take_over(*args)
        if partition.delta is not None:
            partition.delta.clock = self._clock()
        return partition, start


class _OwnRules(Checkpoints):
    async def _counter_of(self, claim: Claim) -> TopicCounter:
        return self._rules.of(claim.log.topic)[1]


class _FromCommitted(Checkpoints):
    async def _take_over(self, *args: Any) -> tuple[Partition, int]:
        partition, start = await super()._take_over(*args)
        worker: Any = getattr(self._commit, "__self__")  # noqa: B009
        committed = worker.kafka.committed.get(partition.log.partition, 0)
        if partition.open_claim is None and committed != partition.position:
            partition.verify, partition.position = None, committed
            partition.reading, partition.tail = committed, replace(partition.tail, next=committed)
            return partition, committed
        return partition, start


async def _no_past(*_: Any) -> list[Past]:
    return []


def _remember_all(self: Duplicates, batch: RecordBatch, ids: Any, refused: set[int]) -> None:
    self.window.note(ids, list(batch.offsets))


REAL = Variant("as-it-is")
_DOUBT = frozenset({Fault.CRASH, Fault.LOST_ROWS})
BROKEN = (
    Variant(
        "no-guard-on-the-claim",
        _with_claims(_NoGuard),
        needs=frozenset({Fault.CRASH, Fault.LATE, Fault.FORGET}),
        first_seed=50,
    ),
    Variant(
        "no-token-on-the-claim",
        _with_claims(_NoClaimToken),
        needs=frozenset({Fault.STALL, Fault.SLOW, Fault.CUT_OFF, Fault.REBALANCE}),
        intensity=1.5,
        first_seed=1170,
    ),
    Variant("one-token-for-done", _with_claims(_DoneOnce), needs=frozenset({Fault.LOST_ROWS})),
    Variant(
        "no-expiry",
        patch=lambda: mock.patch.object(DeltaRows, "block", _never_expires),
        needs=frozenset({Fault.LATE, Fault.FORGET}),
    ),
    Variant("no-incarnation", _with_claims(_OneIncarnation), needs=frozenset({Fault.RECREATE})),
    Variant("a-delta-in-several-blocks", _SmallBlocks, needs=_DOUBT),
    Variant("the-clock-of-the-wall-in-a-recount", checkpoints=_OwnClock, needs=_DOUBT),
    Variant("other-rules-in-a-recount", checkpoints=_OwnRules, needs=_DOUBT | {Fault.RULES}),
    Variant("done-before-the-insert", _DoneFirst, needs=_DOUBT),
    Variant("no-receipts-after-a-doubt", _NoReceipts, needs=_DOUBT),
    Variant("an-old-claim-by-its-token", _OldByToken, needs=_DOUBT | {Fault.FORGET}),
    Variant(
        "a-late-answer-is-trusted",
        _TrustsLate,
        needs=frozenset({Fault.PAUSE, Fault.LOST_ROWS}),
        intensity=1.5,
        first_seed=330,
    ),
    Variant("from-the-offset-committed-to-kafka", checkpoints=_FromCommitted, needs=_DOUBT),
    Variant(
        "event-ids-forgotten-with-their-worker",
        patch=lambda: mock.patch.object(RulesInForce, "past", _no_past),
        needs=_DOUBT,
        dedup_records=5,
    ),
    Variant(
        "duplicates-of-what-was-rejected",
        patch=lambda: mock.patch.object(Duplicates, "note", _remember_all),
        needs=_DOUBT,
        dedup_records=5,
    ),
)
