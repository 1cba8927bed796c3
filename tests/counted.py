"""Events counted into ClickHouse the way a worker does it, at a clock and by rules that the test chooses."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from schemas.topics import TOPICS
from sinks.claims import Claim, Log
from sinks.names import Names
from sinks.writer import Writer, WriterSettings
from streams.batch import RecordBatch
from streams.counters import PythonCounter
from streams.partition import Delta
from streams.rules import Rules

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_KEPT = 36_500


def count(client: Client, events: Iterable[Mapping[str, Any]], clock: datetime, rules: Rules) -> list[Claim]:
    """Count `events`, each of a `type`, as one delta for each topic. Returns the finished claims."""
    writer, names, claims = Writer(client, WriterSettings(minute_days=_KEPT, hour_days=_KEPT)), Names(client), []
    found = list(events)
    writer.keep_rules(rules.version, rules.text)
    for topic in TOPICS:
        values = [json.dumps(event).encode() for event in found if event["type"] == topic.event_type.value]
        tail = writer.chain_end(Log(topic.name, 0, 0), 0, "test", uuid4())
        if not values:
            continue
        delta = Delta(tail.next, clock.timestamp(), PythonCounter(topic.event_type, rules))
        offsets = range(tail.next, tail.next + len(values))
        names.see(
            delta.add(RecordBatch(topic.name, 0, 1, tail.next, tail.next + len(values), offsets, values)).display_forms
        )
        assert not delta.counts.rejects
        rows = delta.counts.rows()
        claims.append(writer.write(delta.claim(tail.log, "test", rules.version, rows.months()), tail, rows))
    names.write()
    return claims
