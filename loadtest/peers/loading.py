"""Put a workload into Kafka once, and keep what must come out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

from loadtest.peers.batches import Filler, Place
from loadtest.peers.truth import ExactTruth, Truth
from loadtest.peers.workload import Event, Workload
from schemas.topics import TOPICS
from tagpulse.stack.topics import create_topics

_BATCH_BYTES = 512 * 1024
_IN_FLIGHT = 32
_TELL_EVERY = 20_000
#: Said although it is Kafka's default: Quix Streams reads it off the topics, and the embedded broker has none.
_TOPIC_CONFIGS = {"retention.ms": "604800000"}


@dataclass
class Loaded:
    """Topics that hold the first `events` events of a workload, and the truth about them."""

    topics: dict[str, str]
    """Topic -> event type."""
    events: int
    size: int = 0
    """Bytes of their values."""
    truth: Truth = field(default_factory=ExactTruth)
    """What must be counted."""


async def load(
    kafka: str,
    workload: Workload,
    prefixes: Iterable[int],
    partitions: int,
    tell: Callable[[int], None] = lambda done: None,
    truth: Callable[[], Truth] = ExactTruth,
) -> dict[int, Loaded]:
    """Fill the topics of the worker with all events, and others with each of the `prefixes`: by number of events.

    A record's timestamp is its event time. `tell` is called now and then with the number of events so far.
    """
    sets = {first: _topics(first, workload.number, truth()) for first in sorted({*prefixes, workload.number})}
    names = [topic for loaded in sets.values() for topic in loaded.topics]
    await create_topics(kafka, dict.fromkeys(names, partitions), topic_configs=_TOPIC_CONFIGS)
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all", max_batch_size=_BATCH_BYTES)
    async with producer:
        sender = _Sender(producer, partitions)
        for number, event in enumerate(workload.events()):
            for first, loaded in sets.items():
                if number < first:
                    await sender.add(next(n for n, kind in loaded.topics.items() if kind == event.event_type), event)
                    loaded.truth.add(event)
                    loaded.size += len(event.value)
            if not number % _TELL_EVERY:
                tell(number)
        await sender.flush()
    return sets


def _topics(first: int, whole: int, truth: Truth) -> Loaded:
    prefix = "" if first == whole else f"first-{first}."
    return Loaded({prefix + topic.name: topic.event_type.value for topic in TOPICS}, first, truth=truth)


class _Sender:
    """Sends the batches that are full, a bounded number at a time."""

    def __init__(self, producer: AIOKafkaProducer, partitions: int) -> None:
        self._producer, self._filler = producer, Filler(partitions, _BATCH_BYTES)
        self._sent: list[Any] = []

    async def add(self, topic: str, event: Event) -> None:
        place, full = self._filler.add(topic, event)
        if full is not None:
            await self._send(place, full)

    async def flush(self) -> None:
        for place, batch in self._filler.close():
            await self._send(place, batch)
        await asyncio.gather(*self._sent)

    async def _send(self, place: Place, batch: BatchBuilder) -> None:
        if len(self._sent) >= _IN_FLIGHT:
            await asyncio.gather(*self._sent)
            self._sent.clear()
        self._sent.append(await self._producer.send_batch(batch, place[0], partition=place[1]))
