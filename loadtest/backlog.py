"""A workload in record batches, built beforehand: what is left to do for it is to send them."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

from loadtest.peers.batches import Filler, Place
from loadtest.peers.truth import HashedTruth
from loadtest.peers.workload import Workload
from schemas.topics import EventType, topic_for


@dataclass
class Backlog:
    """All events of a workload, ready to be sent to the topics of the worker as often as need be."""

    events: int
    size: int = 0
    """Bytes of the values."""
    truth: HashedTruth = field(default_factory=HashedTruth)
    batches: defaultdict[Place, list[BatchBuilder]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def build(cls, workload: Workload, partitions: int, batch_bytes: int = 512 * 1024) -> Backlog:
        """Hold the workload in memory. Its events go to partitions by video id."""
        found, filler = cls(workload.number), Filler(partitions, batch_bytes)
        for event in workload.events():
            found.truth.add(event)
            found.size += len(event.value)
            place, full = filler.add(topic_for(EventType(event.event_type)).name, event)
            if full is not None:
                found.batches[place].append(full)
        for place, batch in filler.close():
            found.batches[place].append(batch)
        return found

    async def send(self, kafka: str) -> None:
        """Into topics that exist; returns when the broker has confirmed all."""
        async with AIOKafkaProducer(bootstrap_servers=kafka, acks="all", linger_ms=0) as producer:

            async def fill(place: Place, batches: list[BatchBuilder]) -> None:
                for batch in batches:
                    await (await producer.send_batch(batch, place[0], partition=place[1]))

            await asyncio.gather(*(fill(place, batches) for place, batches in self.batches.items()))
