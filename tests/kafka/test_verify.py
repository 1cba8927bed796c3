"""tagpulse verify on the logs that only Apache Kafka has: with gaps, and with records that are gone."""

from __future__ import annotations

import asyncio

import pytest

from schemas.topics import EventType, topic_for
from tests.e2e.commands import answer, found_against
from tests.e2e.damage import added
from tests.e2e.harness import Stack
from tests.kafka import by_hand
from tests.kafka.admin import remove_before, send_keyed
from tests.kafka.claims import counted_to
from tests.kafka.sample import records, views
from tests.kafka.transactions import send_lots, transactional

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

VIEWS = topic_for(EventType.VIDEO_VIEW).name
MARKER = 1
"""Offsets that the end of a transaction takes in each partition."""


def test_a_log_with_transactions_is_recounted(busy: Stack) -> None:
    asyncio.run(send_lots(busy, [records(160 + n, 300) for n in range(6)]))
    busy.check()
    report = answer(busy, "verify")
    assert not found_against(report)
    assert not [topic["not_recounted"] for topic in report["topics"] if topic["not_recounted"]]
    assert sum(topic["records"] for topic in report["topics"]) == busy.ledger.sent
    assert sum(topic["rejects"] for topic in report["topics"]) == len(busy.ledger.rejects)
    truth = busy.ledger.settle()
    for grain, keys in truth.events.items():
        compared = sum(topic["tables"][grain]["keys_compared_exactly"] for topic in report["topics"])
        assert compared == len(keys) > 100
    key = next(key for key in truth.events["minute"] if key[0] == "video_view" and key[2])
    with added(busy, "engagement_minute", {key: 1}, 1):
        (topic,) = answer(busy, "verify", "--topic", VIEWS, code=1)["topics"]
    ((kind, said),) = [(one["kind"], one["found"] - one["truth"]) for one in topic["keys"]]
    assert (kind, said) == ("extra", 1)


def test_what_retention_removed_is_named_and_the_rest_compared(idle: Stack) -> None:
    """Also where a claim that held no record, only an aborted transaction, is removed."""
    worker = by_hand.start(idle, "verified")
    idle.sender.send(views(170, 400))
    idle.check()
    gap = counted_to(idle, VIEWS)
    asyncio.run(abort(idle, 50))
    removed_to = gap + 50 + MARKER + 300
    idle.wait_for(lambda: counted_to(idle, VIEWS) == gap + 50 + MARKER, "the aborted transaction is claimed")
    idle.sender.send(views(171, 300))
    idle.check()
    idle.sender.send(views(172, 500))
    idle.check()
    by_hand.end(idle, worker)
    remove_before(idle, VIEWS, 0, removed_to)
    report = answer(idle, "verify", "--topic", VIEWS, code=2)
    assert not found_against(report)
    (topic,) = report["topics"]
    assert topic["records"] == 500
    assert topic["not_recounted"][-1]["next"] == removed_to
    assert f"the log begins at {removed_to}" in topic["not_recounted"][-1]["why"]
    key = next(key for key in idle.ledger.settle().events["day"] if key[0] == "video_view")
    there = idle.ledger.settle().events["day"][key]
    with added(idle, "engagement_day", {key: there}, -1):
        answer(idle, "verify", "--topic", VIEWS, code=1)


async def abort(stack: Stack, number: int) -> None:
    """Send views in a transaction that comes to nothing."""
    async with transactional(stack, "aborting") as producer:
        await producer.begin_transaction()
        await send_keyed(producer, VIEWS, [(None, record) for record in views(173, number)], 0)
        await producer.abort_transaction()
