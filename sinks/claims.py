"""Claims: the authority over who counts which offsets (protocol: docs/protocol.md).

Every operation is one statement that may be repeated without harm, and that decides alone.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from sinks.errors import ClaimLost

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

#: ClickHouse writes a token a moment before the rows become visible, so an answer "seen before" without a
#: visible row is believed only after this long.
_READ_BACK_PATIENCE_S = 2.0
_MAX_TOKENS = 8
_DEDUPLICATE = {
    "async_insert": 0,
    "deduplicate_insert": "enable",
    "deduplicate_insert_select": "force_enable",
}
_COLUMNS = (
    "topic, incarnation, partition, first, next, done, claim_id, worker, claimed_at,"
    " clock, rules, records, rejects, months, last_offset, last_checksum"
)

#: Condition on a row of `claims` or `backfill_claims`: of the incarnation in force. What an older one left open nobody
#: can finish, and nobody has to wait for.
IN_FORCE = (
    "incarnation = (SELECT mapFromArrays(groupArray(name), groupArray(newest)) FROM"
    " (SELECT toString(topic) AS name, max(incarnation) AS newest FROM incarnations GROUP BY name)"
    ")[splitByChar('@', toString(topic))[1]]"
)


@dataclass(frozen=True, slots=True)
class Log:
    """One life of one partition: the unit that claims, tokens and receipts speak of."""

    topic: str
    incarnation: int
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.incarnation}/{self.partition}"


@dataclass(frozen=True, slots=True)
class Claim:
    """The right, and the duty, to count offsets [first, next) of `log`.

    `clock` is unix seconds; `rules` a rules version; `months` are YYYYMM; `last_offset` is -1 where the range
    holds no record. `claimed_at` is the server's clock, set once the claim was read back.
    """

    log: Log
    first: int
    next: int
    claim_id: UUID
    worker: str
    clock: float
    rules: str
    records: int = 0
    rejects: int = 0
    months: tuple[int, ...] = ()
    last_offset: int = -1
    last_checksum: int = 0
    done: bool = False
    claimed_at: datetime | None = None

    @property
    def is_root(self) -> bool:
        """Whether this only records where the chain starts."""
        return self.first == self.next

    @property
    def token(self) -> str:
        """The insert token of the delta's rows."""
        return f"{self.log}/{self.first}-{self.next}"


class Judged(NamedTuple):
    """Offsets [first, next) that were counted under one claim: by which clock, and by which version of the rules."""

    first: int
    next: int
    clock: float
    rules: str


