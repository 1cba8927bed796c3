"""A bad record costs nobody but itself: it is kept with its reason, and its neighbours are counted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import chain

import pytest

from loadtest.events import Workload
from tests.brokers import on_both_brokers
from tests.e2e.harness import Stack
from tests.e2e.ledger import Record, plain_record
from tests.e2e.oddities import BAD, good

pytestmark = [pytest.mark.e2e, on_both_brokers]


def test_bad_records_are_kept_and_their_neighbours_counted(stack: Stack) -> None:
    events = Workload(seed=11, until=datetime.now(UTC)).events(10_000)
    neighbours: dict[str, list[Record]] = {kind: [] for kind in BAD}
    for event in events:
        neighbours[event["type"]].append(plain_record(event))
    records: list[Record] = []
    for kind, cases in BAD.items():
        for number, (_, value, reason, field) in enumerate(cases):
            bad = Record(kind, value, None, reason, field)
            records += [*neighbours[kind][3 * number : 3 * number + 3], bad]
    stack.sender.send(records, partition=2)
    stack.check()
    kept = stack.rows("SELECT reason, count() FROM rejected_events FINAL GROUP BY reason")
    assert len(kept) >= 12


def test_odd_records_are_counted(stack: Stack) -> None:
    moment = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=7)
    stack.sender.send([record for _, record in good(moment)])
    stack.check()


def test_bad_records_alone_are_kept(stack: Stack) -> None:
    """A delta without one count."""
    bad = [Record(kind, value, None, reason, field) for kind in BAD for _, value, reason, field in BAD[kind]]
    small = [record for record in bad if len(record.value or b"") < 1_000]
    stack.sender.send(list(chain.from_iterable([record] * 20 for record in small)), partition=3)
    stack.check()
