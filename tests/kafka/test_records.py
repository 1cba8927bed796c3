"""What only a whole Kafka has: transactions, records of many megabytes, partitions that are added."""

from __future__ import annotations

import asyncio
import re
from functools import partial

import pytest

from tests.e2e.harness import Stack
from tests.e2e.ledger import Record
from tests.kafka.admin import add_partitions, configure, send_keyed
from tests.kafka.conftest import Shown
from tests.kafka.sample import records, views
from tests.kafka.transactions import send_lots, transactional

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]


def test_aborted_transactions_are_not_counted(busy: Stack, shown: Shown) -> None:
    """Two producers take turns within one partition; a worker dies half-way, and recounts over the gaps."""
    stack = busy
    before = gaps_and_records(stack)
    lots = [records(70 + n, 300) for n in range(24)]
    with shown(stack) as faults:
        asyncio.run(send_lots(stack, lots[:12]))
        for worker in stack.workers():
            worker.kill()
        asyncio.run(send_lots(stack, lots[12:]))
        faults["SIGKILL of all workers"] += 1
        faults["aborted transactions"] += 2 * len(lots) // 3
    gaps, counted = (after - first for after, first in zip(gaps_and_records(stack), before, strict=True))
    assert gaps > counted / 3, "a third of the records was aborted, and each transaction left a marker"


def gaps_and_records(stack: Stack) -> tuple[int, int]:
    """Offsets claimed that hold no record for readers, and records counted."""
    ((gaps, counted),) = stack.rows("SELECT sum(next - first) - sum(records), sum(records) FROM claims WHERE done")
    return int(gaps), int(counted)


def test_an_open_transaction_holds_readers_back_and_nothing_else(busy: Stack, shown: Shown) -> None:
    stack = busy
    before = stack.counted()
    held, behind = views(95, 50), views(96, 500)

    async def hold() -> None:
        async with transactional(stack, "slow") as slow:
            await slow.begin_transaction()
            noted = await send_keyed(slow, "video-views", [(None, record) for record in held], 0)
            await asyncio.to_thread(partial(stack.sender.send, behind, partition=0))
            await asyncio.to_thread(replace_workers, stack)
            assert stack.counted() == before
            await slow.commit_transaction()
            stack.ledger.note(noted)

    with shown(stack) as faults:
        asyncio.run(hold())
        faults["SIGKILL of all workers behind an open transaction"] += 1


def replace_workers(stack: Stack) -> None:
    """Workers that take over find the end of the log where readers must stop."""
    workers = stack.workers()
    started = starts(stack)
    for worker in workers:
        worker.kill()
    stack.wait_for(lambda: starts(stack) == started + len(workers), "other workers have taken over")


def starts(stack: Stack) -> int:
    """How often a worker became ready."""
    return len(re.findall(r"^worker-\d+: ready$", stack.messages.read_text(), re.MULTILINE))


def test_records_of_any_size_are_kept_or_counted(busy: Stack, shown: Shown) -> None:
    stack = busy
    configure(stack, "topic", "video-views", max_message_bytes="6000000")
    # Around what a fetch brings per partition, what Kafka takes by default, and far above both.
    sizes = (256 * 1024, 1_000_000, 1024 * 1024 - 80, 1024 * 1024, 1024 * 1024 + 1, 5_000_000)
    neighbours = iter(views(97, 10 * len(sizes) + 10))
    mixed = [next(neighbours) for _ in range(10)]
    for size in sizes:
        mixed.append(Record("video_view", large(size), None, "too_large"))
        mixed += [next(neighbours) for _ in range(10)]
    with shown(stack) as faults:
        stack.sender.send(mixed, partition=0)
        faults["records too large"] += len(sizes)


def large(size: int) -> bytes:
    """An event of more than `size` bytes, which would be counted but for that."""
    head = b'{"type":"video_view","ts":"2026-01-05T12:00:00Z","video_id":"77","padding":"'
    return head + b"x" * size + b'"}'


def test_partitions_added_under_a_worker_are_counted(busy: Stack, shown: Shown) -> None:
    stack = busy
    stack.sender.send(records(98, 2_000))
    stack.check()
    with shown(stack) as faults, stack.sender.flow(records(99, 2_000), per_second=500):
        add_partitions(stack, "video-views", 7)
        faults["partitions added"] += 3
        stack.sender.send(views(100, 1_000), partition=6)
        stack.sender.send(views(101, 1_000), partition=4)
        stack.wait_for(lambda: counted_of_views(stack) >= {4, 6}, "the new partitions are counted")


def counted_of_views(stack: Stack) -> set[int]:
    rows = stack.rows("SELECT partition FROM claims WHERE topic = 'video-views' AND done AND records > 0")
    return {partition for (partition,) in rows}
