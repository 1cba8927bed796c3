"""A plain Kafka producer, as anybody may write one: bytes to topics, nothing of our SDK."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType

from aiokafka import AIOKafkaProducer

from tests.e2e.ledger import Ledger, Place, Record

#: Larger than any record that a test sends.
_MAX_REQUEST_BYTES = 8 * 1024 * 1024
_BATCH_BYTES = 256 * 1024


class Sender:
    """Sends records round robin over the partitions of each topic and notes them in the ledger."""

    def __init__(
        self, bootstrap: str, topics: dict[str, str], partitions: int, ledger: Ledger, *, idempotent: bool
    ) -> None:
        """`idempotent`: the embedded broker knows no such producers."""
        self._bootstrap, self._topics, self._partitions, self._ledger = bootstrap, topics, partitions, ledger
        self._idempotent = idempotent

    def send(self, records: Sequence[Record], *, compression: str | None = None, partition: int | None = None) -> None:
        """Return when the broker has all of them. `partition`: put them there, one after another."""
        asyncio.run(self._send(records, compression, partition))

    @contextmanager
    def flow(self, records: Sequence[Record], per_second: int) -> Iterator[Flow]:
        """Send steadily while the body runs, over and over where `records` come to their end."""
        with Flow(self, records, per_second) as flow:
            yield flow

    async def _send(self, records: Sequence[Record], compression: str | None, partition: int | None) -> None:
        async with AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            enable_idempotence=self._idempotent,
            acks="all",
            compression_type=compression,
            max_request_size=_MAX_REQUEST_BYTES,
            max_batch_size=_BATCH_BYTES,
        ) as producer:
            await self.send_by(producer, records, partition)

    async def send_by(
        self, producer: AIOKafkaProducer, records: Sequence[Record], partition: int | None = None
    ) -> None:
        """Send by a producer that is already connected."""
        spread: dict[tuple[str, int], list[Record]] = defaultdict(list)
        for number, record in enumerate(records):
            place = number % self._partitions if partition is None else partition
            spread[self._topics[record.event_type], place].append(record)
        for (topic, number), some in spread.items():
            self._ledger.note(await _send_in_batches(producer, topic, number, some))

    async def flow_forever(self, records: Sequence[Record], per_second: int, stop: threading.Event) -> int:
        """Send in ticks until told to stop. Returns how many records were sent."""
        tick_s, sent, began = 0.1, 0, time.monotonic()
        async with AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            enable_idempotence=self._idempotent,
            acks="all",
            max_batch_size=_BATCH_BYTES,
        ) as producer:
            while not stop.is_set():
                due = int((time.monotonic() - began) * per_second) - sent
                some = [records[n % len(records)] for n in range(sent, sent + due)]
                await self.send_by(producer, some)
                sent += due
                await asyncio.sleep(tick_s)
        return sent


class Flow:
    """A steady flow of records from a thread of its own."""

    def __init__(self, sender: Sender, records: Sequence[Record], per_second: int) -> None:
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(sender, records, per_second), daemon=True)

    def __enter__(self) -> Flow:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join(60)
        if self._error is not None and error is None:
            raise self._error

    def _run(self, sender: Sender, records: Sequence[Record], per_second: int) -> None:
        try:
            asyncio.run(sender.flow_forever(records, per_second, self._stop))
        except BaseException as error:
            self._error = error


async def _send_in_batches(
    producer: AIOKafkaProducer, topic: str, partition: int, records: Sequence[Record]
) -> list[tuple[Record, Place]]:
    """Send in order; every record's offset is that of its batch plus its place in it."""
    noted: list[tuple[Record, Place]] = []
    rest = list(records)
    while rest:
        batch, number = producer.create_batch(), 0
        while number < len(rest) and batch.append(key=None, value=rest[number].value, timestamp=None):
            number += 1
        if number:
            answer = await (await producer.send_batch(batch, topic, partition=partition))
        else:  # larger than a batch: alone
            number, answer = 1, await producer.send_and_wait(topic, rest[0].value, partition=partition)
        noted += [(record, (topic, partition, answer.offset + n)) for n, record in enumerate(rest[:number])]
        rest = rest[number:]
    return noted
