"""Counts events into a database the way a worker does: decoded, counted, claimed, written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from schemas.topics import TOPICS, EventType
from sinks.claims import Log
from sinks.names import Names
from sinks.writer import Writer, WriterSettings
from streams.batch import RecordBatch
from streams.counters import PythonCounter
from streams.partition import Delta
from streams.rules import Rules

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

KEPT = 36_500


def count(client: Client, events: Iterable[tuple[EventType, Mapping[str, Any]]], rules: Rules, clock: float) -> None:
    """Write `events` as one delta per topic. `clock`: unix seconds, against which events in the future are judged."""
    writer, names = Writer(client, WriterSettings(minute_days=KEPT, hour_days=KEPT)), Names(client)
    found = list(events)
    for topic in TOPICS:
        values = [json.dumps(event).encode() for kind, event in found if kind is topic.event_type]
        tail = writer.chain_end(Log(topic.name, 1, 0), 0, "test", uuid4())
        delta = Delta(tail.next, clock, PythonCounter(topic.event_type, rules))
        end = tail.next + len(values)
        batch = RecordBatch(topic.name, 0, 1, tail.next, end, range(tail.next, end), values)
        names.see(delta.add(batch).display_forms)
        rows = delta.counts.rows()
        writer.write(delta.claim(tail.log, "test", rules.version, rows.months()), tail, rows)
    names.write()
