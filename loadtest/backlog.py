"""A workload in record batches, built beforehand: what is left to do for it is to send them."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

from loadtest.peers.truth import HashedTruth
from loadtest.peers.workload import Event, Workload
from schemas.topics import TOPICS, EventType, topic_for

Place = tuple[str, int]
"""Topic, partition."""

_BATCH_BYTES = 256 * 1024


class Filler:
    """Appends events to the open batch of their partition."""

    def __init__(self, partitions: int, batch_bytes: int = _BATCH_BYTES) -> None:
        self._partitions, self._bytes = partitions, batch_bytes
        self._open: dict[Place, BatchBuilder] = {}

    def add(self, event: Event) -> tuple[Place, BatchBuilder | None]:
        """Where the event went, and the batch there that was full before it, closed."""
        place = topic_for(EventType(event.event_type)).name, event.video_id % self._partitions
        batch = self._open.get(place)
        if batch is not None and self._append(batch, event):
            return place, None
        fresh = self._open[place] = BatchBuilder(self._bytes, 0)
        self._append(fresh, event)
        return place, batch

    def close(self) -> Iterator[tuple[Place, BatchBuilder]]:
        """The batches in hand, closed; none are left."""
        for place, batch in self._open.items():
            batch.close()
            yield place, batch
        self._open = {}

    def _append(self, batch: BatchBuilder, event: Event) -> bool:
        key = str(event.video_id).encode()
        return batch.append(timestamp=event.timestamp_ms, key=key, value=event.value) is not None


@dataclass
class Backlog:
    """All events of a workload, ready to be sent to the topics of the worker as often as need be."""

    events: int
    size: int = 0
    """Bytes of the values."""
    truth: HashedTruth = field(default_factory=HashedTruth)
    batches: defaultdict[Place, list[BatchBuilder]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def build(cls, workload: Workload, partitions: int) -> Backlog:
        """Hold the workload in memory. Its events go to partitions by video id."""
        found, filler = cls(workload.number), Filler(partitions)
        for event in workload.events():
            found.truth.add(event)
            found.size += len(event.value)
            place, full = filler.add(event)
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


def worker_topics() -> list[str]:
    """The topics that a worker reads."""
    return [topic.name for topic in TOPICS]
