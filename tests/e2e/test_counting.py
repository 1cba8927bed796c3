"""Plain JSON from any producer becomes counts: every key, at every grain, compared with the truth."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from loadtest.events import Workload
from tests.brokers import on_both_brokers
from tests.e2e.harness import OLDEST, Stack
from tests.e2e.ledger import Record, plain_record

pytestmark = [pytest.mark.e2e, on_both_brokers]


def test_all_types_are_counted(stack: Stack) -> None:
    events = list(Workload(seed=1, until=datetime.now(UTC)).events(20_000))
    assert {event["type"] for event in events} == {"video_creation", "sticker_use", "video_view"}
    stack.sender.send([plain_record(event) for event in events])
    stack.check()
    assert stack.rows("SELECT count(DISTINCT worker) FROM claims WHERE first < next") == [(2,)]


@pytest.mark.parametrize("compression", ["gzip", "snappy", "lz4", "zstd"])
def test_compressed_batches_are_counted(stack: Stack, compression: str) -> None:
    events = Workload(seed=2, until=datetime.now(UTC)).events(3_000)
    stack.sender.send([plain_record(event) for event in events], compression=compression)
    stack.check()


def test_any_way_to_write_json_is_counted(stack: Stack) -> None:
    events = list(Workload(seed=3, until=datetime.now(UTC)).events(3_000))
    ways = [
        lambda e: json.dumps(e).encode(),  # spaces, escapes
        lambda e: json.dumps(e, ensure_ascii=False, indent=4).encode(),
        lambda e: json.dumps(dict(reversed(e.items())), separators=(",", ":")).encode() + b"\n",
        lambda e: json.dumps({k: v for k, v in e.items() if k not in ("schema", "type", "event_id")}).encode(),
    ]
    stack.sender.send([Record(e["type"], ways[n % len(ways)](e), e) for n, e in enumerate(events)])
    stack.check()


def test_one_batch_may_span_twenty_five_years(stack: Stack) -> None:
    """More months than the 100 partitions that ClickHouse takes in one insert by default."""
    days = (datetime.now(UTC) - OLDEST).days
    moments = [OLDEST + timedelta(days=days * n / 110, minutes=n) for n in range(110)]
    assert len({(moment.year, moment.month) for moment in moments}) == 110
    views = [e for e in Workload(seed=4, until=datetime.now(UTC)).events(1_000) if e["type"] == "video_view"]
    events = [view | {"ts": moments[n % 110].isoformat()} for n, view in enumerate(views)]
    stack.sender.send([plain_record(event) for event in events], partition=1)
    stack.check()
    years = stack.rows("SELECT count(DISTINCT toYear(window_start)) FROM engagement_minute")[0][0]
    assert years > 12
