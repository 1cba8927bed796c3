"""Logs that change behind the worker's back: retention, compaction, topics made again, groups forgotten.

Each test starts a worker of its own when the log is as it wants it.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from schemas.topics import TOPICS
from tests.e2e.harness import Stack
from tests.e2e.ledger import Record
from tests.faults.plan import Plan
from tests.faults.rig import PLANNED_WORKER
from tests.kafka import by_hand
from tests.kafka.admin import (
    commit_for_group,
    configure,
    forget_group,
    make_again,
    read,
    remove_before,
    send_keyed,
)
from tests.kafka.claims import counted_to, incarnation
from tests.kafka.conftest import MakeStack, Shown
from tests.kafka.sample import records, views

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

SOURCES = Path(__file__).parents[2]
VIEWS = "video-views"
RESET = f"`tagpulse topics reset {VIEWS}`"


def test_a_group_forgotten_or_set_back_changes_nothing(idle: Stack, shown: Shown) -> None:
    """Where counting goes on is read from the claims alone."""
    stack = idle
    with shown(stack) as faults:
        count_all(stack, "before", records(110, 2_000))
        forget_group(stack)
        faults["group deleted"] += 1
        count_all(stack, "after-deletion", records(111, 2_000))
        for topic, offset in zip(TOPICS, (0, 10, 10_000_000), strict=True):
            commit_for_group(stack, topic.name, 0, offset)
            faults["group's offset set"] += 1
        count_all(stack, "after-commits", records(112, 2_000))


def test_a_session_that_kafka_does_not_take_is_named(idle: Stack) -> None:
    stack = idle
    said = by_hand.last_words(stack, "hasty", by_hand.start(stack, "hasty", TAGPULSE_KAFKA_SESSION_TIMEOUT_S="1"))
    assert "Set TAGPULSE_KAFKA_SESSION_TIMEOUT_S within" in said


def count_all(stack: Stack, name: str, some: list[Record]) -> None:
    """Send, count with a worker of that name, compare, end it."""
    stack.sender.send(some)
    worker = by_hand.start(stack, name)
    stack.check()
    by_hand.end(stack, worker)


def test_retention_of_what_was_counted_changes_nothing(idle: Stack, shown: Shown) -> None:
    stack = idle
    with shown(stack) as faults:
        stack.sender.send(views(113, 2_000))
        worker = by_hand.start(stack, "running")
        stack.check()
        remove_before(stack, VIEWS, 0, counted_to(stack, VIEWS) - 700)
        faults["records removed"] += 1
        stack.sender.send(views(114, 1_000))
        stack.check()
        by_hand.end(stack, worker)
        remove_before(stack, VIEWS, 0, counted_to(stack, VIEWS))
        faults["records removed"] += 1
        assert read(stack, VIEWS, 0) == {}
        count_all(stack, "nothing-was-left", views(116, 500))


def test_retention_of_what_was_not_counted_stops_the_worker(idle: Stack, shown: Shown) -> None:
    """A running worker, and one that starts later; `topics reset` then counts what is left."""
    stack = idle
    with shown(stack) as faults:
        stack.sender.send(views(117, 1_000))
        worker = by_hand.start(stack, "asleep")
        stack.check()
        counted = counted_to(stack, VIEWS)
        worker.send_signal(signal.SIGSTOP)
        lost = asyncio.run(send_unnoted(stack, [(None, record) for record in views(118, 600)]))
        remove_before(stack, VIEWS, 0, max(lost) + 1)
        faults["records removed"] += 1
        stack.sender.send(views(119, 400))
        worker.send_signal(signal.SIGCONT)
        assert "tagpulse topics reset" in by_hand.last_words(stack, "asleep", worker)
        said = by_hand.last_words(stack, "later", by_hand.start(stack, "later"))
        assert RESET in said
        assert f"must continue at offset {counted}, but the log begins at {counted + 600}" in said
        by_hand.tell(stack, "topics", "reset", VIEWS, "--yes")
        count_all(stack, "after-reset", views(120, 300))


def test_retention_of_what_was_claimed_stops_the_worker(make_stack: MakeStack, tmp_path: Path) -> None:
    """Its rows have landed, the claim is open, the records are gone: nobody goes on before `topics reset`."""
    stack, plan = make_stack(workers=0, partitions=1), Plan(tmp_path)
    planned = plan.add("kill", "inserted")
    dies = by_hand.start(stack, "dies", PLANNED_WORKER, FAULT_PLAN=str(plan.folder), PYTHONPATH=str(SOURCES))
    stack.sender.send(views(127, 500))
    stack.wait_for(lambda: plan.taken_by(planned) == dies.pid, "the rows of a claim have landed")
    dies.wait()
    ((first, next_),) = stack.rows("SELECT first, next FROM claims WHERE first < next AND NOT done")
    remove_before(stack, VIEWS, 0, next_)
    said = by_hand.last_words(stack, "later", by_hand.start(stack, "later"))
    assert RESET in said
    assert f"must continue at offset {first}, but the log begins at {next_}" in said
    by_hand.tell(stack, "topics", "reset", VIEWS, "--yes")
    worker = by_hand.start(stack, "after-reset")
    stack.sender.send(views(128, 300))
    stack.wait_for(lambda: counted_to(stack, VIEWS) == next_ + 300, "what came later is counted")
    by_hand.end(stack, worker)
    assert stack.ledger.lost_and_doubled(stack.client) == (0, 0)
    (left,) = stack.ledger.differences(stack.client)
    assert "is open" in left
    stack.stop()


async def send_unnoted(stack: Stack, keyed: Sequence[tuple[bytes | None, Record]]) -> dict[int, Record]:
    """Send views to partition 0. Returns them by offset."""
    async with AIOKafkaProducer(bootstrap_servers=stack.ready["kafka"], enable_idempotence=True) as producer:
        return {place[2]: record for record, place in await send_keyed(producer, VIEWS, keyed, 0)}


def test_a_topic_made_again_stops_the_worker(idle: Stack, shown: Shown) -> None:
    """Until `topics reset` says that it is meant: then the new log is counted from its beginning."""
    stack = idle
    with shown(stack) as faults:
        before = incarnation(stack, VIEWS)
        count_all(stack, "before", views(121, 700))
        make_again(stack, VIEWS, 1)
        assert RESET in by_hand.last_words(stack, "empty", by_hand.start(stack, "empty"))
        by_hand.tell(stack, "topics", "reset", VIEWS, "--yes")
        running = by_hand.start(stack, "running")
        stack.sender.send(views(122, 700))
        stack.check()
        make_again(stack, VIEWS, 1)
        stack.sender.send(views(123, 300))
        assert "tagpulse topics reset" in by_hand.last_words(stack, "running", running)
        by_hand.tell(stack, "topics", "reset", VIEWS, "--yes")
        count_all(stack, "between", views(124, 700))
        make_again(stack, VIEWS, 1)
        stack.sender.send(views(125, 5_000))
        assert RESET in by_hand.last_words(stack, "longer", by_hand.start(stack, "longer"))
        by_hand.tell(stack, "topics", "reset", VIEWS, "--yes")
        count_all(stack, "in-the-end", views(126, 700))
        faults["topic made again"] += 3
        assert incarnation(stack, VIEWS) == before + 3


def test_a_compacted_topic_is_counted_as_it_is_found(idle: Stack, shown: Shown) -> None:
    """What compaction removed before it was counted is not counted; what was counted may go."""
    stack = idle
    configure(stack, "broker", "1", log_cleaner_backoff_ms="200")
    with shown(stack) as faults:
        for life in range(2):
            first = counted_to(stack, VIEWS)
            compact(stack, "compact")
            sent: dict[int, Record] = {}
            for lot in range(3):
                keyed = [(b"%d" % (n % 150), record) for n, record in enumerate(views(130 + 10 * life + lot, 600))]
                sent |= asyncio.run(send_unnoted(stack, keyed))
                time.sleep(0.6)  # the next record opens another segment; the cleaner never touches the last one
            sent |= asyncio.run(send_unnoted(stack, keyed[:1]))
            stack.wait_for(lambda f=first: len([o for o in read(stack, VIEWS, 0) if o >= f]) < 800, "compaction")  # type: ignore[misc]
            faults["log compacted"] += 1
            compact(stack, "delete")
            left = read(stack, VIEWS, 0)
            stack.ledger.note((sent[offset], (VIEWS, 0, offset)) for offset in left if offset >= first)
            if life:
                assert counted_to(stack, VIEWS) - 1 not in left, "the record that was counted last is gone"
            worker = by_hand.start(stack, f"life-{life}")
            stack.check()
            by_hand.end(stack, worker)


def compact(stack: Stack, policy: str) -> None:
    """`compact`: with segments so short-lived that there is something to do at once. `delete`: leave all in place."""
    configure(stack, "topic", VIEWS, cleanup_policy=policy, segment_ms="500", min_cleanable_dirty_ratio="0.001")
