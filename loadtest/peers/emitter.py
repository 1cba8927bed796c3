"""A producer at a steady rate, as a process: `emitter KAFKA FOLDER SHARE`.

Builds its record batches beforehand, one for each tick and partition, writes `ready-N`, waits for the file `go`
(the moment to begin on the monotonic clock), and sends each batch when the last of its events is due, without waiting
for the batches of other partitions. Writes `emitted-N` when the broker has confirmed all.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

from loadtest.peers.batches import Filler, Place
from loadtest.peers.workload import Shape, Workload
from schemas.topics import EventType, topic_for

READY, GO, EMITTED = "ready-", "go", "emitted-"
#: Events that are due within this wait for each other, as in any producer that batches.
TICK_S = 0.010
_LOOK_S = 0.02
_LEAST_SPAN_S = 10
_BATCH_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Share:
    """What one of several producers sends: event i is due (i x producers + index) / rate seconds after the begin."""

    index: int
    producers: int
    rate: int
    seconds: int
    partitions: int
    seed: int
    until_s: int

    @classmethod
    def of(cls, rate: int, seconds: int, producers: int, partitions: int, seed: int, index: int) -> Share:
        """Share `index` of `producers`; its event times end now."""
        return cls(
            index=index, producers=producers, rate=rate, seconds=seconds, partitions=partitions,
            seed=seed * 1_000 + index, until_s=int(time.time()),
        )  # fmt: skip

    @property
    def events(self) -> int:
        """How many it sends."""
        return len(range(self.index, self.rate * self.seconds, self.producers))

    def workload(self) -> Workload:
        """Its events, in the order in which they are due."""
        span_s = max(self.seconds, _LEAST_SPAN_S)
        return Workload(
            shape=Shape.SAMPLE, seed=self.seed, number=self.events, until_s=self.until_s, span_s=span_s
        )  # fmt: skip

    def due_s(self, number: int) -> float:
        """When its event `number` is due, in seconds after the begin."""
        return (number * self.producers + self.index) / self.rate

    def encode(self) -> str:
        """As an argument of a process."""
        return orjson.dumps(asdict(self)).decode()


@dataclass
class Parcel:
    """A batch, and when it and its events are due, in seconds after the begin."""

    builder: BatchBuilder
    due: float
    intended: list[float] = field(default_factory=list)


def parcels(share: Share) -> dict[Place, list[Parcel]]:
    """All batches by partition, in the order in which they are due."""
    found: dict[Place, list[Parcel]] = {}
    filler, tick, times = Filler(share.partitions, _BATCH_BYTES), 0, dict[Place, list[float]]()

    def close() -> None:
        for place, builder in filler.close():
            found.setdefault(place, []).append(Parcel(builder, (tick + 1) * TICK_S, times.pop(place)))

    for number, event in enumerate(share.workload().events()):
        due = share.due_s(number)
        if due >= (tick + 1) * TICK_S:
            close()
            tick = int(due / TICK_S)
        place, full = filler.add(topic_for(EventType(event.event_type)).name, event)
        if full is not None:
            raise ValueError(f"a tick has more than {_BATCH_BYTES} bytes for one partition: lower the rate")
        times.setdefault(place, []).append(due)
    close()
    return found


async def main() -> None:
    kafka, folder, share = sys.argv[1], Path(sys.argv[2]), Share(**orjson.loads(sys.argv[3]))
    built = parcels(share)
    gc.collect()
    gc.freeze()
    async with AIOKafkaProducer(
        bootstrap_servers=kafka, acks="all", linger_ms=0, max_request_size=2 * _BATCH_BYTES
    ) as producer:
        for topic, _ in built:
            await producer.partitions_for(topic)
        (folder / f"{READY}{share.index}").touch()
        begin = await asyncio.to_thread(_begin, folder / GO)
        sent = await asyncio.gather(*(_send(producer, place, batches, begin) for place, batches in built.items()))
    document = {"batches": [batch for batches in sent for batch in batches]}
    partial = folder / f"partial-{share.index}"
    partial.write_bytes(orjson.dumps(document))
    partial.rename(folder / f"{EMITTED}{share.index}")


def _begin(go: Path) -> float:
    while not go.exists():
        time.sleep(_LOOK_S)
    return float(go.read_text())


async def _send(producer: AIOKafkaProducer, place: Place, batches: list[Parcel], begin: float) -> list[dict[str, Any]]:
    topic, partition = place
    handed = []
    for parcel in batches:
        due = begin + parcel.due
        if (wait := due - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        future = await producer.send_batch(parcel.builder, topic, partition=partition)
        handed.append((parcel, due, time.monotonic(), future))
    return [
        {
            "topic": topic,
            "partition": partition,
            "offset": (await future).offset,
            "due": due,
            "sent": sent,
            "intended": [begin + at for at in parcel.intended],
        }
        for parcel, due, sent, future in handed
    ]


if __name__ == "__main__":
    asyncio.run(main())