class Claims:
    """The tables `claims`, `rules` and `incarnations`. Methods block; errors of the client pass through."""

    #: Where the chains lie.
    table = "claims"

    def __init__(self, client: Client) -> None:
        self._client = client

    def incarnation(self, topic: str) -> int:
        """The life of `topic` that is in force (0 until one was started)."""
        return int(self._value("SELECT max(incarnation) FROM incarnations WHERE topic = {topic:String}", topic=topic))

    def start_incarnation(self, topic: str, reason: str) -> int:
        """Begin a new life of `topic`: its offsets start again. Returns its number."""
        number = self.incarnation(topic) + 1
        self._client.insert("incarnations", [[topic, number, reason]], column_names=["topic", "incarnation", "reason"])
        return number

    def keep_rules(self, version: str, text: str) -> None:
        """Record the text of a rules version."""
        if self.rules_text(version) is None:
            self._client.insert("rules", [[version, text]], column_names=["version", "text"])

    def rules_text(self, version: str) -> str | None:
        """The text of a rules version, None if it was never recorded."""
        rows = self._rows("SELECT any(text) FROM rules WHERE version = {v:String} HAVING count() > 0", v=version)
        return str(rows[0][0]) if rows else None

    def server_time(self) -> datetime:
        """ClickHouse's clock (aware, UTC, milliseconds)."""
        return _utc(self._value("SELECT now64(3, 'UTC')"))

    def counted(self) -> int:
        """Records of all finished claims, rejects included."""
        return int(self._value("SELECT sum(records) FROM claims WHERE done"))

    def last(self, log: Log) -> Claim | None:
        """The end of the chain, done or not; None where there is none."""
        rows = self._rows(
            f"SELECT {_COLUMNS} FROM {self.table} WHERE topic = {{topic:String}}"
            " AND incarnation = {incarnation:UInt32} AND partition = {partition:UInt32}"
            " ORDER BY first DESC, next DESC, done DESC LIMIT 1",
            **_where(log),
        )
        return _claim(rows[0]) if rows else None

    def judged(self, log: Log, first: int, next_: int) -> list[Judged]:
        """How the offsets of `log` in [first, next) that are counted were judged, in order."""
        rows = self._rows(
            "SELECT first, next, any(clock), any(rules) FROM claims WHERE topic = {topic:String}"
            " AND incarnation = {incarnation:UInt32} AND partition = {partition:UInt32} AND first < {end:UInt64}"
            " AND next > {begin:UInt64} AND next > first AND done = 1 GROUP BY first, next ORDER BY first",
            **_where(log),
            begin=max(0, first),
            end=next_,
        )
        return [Judged(*row) for row in rows]

    def history(self, topic: str) -> list[Claim]:
        """Every row of `topic` in all its lives: claims as they were made, and again as they were done."""
        return self._claims_where("topic = {t:String}", t=topic)

    def logs(self, topic: str) -> list[Log]:
        """The logs of `topic`, in all its lives, that have a chain."""
        rows = self._rows(
            f"SELECT DISTINCT topic, incarnation, partition FROM {self.table} WHERE topic = {{t:String}} ORDER BY ALL",
            t=topic,
        )
        return [Log(*row) for row in rows]

    def of_log(self, log: Log) -> list[Claim]:
        """Every row of one log."""
        condition = "topic = {topic:String} AND incarnation = {incarnation:UInt32} AND partition = {partition:UInt32}"
        return self._claims_where(condition, **_where(log))

    def begin(self, log: Log, start: int, worker: str, claim_id: UUID) -> Claim:
        """Record that the chain of `log` begins at offset `start`, unless it has begun. Returns its first claim.

        Of several workers that race here one wins, and all see its offset.
        """
        root = Claim(log, start, start, claim_id, worker, 0.0, "", done=True)
        for attempt in range(_MAX_TOKENS):
            self._insert(
                root,
                f"(SELECT count() FROM {self.table} WHERE topic = {{topic:String}}"
                " AND incarnation = {incarnation:UInt32} AND partition = {partition:UInt32}) = 0",
                f"claim/{log}/root/{attempt}",
            )
            if found := self._patiently(lambda: self.last(log)):
                return found
        raise ClaimLost(f"the chain of {log} cannot be begun: ClickHouse confirms rows that it does not keep")

    def claim(self, claim: Claim, tail: Claim) -> Claim:
        """Extend the chain after `tail` by `claim`. Returns it with the server's `claimed_at`.

        Idempotent for the same claim. Raises ClaimLost where the chain has moved on or somebody else was first.
        """
        if not claim.first == tail.next < claim.next:
            raise ValueError(f"claim [{claim.first}, {claim.next}) does not follow [{tail.first}, {tail.next})")
        for attempt in range(_MAX_TOKENS):
            # The guard refuses whoever is behind, however late; the token decides between two at the same place.
            self._insert(
                claim,
                f"(SELECT (next, done) FROM {self.table} WHERE topic = {{topic:String}}"
                " AND incarnation = {incarnation:UInt32}"
                " AND partition = {partition:UInt32} AND first >= {tail:UInt64}"
                " ORDER BY next DESC, done DESC LIMIT 1) = ({first:UInt64}, 1)",
                f"claim/{claim.log}/{claim.first}/{attempt}",
                tail=tail.first,
            )
            found = self._patiently(lambda: self._at(claim.log, claim.first))
            if found is None:
                last = self.last(claim.log)
                if last is None or last.next != claim.first or not last.done:
                    raise ClaimLost(f"the claims of {claim.log} do not end at {claim.first}: the partition has moved")
                continue  # The token was kept but the row was lost: nobody can use this token any more.
            if found.claim_id != claim.claim_id or found.next != claim.next:
                raise ClaimLost(f"[{claim.first}, {claim.next}) of {claim.log} was claimed by {found.worker}")
            return replace(claim, claimed_at=found.claimed_at)
        raise ClaimLost(
            f"{claim.log} cannot be claimed at {claim.first}: ClickHouse confirms rows that it does not keep"
        )

    def done(self, claim: Claim) -> Claim:
        """Record that every row of `claim` has landed. Returns it as done.

        Idempotent. Raises ClaimLost where ClickHouse does not keep the row.
        """
        finished = replace(claim, done=True)
        for attempt in range(_MAX_TOKENS):
            self._insert(finished, "1", f"done/{claim.token}/{attempt}")
            # A token whose row was lost would keep the claim open for ever: nobody could use it again.
            if self._patiently(lambda: self._at(claim.log, claim.first, done=True)):
                return finished
        raise ClaimLost(f"{claim.token} cannot be finished: ClickHouse confirms rows that it does not keep")

    def prune(self, tail: Claim, kept_days: float, kept_offsets: int = 0) -> None:
        """Forget claims before `tail` that are older than `kept_days` days. The end of a chain is never touched.

        Nor are claims that have any of the `kept_offsets` offsets before `tail`.
        Which rules they were counted with stays in `rules_used`.
        """
        # One moment for both statements: just what is deleted is summed up, whatever becomes of the claims that stay.
        before = self.server_time() - timedelta(days=kept_days)
        old = _where(tail.log) | {
            "first": tail.first,
            "kept": kept_offsets,
            "before": round(before.timestamp() * 1000),
        }
        condition = (
            "WHERE topic = {topic:String} AND incarnation = {incarnation:UInt32} AND partition = {partition:UInt32}"
            " AND next + {kept:UInt64} <= {first:UInt64}"
            " AND claimed_at < fromUnixTimestamp64Milli({before:Int64}, 'UTC')"
        )
        # Minima and maxima: to sum up the same claims again changes nothing.
        self._client.command(
            "INSERT INTO rules_used SELECT topic, incarnation, partition, rules,"
            f" min(clock), max(clock), min(first), max(next) FROM claims {condition} AND records > 0"
            " GROUP BY topic, incarnation, partition, rules",
            parameters=old,
            settings={"async_insert": 0},
        )
        self._client.command(f"DELETE FROM claims {condition}", parameters=old)

    def _claims_where(self, condition: str, **parameters: object) -> list[Claim]:
        return [
            _claim(row) for row in self._rows(f"SELECT {_COLUMNS} FROM {self.table} WHERE {condition}", **parameters)
        ]

    def _at(self, log: Log, first: int, done: bool = False) -> Claim | None:
        rows = self._rows(
            f"SELECT {_COLUMNS} FROM {self.table} WHERE topic = {{topic:String}}"
            " AND incarnation = {incarnation:UInt32} AND partition = {partition:UInt32} AND first = {first:UInt64}"
            " AND next > first AND done >= {done:UInt8}"
            " ORDER BY done, claimed_at DESC, claim_id LIMIT 1",
            **_where(log),
            first=first,
            done=int(done),
        )
        return _claim(rows[0]) if rows else None

    def _patiently(self, look: Any) -> Claim | None:
        deadline = time.monotonic() + _READ_BACK_PATIENCE_S
        while (found := look()) is None and time.monotonic() < deadline:
            time.sleep(0.05)
        return found  # type: ignore[no-any-return]

    def _insert(self, claim: Claim, guard: str, token: str, **parameters: object) -> None:
        values = {
            "first": ("UInt64", claim.first),
            "next": ("UInt64", claim.next),
            "done": ("UInt8", int(claim.done)),
            "claim_id": ("UUID", str(claim.claim_id)),
            "worker": ("String", claim.worker),
            "clock": ("Float64", claim.clock),
            "rules": ("String", claim.rules),
            "records": ("UInt64", claim.records),
            "rejects": ("UInt64", claim.rejects),
            "months": ("Array(UInt32)", list(claim.months)),
            "last_offset": ("Int64", claim.last_offset),
            "last_checksum": ("UInt32", claim.last_checksum),
        }
        self._client.command(
            f"INSERT INTO {self.table} (topic, incarnation, partition, {', '.join(values)})"
            " SELECT {topic:String}, {incarnation:UInt32}, {partition:UInt32}, "
            + ", ".join(f"{{{name}:{kind}}}" for name, (kind, _) in values.items())
            + f" WHERE {guard}",
            parameters={
                **_where(claim.log),
                **{name: value for name, (_, value) in values.items()},
                **parameters,
            },
            settings={**_DEDUPLICATE, "insert_deduplication_token": token},
        )

    def _rows(self, query: str, **parameters: object) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self._client.query(query, parameters=parameters).result_rows]

    def _value(self, query: str, **parameters: object) -> Any:
        return self._rows(query, **parameters)[0][0]


def _where(log: Log) -> dict[str, object]:
    return {"topic": log.topic, "incarnation": log.incarnation, "partition": log.partition}


def _claim(row: tuple[Any, ...]) -> Claim:
    (topic, incarnation, partition, first, next_, done, claim_id, worker, claimed_at, clock, rules) = row[:11]
    records, rejects, months, last_offset, last_checksum = row[11:]
    return Claim(
        Log(topic, incarnation, partition), first, next_, claim_id, worker, clock, rules, records, rejects,
        tuple(months), last_offset, last_checksum, bool(done), _utc(claimed_at),
    )  # fmt: skip


def _utc(moment: datetime) -> datetime:
    # The client gives UTC without saying so; the zone of this machine must not be read into it.
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
