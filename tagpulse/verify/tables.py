"""What ClickHouse holds: claims, rules, counts with their receipts, rejects."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from clickhouse_connect.driver.exceptions import ClickHouseError

from schemas.topics import EventType
from sinks.analytics import Grain
from sinks.backfills import BackfillClaims
from sinks.claims import Claim, Claims, Log
from sinks.client import first_line
from sinks.delta import RECEIPT
from sinks.errors import QueryError
from streams.rules import Rules
from tagpulse.verify.chain import Chain, chains
from tagpulse.verify.compare import Found, Receipt
from tagpulse.verify.group import Group, Had
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
    OR (event_type = {receipt:String}
        AND (startsWith(hashtag, concat({topic:String}, '/')) OR startsWith(hashtag, concat({topic:String}, '@'))))
GROUP BY event_type, country, hashtag, sticker, begin
"""
_REJECTS = """
SELECT offset, any(reason), any(field)
FROM rejected_events
WHERE topic = {topic:String} AND incarnation = {incarnation:UInt32} AND partition = {partition:UInt32}
    AND offset >= {first:UInt64} AND offset < {next:UInt64}
GROUP BY offset
"""


#: The version of decoding of rules with something that this build does not know.
_UNKNOWN = -1


class _Readable(msgspec.Struct):
    """What can be read of the rules of any build."""

    max_future_s: int = 600
    tag_groups: dict[str, tuple[str, ...]] = {}


class Tables:
    """Reads through `client`. Methods block; they raise QueryError where ClickHouse refuses."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._claims, self._backfills = Claims(client), BackfillClaims(client)
        self._rules: dict[str, Rules] = {}

    def chains(self, topic: str) -> dict[Log, Chain]:
        """All chains of the topic, of all its lives, and those of its backfills, as they are now."""
        return self._asked(lambda: chains([*self._backfills.of_topic(topic), *self._claims.history(topic)]))

    def logs(self, topic: str) -> list[Log]:
        """The logs of the topic in its life of now that anything was counted of."""
        now = self.incarnation(topic)
        return [log for log in self._asked(lambda: self._claims.logs(topic)) if log.incarnation == now]

    def chain(self, log: Log) -> Chain:
        """The chain of one log, as it is now."""
        return self._asked(lambda: chains(self._claims.of_log(log))).get(log) or Chain(log)

    def backfills(self, topic: str) -> dict[Log, Chain]:
        """The chains of all backfills of the topic."""
        return self._asked(lambda: chains(self._backfills.of_topic(topic)))

    def incarnation(self, topic: str) -> int:
        """The life of the topic that is in force."""
        return self._asked(lambda: self._claims.incarnation(topic))

    def rules(self, claim: Claim) -> Rules | None:
        """The rules that `claim` was counted by; None where this build cannot repeat them."""
        rules = self.any_rules(claim)
        return rules if repeatable(rules) else None

    def any_rules(self, claim: Claim) -> Rules:
        """The rules that `claim` was counted by, as far as this build can read them. Not all are `repeatable`."""
        return self._rules_of(claim.rules)

    def forgotten_until(self, log: Log, group: Group) -> float:
        """The latest time of events in forgotten claims of `log` that were counted without `group`, 0 for none."""
        query = (
            "SELECT rules, max(last_clock) FROM rules_used WHERE topic = {topic:String}"
            " AND incarnation = {incarnation:UInt32} AND partition = {partition:UInt32} GROUP BY rules"
        )
        where = {"topic": log.topic, "incarnation": log.incarnation, "partition": log.partition}
        used = [(self._rules_of(version), clock) for version, clock in self._rows(query, where)]
        ends = [clock + rules.max_future_s for rules, clock in used if group.had(rules) is not Had.THESE]
        return max(ends, default=0.0)

    def most_future_s(self) -> int:
        """The greatest max_future_s that anything was counted by."""
        ((most,),) = self._rows("SELECT max(JSONExtractUInt(text, 'max_future_s')) FROM rules", {})
        return int(most)

    def _rules_of(self, version: str) -> Rules:
        if version not in self._rules:
            self._rules[version] = _parsed(self._asked(lambda: self._claims.rules_text(version)))
        return self._rules[version]

    def counts(self, event_type: EventType, topic: str, grain: Grain, span: Span) -> Found:
        """All counts of one event type in `span`, with the receipts of its topic and backfills, of one moment."""
        found = Found()
        parameters = {
            "table": f"engagement_{grain.value}",
            "receipt": RECEIPT,
            "event": event_type.value,
            "topic": topic,
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


def repeatable(rules: Rules) -> bool:
    """Whether this build counts by `rules` as those who did."""
    ours = Rules()
    return (rules.decoding, rules.unicode) == (ours.decoding, ours.unicode)


def _parsed(text: str | None) -> Rules:
    try:
        return Rules.parse(text or "")
    except ValueError:  # msgspec's errors are
        pass
    try:
        known = msgspec.json.decode(text or "{}", type=_Readable)
    except ValueError:
        known = _Readable()
    groups = {name: tuple(tags) for name, tags in known.tag_groups.items()}
    return Rules(decoding=_UNKNOWN, max_future_s=known.max_future_s, tag_groups=groups)


def _log(name: str) -> Log:
    topic, incarnation, partition = name.rsplit("/", 2)
    return Log(topic, int(incarnation), int(partition))
