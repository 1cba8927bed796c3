"""Bring the rows of a claim to land in ClickHouse, each exactly once (protocol: docs/protocol.md)."""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError

from sinks.claims import Claim, Claims, Judged, Log
from sinks.client import first_line
from sinks.delta import RECEIPT, Rows, month_begin, next_month, rejects_block
from sinks.errors import ClaimLost, DeltaExpired, NotLanded
from sinks.native import Block

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

log = logging.getLogger(__name__)
T = TypeVar("T")

#: Table of counts -> the way into it alone, for repairs (migrations/0002).
TARGETS = {
    "engagement_minute": "repair_minute",
    "engagement_hour": "repair_hour",
    "engagement_day": "repair_day",
}
#: More rows than this in a delta and the one-block guarantee below would break.
MAX_BLOCK_ROWS = 4_000_000
_MAX_REPAIRS = 8
#: The word of a view itself: errors of another kind quote the text of the view, and with it this sentence.
_EXPIRED = "DB::Exception: tagpulse: this delta has expired"
_FIRST_BACKOFF_S, _LAST_BACKOFF_S = 0.1, 2.0


@dataclass(frozen=True, slots=True)
class WriterSettings:
    """`insert_deadline_s`: seconds from the claim in which its rows may land, on ClickHouse's clock.

    `insert_timeout_s`: seconds that one attempt may run on the server. `takeover_deadline_s`: seconds to wait
    for an answer when a partition is taken over. `trust_s`: shorter than what the group needs to give a silent
    worker's partition to another. The retention (days) says which
    receipts cannot be asked for any more, because a TTL may have taken them.
    """

    insert_deadline_s: float = 120.0
    insert_timeout_s: float = 30.0
    minute_days: int = 30
    hour_days: int = 400
    takeover_deadline_s: float = 60.0
    trust_s: float = 5.0


