"""Producers that send in transactions, some of which they abort."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaProducer

from schemas.topics import EventType, topic_for
from tests.e2e.harness import Stack
from tests.e2e.ledger import Place, Record
from tests.kafka.admin import send_keyed


async def send_lots(stack: Stack, lots: Sequence[Sequence[Record]]) -> None:
    """Two producers take turns within partitions 0 and 1. A third of their transactions is aborted."""
    async with transactional(stack, "a") as one, transactional(stack, "b") as other:
        for number, lot in enumerate(lots):
            # The other's transaction stays open over this one's end: nobody may read past its first record.
            await other.begin_transaction()
            held = await send(other, lot[:100])
            await one.begin_transaction()
            sent = await send(one, lot[100:])
            if number % 3 == 0:
                await one.abort_transaction()
            else:
                await one.commit_transaction()
                stack.ledger.note(sent)
            if number % 3 == 1:
                await other.abort_transaction()
            else:
                await other.commit_transaction()
                stack.ledger.note(held)


@asynccontextmanager
async def transactional(stack: Stack, name: str) -> AsyncIterator[AIOKafkaProducer]:
    async with AIOKafkaProducer(bootstrap_servers=stack.ready["kafka"], transactional_id=name) as producer:
        yield producer


async def send(producer: AIOKafkaProducer, some: Sequence[Record]) -> list[tuple[Record, Place]]:
    """All over partitions 0 and 1 of each topic."""
    lots: defaultdict[tuple[str, int], list[tuple[bytes | None, Record]]] = defaultdict(list)
    for number, record in enumerate(some):
        lots[topic_for(EventType(record.event_type)).name, number % 2].append((None, record))
    sent = []
    for (topic, partition), keyed in lots.items():
        sent += await send_keyed(producer, topic, keyed, partition)
    return sent
