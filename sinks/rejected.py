"""Reads rejected records, with what became of their replays."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas.rejects import RejectReason
from sinks.client import first_line
from sinks.errors import QueryError

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


class Place(NamedTuple):
    """Where a rejected record lies, or lay, in Kafka."""

    topic: str
    incarnation: int
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.incarnation}/{self.partition}/{self.offset}"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rejects; "" and None are any. Times are of `rejected_at`, [since, until)."""

    reason: RejectReason | None = None
    topic: str = ""
    field: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class KeptReject:
    """A row of `rejected_events`. `raw` is the begin of the value, `length` and `sha256` are of the whole.

    `replay` is "" (never), "sent", "refused" or "unknown": sent perhaps, nobody came back to say.
    """

    place: Place
    reason: str
    field: str
    raw: bytes
    length: int
    sha256: str
    rejected_at: datetime
    replay: str

    @property
    def truncated(self) -> bool:
        """Whether `raw` is not the whole value."""
        return len(self.raw) < self.length


#: The state of a replayed place: a batch that was begun and not concluded makes it unknown.
STATE = """multiIf(countIf(state = 'sent') > 0, 'sent',
        countIf(state = 'sending') > countIf(state = 'refused'), 'unknown', 'refused')"""
_SELECT = """
SELECT topic, incarnation, partition, offset, reason, field, raw, length, sha256, rejected_at, replay
FROM
(
    SELECT topic, incarnation, partition, offset, reason, field, raw, length, sha256, rejected_at
    FROM rejected_events FINAL
    WHERE {conditions}
    ORDER BY {order}
    LIMIT {{limit:UInt64}}
) AS rejects
LEFT JOIN
(
    SELECT topic, incarnation, partition, offset, {state} AS replay
    FROM replayed_events
    GROUP BY topic, incarnation, partition, offset
) AS replays USING (topic, incarnation, partition, offset)
ORDER BY {order}
"""
_NEWEST_FIRST = "rejected_at DESC, topic, incarnation DESC, partition, offset DESC"


class RejectedEvents:
    """The table `rejected_events`. Methods block; they raise QueryError where ClickHouse refuses."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def find(self, wanted: Filter, limit: int) -> list[KeptReject]:
        """The newest rejects that `wanted` takes in, at most `limit`, newest first."""
        conditions, parameters = ["1"], dict[str, object](limit=limit)
        for name, value in (("reason", wanted.reason and wanted.reason.value), ("topic", wanted.topic)):
            if value:
                conditions.append(f"{name} = {{{name}:String}}")
                parameters[name] = value
        if wanted.field:
            conditions.append("field = {field:String}")
            parameters["field"] = wanted.field
        for name, sign, moment in (("since", ">=", wanted.since), ("until", "<", wanted.until)):
            if moment is not None:
                conditions.append(f"rejected_at {sign} fromUnixTimestamp64Milli({{{name}:Int64}}, 'UTC')")
                parameters[name] = round(moment.timestamp() * 1000)
        return self._ask(conditions, _NEWEST_FIRST, parameters)

    def at(self, topic: str, partition: int, offset: int, incarnation: int | None = None) -> KeptReject | None:
        """The reject at a place; of the youngest life of the topic that has one there, unless `incarnation` says."""
        conditions = ["topic = {topic:String}", "partition = {partition:UInt32}", "offset = {offset:UInt64}"]
        parameters: dict[str, object] = {"limit": 1, "topic": topic, "partition": partition, "offset": offset}
        if incarnation is not None:
            conditions.append("incarnation = {incarnation:UInt32}")
            parameters["incarnation"] = incarnation
        found = self._ask(conditions, "incarnation DESC", parameters)
        return found[0] if found else None

    def _ask(self, conditions: list[str], order: str, parameters: dict[str, object]) -> list[KeptReject]:
        query = _SELECT.format(conditions=" AND ".join(conditions), order=order, state=STATE)
        try:
            answer = self._client.query(query, parameters=parameters, column_formats={"raw": "bytes"})
        except ClickHouseError as error:
            raise QueryError(f"ClickHouse refused to list rejects: {first_line(error)}") from error
        return [_kept(row) for row in answer.result_rows]


def _kept(row: Any) -> KeptReject:
    topic, incarnation, partition, offset, reason, field, raw, length, sha256, rejected_at, replay = row
    at = rejected_at.replace(tzinfo=UTC) if rejected_at.tzinfo is None else rejected_at.astimezone(UTC)
    return KeptReject(Place(topic, incarnation, partition, offset), reason, field, raw, length, sha256, at, replay)
