"""Reads ranges of offsets from Kafka, by a plain consumer: no group, nothing committed, committed records only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from tagpulse.verify.errors import LogUnreadable

#: Without a record for this long, a range that must hold some is given up.
_SILENCE_S = 60.0
_POLL_MS = 200
_FETCH_BYTES = 4 * 1024 * 1024


class LogReader:
    """A consumer for one range after another. Use it as a context manager. `options` go to aiokafka (security)."""

    def __init__(self, bootstrap_servers: str, **options: Any) -> None:
        self._servers = bootstrap_servers
        self._options = options
        self._consumer: Any = None

    async def __aenter__(self) -> Self:
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=self._servers,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            max_partition_fetch_bytes=_FETCH_BYTES,
            **self._options,
        )
        try:
            await self._consumer.start()
        except (KafkaError, OSError) as error:
            await self._consumer.stop()
            raise LogUnreadable(
                f"no Kafka broker answers at {self._servers} ({error}): start it, or correct kafka_bootstrap_servers"
            ) from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        await self._consumer.stop()

    async def bounds(self, topic: str, partitions: Sequence[int] | None = None) -> Mapping[int, tuple[int, int]]:
        """First and next offset of those partitions that the topic has; None: of all."""
        from streams.transport import log_ends  # with Faust, which takes a second to import

        try:
            known = (await self._consumer._client.fetch_all_metadata()).partitions_for_topic(topic) or set()
            chosen = sorted(known) if partitions is None else partitions
            wanted = [TopicPartition(topic, number) for number in chosen if number in known]
            if not wanted:
                return {}
            self._consumer.assign(wanted)
            begins = await self._consumer.beginning_offsets(wanted)
            ends = await log_ends(self._consumer, wanted)
        except KafkaError as error:
            raise LogUnreadable(f"Kafka does not tell the offsets of {topic}: {error!r}") from error
        return {tp.partition: (begins[tp], ends[tp.topic, tp.partition]) for tp in wanted}

    async def records(
        self, topic: str, partition: int, first: int, next_: int
    ) -> AsyncIterator[tuple[int, bytes | None]]:
        """Offset and value of each record in [first, next_). Raises LogUnreadable where Kafka falls silent."""
        place = TopicPartition(topic, partition)
        self._consumer.assign([place])
        self._consumer.seek(place, first)
        clock = asyncio.get_running_loop().time
        position, moved = first, clock()
        while position < next_:
            try:
                fetched = await self._consumer.getmany(place, timeout_ms=_POLL_MS)
                for record in fetched.get(place, ()):
                    if record.offset >= next_:
                        return
                    yield record.offset, record.value
                # Past gaps too: of compaction, of transaction markers.
                before, position = position, await self._consumer.position(place)
            except KafkaError as error:
                raise LogUnreadable(f"Kafka does not give {topic}/{partition} from {position}: {error!r}") from error
            moved = clock() if position != before else moved
            if clock() - moved > _SILENCE_S:
                raise LogUnreadable(
                    f"Kafka gives no record of {topic}/{partition} from {position} to {next_}: look at the broker"
                )
