"""What ClickHouse holds: claims, rules, counts with their receipts, rejects."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas.topics import EventType
from sinks.analytics import Grain
from sinks.claims import Claim, Claims, Log
from sinks.client import first_line
from sinks.delta import RECEIPT
from sinks.errors import QueryError
from streams.rules import Rules
from tagpulse.verify.chain import Chain, chains
from tagpulse.verify.compare import Found, Receipt
from tagpulse.verify.recount import Rejected
from tagpulse.verify.windows import END_OF_TIME, Key, Span, month_of

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

T = TypeVar("T")

# One SELECT, so that receipts and counts are of one moment: a query sees the parts of the moment it began.
_COUNTS = """
SELECT event_type = {receipt:String} AS is_receipt, country, hashtag, sticker, toUnixTimestamp(window_start) AS begin,
    sum(events), max(landed), uniqCombined64Merge(14)(videos)
FROM {table:Identifier}
WHERE (event_type = {event:String} AND window_start >= toDateTime({since:UInt32}, 'UTC')
        AND window_start <= toDateTime({last:UInt32}, 'UTC'))
    OR (event_type = {receipt:String} AND startsWith(hashtag, {topic:String}))
GROUP BY event_type, country, hashtag, sticker, begin
"""
_REJECTS = """
SELECT offset, any(reason), any(field)
FROM rejected_events
WHERE topic = {topic:String} AND incarnation = {incarnation:UInt32} AND partition = {partition:UInt32}
    AND offset >= {first:UInt64} AND offset < {next:UInt64}
GROUP BY offset
"""


class Tables:
    """Reads through `client`. Methods block; they raise QueryError where ClickHouse refuses."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._claims = Claims(client)
        self._rules: dict[str, Rules | None] = {}

    def chains(self, topic: str) -> dict[Log, Chain]:
        """All chains of the topic, of all its lives, as they are now."""
        return self._asked(lambda: chains(self._claims.history(topic)))

    def incarnation(self, topic: str) -> int:
        """The life of the topic that is in force."""
        return self._asked(lambda: self._claims.incarnation(topic))

    def rules(self, claim: Claim) -> Rules | None:
        """The rules that `claim` was counted by; None where this build cannot repeat them."""
        if claim.rules not in self._rules:
            text = self._asked(lambda: self._claims.rules_text(claim.rules))
            self._rules[claim.rules] = _repeatable(text)
        return self._rules[claim.rules]

    def counts(self, event_type: EventType, topic: str, grain: Grain, span: Span) -> Found:
        """All counts of one event type in `span`, with the receipts of its topic, of one moment."""
        found = Found()
        parameters = {
            "table": f"engagement_{grain.value}",
            "receipt": RECEIPT,
            "event": event_type.value,
            "topic": f"{topic}/",
            "since": min(span.since, END_OF_TIME - 1),
            "last": max(0, span.until - 1),
        }
        for is_receipt, country, hashtag, sticker, begin, events, landed, videos in self._rows(_COUNTS, parameters):
            if is_receipt:
                log, month = _log(hashtag), month_of(begin)
                found.receipts[log, month] = Receipt(int(events), int(landed))
            elif begin in span:
                key = Key(country, hashtag, sticker, int(begin))
                found.events[key] = int(events)
                if event_type is EventType.STICKER_USE:
                    found.videos[key] = int(videos)
        return found

    def rejects(self, log: Log, first: int, next_: int) -> Mapping[int, Rejected]:
        """What stands in `rejected_events` of the offsets [first, next_) of a log."""
        where = {"topic": log.topic, "incarnation": log.incarnation, "partition": log.partition}
        rows = self._rows(_REJECTS, where | {"first": first, "next": next_})
        return {int(offset): Rejected(reason, field) for offset, reason, field in rows}

    def _rows(self, query: str, parameters: Mapping[str, object]) -> Iterator[tuple[Any, ...]]:
        try:
            with self._client.query_rows_stream(query, parameters=dict(parameters)) as stream:
                yield from stream
        except ClickHouseError as error:
            raise QueryError(f"ClickHouse refused to be read: {first_line(error)}") from error

    def _asked(self, question: Callable[[], T]) -> T:
        try:
            return question()
        except ClickHouseError as error:
            raise QueryError(f"ClickHouse refused to be read: {first_line(error)}") from error


def _repeatable(text: str | None) -> Rules | None:
    try:
        rules = Rules.parse(text or "")
    except ValueError:  # msgspec's errors are
        return None
    ours = Rules()
    return rules if (rules.decoding, rules.unicode) == (ours.decoding, ours.unicode) else None


def _log(name: str) -> Log:
    topic, incarnation, partition = name.rsplit("/", 2)
    return Log(topic, int(incarnation), int(partition))
