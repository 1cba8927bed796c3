"""What must hold once all faults have stopped: every record counted exactly once, in every table."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from itertools import product
from typing import Any

from sinks.delta import month_begin, next_month
from tests.simulation.kafka import LONG_TAG, TOPIC, Kafka, PartitionLog
from tests.simulation.storage import Storage

_TABLES = ("engagement_minute", "engagement_hour", "engagement_day")
_LOG = "topic = :topic AND incarnation = :incarnation AND partition = :partition"


class Violation(AssertionError):
    """A promise of the protocol was broken."""


def finished(storage: Storage, kafka: Kafka) -> bool:
    """Whether every log of today has been counted to its end."""
    statement = f"SELECT next, done FROM claims WHERE {_LOG} ORDER BY first DESC, next DESC, done DESC LIMIT 1"
    return all(storage.rows(statement, _where(log)) == [(log.end, 1)] for log in kafka.logs)


def check_claim(storage: Storage, row: Mapping[str, Any]) -> None:
    """Raise Violation where a claim is said to be done before all of its receipts are there."""
    if not row["done"]:
        return
    name = f"{row['topic']}/{row['incarnation']}/{row['partition']}"
    for month, table in product(json.loads(row["months"]), _TABLES):
        begin, end = month_begin(month).timestamp(), month_begin(next_month(month)).timestamp()
        statement = (
            f"SELECT max(landed) FROM {table} WHERE event_type = '__receipt' AND hashtag = :log"
            " AND window_start >= :begin AND window_start < :end"
        )
        landed = storage.rows(statement, {"log": name, "begin": begin, "end": end})[0][0]
        if (landed or 0) < row["next"]:
            raise Violation(f"{name}: [{row['first']}, {row['next']}) is done, but {table} lacks {month}")


def check(storage: Storage, kafka: Kafka) -> None:
    """Raise Violation, naming all that is wrong, unless everything is."""
    wrong = [problem for life in kafka.lives for log in life for problem in _problems(storage, log)]
    wrong += _totals(storage, kafka)
    if wrong:
        raise Violation("\n".join(wrong))


def _problems(storage: Storage, log: PartitionLog) -> list[str]:
    return _chain(storage, log) + _records(storage, log) + _duplicates(storage, log) + _receipts(storage, log)


def _chain(storage: Storage, log: PartitionLog) -> list[str]:
    claims = sorted(storage.rows(f"SELECT DISTINCT first, next FROM claims WHERE {_LOG}", _where(log)))
    done = set(storage.rows(f"SELECT first, next FROM claims WHERE {_LOG} AND done = 1", _where(log)))
    wrong = []
    if [first for first, _ in claims] != [log.begin, *(next_ for _, next_ in claims[:-1])] or claims[-1][1] != log.end:
        wrong.append(f"{_name(log)}: the claims {claims} are no chain from {log.begin} to {log.end}")
    if done != set(claims):
        wrong.append(f"{_name(log)}: {set(claims) - done} are not done")
    return wrong


def _records(storage: Storage, log: PartitionLog) -> list[str]:
    rejected = {n for (n,) in storage.rows(f"SELECT offset FROM rejected_events WHERE {_LOG}", _where(log))}
    counted = {
        table: dict(
            storage.rows(
                f"SELECT hashtag, sum(events) FROM {table} WHERE event_type = 'video_creation' GROUP BY hashtag"
            )
        )
        for table in _TABLES
    }
    wrong = []
    for offset, value in log.records.items():
        tag = log.tag(offset)
        found = [counted[table].get(tag, 0) for table in _TABLES]
        wanted = 0 if offset in rejected else 1
        if found != [wanted] * 3 or (value.startswith(b"not JSON") and wanted):
            wrong.append(f"{_name(log)}: the record at {offset} was counted {found} times, {wanted} would be right")
        if len({counted[table].get(tag + LONG_TAG, 0) for table in _TABLES}) > 1:
            wrong.append(f"{_name(log)}: the record at {offset} was counted by several rules")
    if rejected - log.records.keys():
        wrong.append(f"{_name(log)}: rejects without a record: {rejected - log.records.keys()}")
    return wrong


def _duplicates(storage: Storage, log: PartitionLog) -> list[str]:
    """What was left out as a duplicate, and what was not, by the rules of the claim it was counted in."""
    if not log.repeats:
        return []
    reasons = dict(storage.rows(f"SELECT offset, reason FROM rejected_events WHERE {_LOG}", _where(log)))
    reaches = {
        version: json.loads(text).get("dedup_records", 0)
        for version, text in storage.rows("SELECT version, text FROM rules")
    }
    claims = storage.rows(f"SELECT DISTINCT first, next, rules FROM claims WHERE {_LOG} AND next > first", _where(log))
    reach_at = {offset: reaches[rules] for first, next_, rules in claims for offset in range(first, next_)}
    # What could be counted by itself.
    seen = [offset for offset in sorted(log.records) if reasons.get(offset, "duplicate") == "duplicate"]
    ids = {offset: json.loads(log.records[offset]).get("event_id") for offset in seen}
    wrong = []
    for offset in seen:
        before = range(offset - reach_at[offset], offset)
        again = ids[offset] is not None and any(ids.get(other) == ids[offset] for other in before)
        if again != (offset in reasons):
            wrong.append(f"{_name(log)}: whether {offset} is a duplicate: {again}, and was taken for {not again}")
    return wrong


def _receipts(storage: Storage, log: PartitionLog) -> list[str]:
    claims = storage.rows(f"SELECT DISTINCT first, records, months FROM claims WHERE {_LOG} AND done = 1", _where(log))
    claimed = sum(records * len(months) for _, records, months in claims)
    wrong = []
    for table in _TABLES:
        statement = f"SELECT sum(events) FROM {table} WHERE event_type = '__receipt' AND hashtag = :log"
        landed = storage.rows(statement, {"log": _name(log)})[0][0] or 0
        if landed != claimed:
            wrong.append(f"{_name(log)}: the receipts of {table} add up to {landed}, the claims to {claimed}")
    return wrong


def _totals(storage: Storage, kafka: Kafka) -> list[str]:
    records = sum(len(log.records) for life in kafka.lives for log in life)
    rejects = len(set(storage.rows("SELECT topic, incarnation, partition, offset FROM rejected_events")))
    found = Counter(
        {
            table: storage.rows(
                f"SELECT sum(events) FROM {table} WHERE event_type = 'video_creation' AND hashtag = ''"
            )[0][0]
            or 0
            for table in _TABLES
        }
    )
    return [
        f"{table} has {events} events in all, there are {records - rejects}"
        for table, events in found.items()
        if events != records - rejects
    ]


def _where(log: PartitionLog) -> dict[str, object]:
    return {"topic": TOPIC, "incarnation": log.incarnation, "partition": log.number}


def _name(log: PartitionLog) -> str:
    return f"{TOPIC}/{log.incarnation}/{log.number}"