class Writer:
    """Writes deltas under claims. Methods block; one Writer may be shared by threads.

    `at` is called with the name of each step as it is reached ("claim", "insert", ...), for tests that
    stop a worker there. `claims`: other chains than those of the workers.
    """

    def __init__(
        self,
        client: Client,
        settings: WriterSettings,
        at: Callable[[str], None] = lambda _: None,
        claims: Claims | None = None,
    ) -> None:
        self.client = client
        self._settings = settings
        self._at = at
        self.claims = claims or Claims(client)

    def chain_end(self, log: Log, begin: int, worker: str, claim_id: UUID) -> Claim:
        """The last claim of `log`, done or open. Begins the chain at offset `begin` where there is none."""
        return self._patiently(
            "chain", lambda: self.claims.last(log) or self.claims.begin(log, begin, worker, claim_id)
        )

    def incarnation(self, topic: str) -> int:
        """The life of `topic` that is in force."""
        return self._patiently("incarnation", lambda: self.claims.incarnation(topic))

    def keep_rules(self, version: str, text: str) -> None:
        """Record the text of a rules version."""
        self._patiently("rules", lambda: self.claims.keep_rules(version, text))

    def rules_text(self, version: str) -> str | None:
        """The text of a rules version, None if it was never recorded."""
        return self._patiently("rules", lambda: self.claims.rules_text(version))

    def judged(self, log: Log, first: int, next_: int) -> list[Judged]:
        """How the offsets of `log` in [first, next) that are counted were judged, in order."""
        return self._patiently("claims", lambda: self.claims.judged(log, first, next_))

    def prune(self, tail: Claim, kept_days: float, kept_offsets: int = 0) -> None:
        """Forget finished claims more than `kept_offsets` before `tail` that are older than `kept_days`."""
        _Attempts(0).success("pruning", lambda: self.claims.prune(tail, kept_days, kept_offsets))

    def _patiently(self, what: str, action: Callable[[], T]) -> T:
        return _Attempts(self._settings.takeover_deadline_s).success(what, action)

    def write(self, claim: Claim, tail: Claim, rows: Rows, held: Callable[[], bool] = lambda: True) -> Claim:
        """Claim, insert, done: the whole way of a fresh delta. Returns the claim as done.

        `held` says whether the partition is still ours; attempts end when it is not. Raises ClaimLost,
        DeltaExpired or NotLanded; after any of them the partition must be dropped.
        """
        began = _awake()
        until = _Attempts(self._settings.insert_deadline_s, held)
        self._at("before-claim")
        claim = until.success("claim", lambda: self.claims.claim(claim, tail))
        self._at("claimed")
        assert claim.claimed_at is not None
        until = _Attempts(self._settings.insert_deadline_s, held)
        expires = claim.claimed_at + timedelta(seconds=self._settings.insert_deadline_s)
        self._insert_counts(claim, rows, expires, until)
        # A first "ok" can be trusted while nobody else can have used the token: as long as the group has not
        # given the partition to somebody who recounted it meanwhile.
        if until.failures or not held() or _awake() - began > self._settings.trust_s:
            self._repair(claim, rows, until)
        return self._done(claim, until)

    def recover(self, claim: Claim, rows: Rows, held: Callable[[], bool] = lambda: True) -> Claim:
        """Finish an open claim that was counted again from its records. Returns it as done.

        Whatever a former owner got to land stays and is not doubled. Raises ClaimLost, DeltaExpired or NotLanded.
        Where its receipts are all there, nothing is inserted. Else, while the claim is young, its token decides: it
        makes the insert of a former owner and ours one. An old claim may have outlived its token, but nobody can still
        land rows by it: its receipts decide.
        """
        self._at("before-recovery")
        until = _Attempts(self._settings.insert_deadline_s, held)
        now = until.success("clock", self.claims.server_time)
        deadline = timedelta(seconds=self._settings.insert_deadline_s)
        assert claim.claimed_at is not None
        landed = until.success("receipts", lambda: self._all_landed(claim, rows))
        if not landed and now < claim.claimed_at + deadline:
            self._insert_counts(claim, rows, now + deadline, until)
            self._repair(claim, rows, until)
        elif not landed:
            self._sleep_until(self._last_landing(claim), now)
            self._repair(claim, rows, _Attempts(self._settings.insert_deadline_s, held))
        return self._done(claim, _Attempts(self._settings.insert_deadline_s, held))

    def _last_landing(self, claim: Claim) -> datetime:
        """When no insert by the claim's own token can land any more, on ClickHouse's clock.

        The youngest such insert was recovered just before the claim turned old, and then took its time.
        """
        assert claim.claimed_at is not None
        seconds = 2 * (self._settings.insert_deadline_s + self._settings.insert_timeout_s)
        return claim.claimed_at + timedelta(seconds=seconds)

    def _sleep_until(self, moment: datetime, now: datetime) -> None:
        wait_s = (moment - now).total_seconds()
        if wait_s > 0:
            log.info("rows are missing; waiting %.0f s until nobody else can bring them", wait_s)
            time.sleep(wait_s)

    def _done(self, claim: Claim, until: _Attempts) -> Claim:
        self._at("before-done")
        finished = until.success("done", lambda: self.claims.done(claim))
        self._at("done")
        return finished

    def _insert_counts(self, claim: Claim, rows: Rows, expires: datetime, until: _Attempts) -> None:
        """Insert everything by the claim's token until ClickHouse answers ok, or a repetition finds all receipts.

        The token alone would do, did not ClickHouse make another of it once it restarts after a view was altered.
        """
        if not len(rows):
            return
        block = rows.block(str(claim.log), claim.next, claim.records, expires)
        if block.rows > MAX_BLOCK_ROWS:
            raise NotLanded(f"a delta of {block.rows} rows is more than one block: lower max_delta_rows")
        failures = until.failures

        def insert() -> None:
            if until.failures == failures or not self._all_landed(claim, rows):
                self._insert("ingest", block, claim.token)

        self._at("before-insert")
        until.success("insert", insert)
        self._at("inserted")

    def _all_landed(self, claim: Claim, rows: Rows) -> bool:
        parts = [(table, month) for table in TARGETS for month in self._months_within_ttl(table, rows.months())]
        return all(self._landed(table, month, claim) for table, month in parts) and self._rejects_landed(claim, rows)

    def _repair(self, claim: Claim, rows: Rows, until: _Attempts) -> None:
        """Bring what is missing to land, table by table and month by month.

        ClickHouse keeps a token a moment before it keeps the rows. Killed in between, it answers "seen" to every
        repetition, and the rows are gone: only a receipt says that they landed.
        """
        for table in TARGETS:
            for month in self._months_within_ttl(table, rows.months()):
                self._repair_month(table, month, claim, rows, until)
        while rows.rejects and not until.success("rejects", lambda: self._rejects_landed(claim, rows)):
            # The table replaces by offset, so writing some of them twice does no harm: no token.
            block = rejects_block(rows.rejects, str(claim.log))
            until.success("rejects", lambda b=block: self._insert("rejected_events", b, ""))  # type: ignore[misc]

    def _repair_month(self, table: str, month: int, claim: Claim, rows: Rows, until: _Attempts) -> None:
        """Insert the rows of `month` into `table` alone until their receipt is there."""
        for attempt in range(_MAX_REPAIRS):
            # The clock before the receipt: whoever falls asleep behind it wakes up with rows that have expired.
            now = until.success("clock", self.claims.server_time)
            if until.success("receipt", lambda: self._landed(table, month, claim)):
                return
            log.warning("%s: rows of %s in %d have not landed: repairing", claim.token, table, month)
            expires = now + timedelta(seconds=self._settings.insert_deadline_s)
            block = rows.of_month(month).block(str(claim.log), claim.next, claim.records, expires)
            # Whoever repairs goes through the same tokens in the same order, so two repairers land one. Each
            # attempt that is answered uses up its token: nobody can land the rows by it later.
            token = f"{claim.token}/repair/{month}/{attempt}"
            self._at("before-repair")
            until.success("repair", lambda b=block, t=token: self._insert(TARGETS[table], b, t))  # type: ignore[misc]
            self._at("repaired")
        raise NotLanded(f"{table} does not keep the rows of {claim.token} in {month}")

    def _insert(self, table: str, block: Block, token: str) -> None:
        body = block.encode()
        # A stream, not bytes: the client repeats a request on its own where it can, and the writer must know
        # of every attempt. The length lets the server tell a whole body from one that was cut.
        self.client.raw_insert(
            table,
            column_names=block.names,
            insert_block=io.BytesIO(body),
            settings=self._insert_settings(token),
            fmt="Native",
            transport_settings={"Content-Length": str(len(body))},
        )

    def _insert_settings(self, token: str) -> dict[str, Any]:
        return {
            "insert_deduplication_token": token,
            # Without a token ClickHouse would make one from the content.
            "deduplicate_insert": "enable" if token else "disable",
            "deduplicate_blocks_in_dependent_materialized_views": 1,
            "async_insert": 0,
            # Tokens work per block: a delta must stay one.
            "max_insert_block_size": MAX_BLOCK_ROWS,
            "min_insert_block_size_rows": MAX_BLOCK_ROWS,
            "min_insert_block_size_bytes": 0,
            # A backlog may span decades of event time.
            "max_partitions_per_insert_block": 0,
            "max_execution_time": self._settings.insert_timeout_s,
            # The rows of a delta have distinct keys already; merging them on insert costs and gains nothing.
            "optimize_on_insert": 0,
        }

    def _landed(self, table: str, month: int, claim: Claim) -> bool:
        rows = self.client.query(
            f"SELECT max(landed) FROM {table} WHERE event_type = {{receipt:String}} AND sticker = ''"
            " AND hashtag = {log:String} AND window_start >= {begin:DateTime('UTC')}"
            " AND window_start < {end:DateTime('UTC')}",
            parameters={
                "receipt": RECEIPT,
                "log": str(claim.log),
                "begin": month_begin(month),
                "end": month_begin(next_month(month)),
            },
        ).result_rows
        return int(rows[0][0]) >= claim.next

    def _rejects_landed(self, claim: Claim, rows: Rows) -> bool:
        found = self.client.query(
            "SELECT uniqExact(offset) FROM rejected_events WHERE topic = {topic:String}"
            " AND incarnation = {incarnation:UInt32} AND partition = {partition:UInt32}"
            " AND offset >= {first:UInt64} AND offset < {next:UInt64}",
            parameters={
                "topic": claim.log.topic,
                "incarnation": claim.log.incarnation,
                "partition": claim.log.partition,
                "first": claim.first,
                "next": claim.next,
            },
        ).result_rows
        # More than ours: a former owner found duplicates of records that the log has lost since.
        return int(found[0][0]) >= len(rows.rejects)

    def _months_within_ttl(self, table: str, months: Sequence[int]) -> list[int]:
        days = {"engagement_minute": self._settings.minute_days, "engagement_hour": self._settings.hour_days}.get(table)
        if days is None:
            return list(months)
        # A day of grace: the TTL may take a receipt while we look for it.
        horizon = datetime.now(UTC) - timedelta(days=days - 1)
        return [month for month in months if month_begin(next_month(month)) > horizon]


class _Attempts:
    """Attempts that may fail, until a deadline of `deadline_s` seconds from now, while `held` holds."""

    def __init__(self, deadline_s: float, held: Callable[[], bool] = lambda: True) -> None:
        self._deadline = time.monotonic() + deadline_s
        self._held = held
        self.failures = 0

    def success(self, what: str, action: Callable[[], T]) -> T:
        """Repeat `action` until it succeeds. Raises ClaimLost, DeltaExpired or NotLanded."""
        backoff = _FIRST_BACKOFF_S
        while True:
            if not self._held():
                raise ClaimLost(f"the partition was given back before its {what}")
            try:
                return action()
            except ClickHouseError as error:
                self.failures += 1
                if isinstance(error, DatabaseError) and _EXPIRED in str(error):
                    raise DeltaExpired(f"ClickHouse refused the {what}: {first_line(error)}") from error
                if time.monotonic() + backoff > self._deadline:
                    raise NotLanded(f"no {what} within the deadline; last error: {first_line(error)}") from error
                log.warning("%s failed, trying again: %s", what, first_line(error))
                time.sleep(backoff)
                backoff = min(backoff * 2, _LAST_BACKOFF_S)


def _awake() -> float:
    """Seconds on a clock that goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
