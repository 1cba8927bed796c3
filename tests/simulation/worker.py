"""A simulated worker: the real Checkpoints and Writer, and what stands for Faust and aiokafka around them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from schemas.topics import EventType
from sinks.writer import Writer
from streams.batch import RecordBatch
from streams.checkpoints import Checkpoints, Key, TopicPartition
from streams.counters import counters
from streams.errors import SupersededError
from streams.metrics import Metrics
from streams.settings import Settings
from tests.simulation.client import Client
from tests.simulation.clock import Clock
from tests.simulation.faults import Dice, Fault
from tests.simulation.group import Group
from tests.simulation.kafka import TOPIC, Kafka
from tests.simulation.loop import Loop

#: Everything is shorter than in production, and in the same proportions where these matter.
_SETTINGS: dict[str, Any] = {
    "kafka_session_timeout_s": 4.0,
    "kafka_rebalance_timeout_s": 8.0,
    "flush_interval_s": 0.5,
    "insert_deadline_s": 12.0,
    "insert_timeout_s": 3.0,
    "revoke_deadline_s": 2.0,
    "retention_minute_days": 36_500,
    "retention_hour_days": 36_500,
}
_METRICS = Metrics()


@cache
def settings(strict: bool = False, dedup_records: int = 0) -> Settings:
    """The settings of a worker. Strict ones make other counts of the same records."""
    rules: dict[str, Any] = {"max_tag_bytes": 20, "min_event_time": "2025-12-01T00:00:00Z"} if strict else {}
    return Settings(_env_file=None, dedup_records=dedup_records // 2 if strict else dedup_records, **_SETTINGS, **rules)


class Tp:
    """A topic and a partition."""

    topic = TOPIC

    def __init__(self, partition: int) -> None:
        self.partition = partition


class Worker:
    """One process. `name` is its own; a worker that ended is replaced by another one."""

    def __init__(
        self, name: str, kafka: Kafka, group: Group, client: Client, clock: Clock, dice: Dice,
        note: Callable[[str], None], mine: Settings, writer: type[Writer], checkpoints: type[Checkpoints],
    ) -> None:  # fmt: skip
        self.name, self.kafka, self._group, self._clock, self._dice, self._note = name, kafka, group, clock, dice, note
        self.loop = Loop(clock, name)
        self.alive = True
        self.wakes_at = 0.0
        """Until then the process stands still."""
        self.cut_off_until = 0.0
        """Until then it cannot reach Kafka."""
        self.last_words = ""
        self._rejoin = False
        client.pause = self.stand_still
        writes = writer(client, mine.writer())  # type: ignore[arg-type]
        types = {TOPIC: EventType.VIDEO_CREATION}
        self.checkpoints = checkpoints(
            mine.model_copy(update={"worker_name": name}), writes, types, counters(types, mine.rules(), "python"),
            lambda topic, partition: None, self._commit, self._fatal, _METRICS, clock.unix,
        )  # fmt: skip
        self.loop.create_task(self._main())

    def __repr__(self) -> str:
        return self.name

    def round(self) -> None:
        """Let its event loop do what is ready."""
        try:
            self.loop.round()
        except SystemExit:
            self.end()

    def stand_still(self, seconds: float) -> None:
        """Pause the process."""
        self.wakes_at = self._clock.now + seconds
        self._note(f"{self} stands still until {self.wakes_at:.2f}")

    def end(self) -> None:
        """Kill the process."""
        if self.alive:
            self.alive = False
            self.loop.end()

    def _fatal(self, message: str) -> None:
        self._note(f"{self.name} stops: {message}")
        self.last_words = message
        raise SystemExit(70)

    async def _commit(self, offsets: Mapping[Key, int]) -> None:
        if self._clock.now >= self.cut_off_until:
            self.kafka.committed.update({partition: offset for (_, partition), offset in offsets.items()})

    async def _main(self) -> None:
        self.checkpoints.start()
        self._batches: asyncio.Queue[RecordBatch] = asyncio.Queue(4)
        self._tasks = [asyncio.create_task(self._agent()), asyncio.create_task(self._heartbeats())]
        while True:
            await self._one_assignment()

    async def _agent(self) -> None:
        while True:
            await self.checkpoints.add(await self._batches.get())

    async def _heartbeats(self) -> None:
        while True:
            if self._clock.now >= self.cut_off_until and self._group.heartbeat(self):
                self._rejoin = True
            await asyncio.sleep(0.3)

    async def _one_assignment(self) -> None:
        self._group.join(self)
        self._rejoin = False
        while (partitions := self._group.assignment(self)) is None:
            if self._rejoin:
                return
            await asyncio.sleep(0.1)
        bounds: dict[TopicPartition, tuple[int, int]] = {
            Tp(n): (self.kafka.logs[n].begin, self.kafka.logs[n].end) for n in partitions
        }
        taking = asyncio.create_task(self.checkpoints.assign(bounds)) if bounds else None
        while taking and not taking.done():
            if self._rejoin:
                await self.checkpoints.release(settings().revoke_deadline_s)
                await asyncio.wait({taking})
            await asyncio.wait({taking}, timeout=0.1)
        try:
            starts, epoch = taking.result() if taking else ({}, 0)
        except SupersededError:
            return
        except Exception as error:
            self._fatal(f"partitions could not be taken over: {error!r}")
            return
        await self._read({tp.partition: start for tp, start in starts.items()}, epoch)
        await self.checkpoints.release(settings().revoke_deadline_s)

    async def _read(self, positions: dict[int, int], epoch: int) -> None:
        while not self._rejoin:
            for number, position in positions.items():
                batch = self.kafka.logs[number].fetch(position, epoch, self._dice)
                if batch is not None and self._clock.now >= self.cut_off_until and not self._batches.full():
                    self._batches.put_nowait(batch)
                    positions[number] = batch.next_offset
            await asyncio.sleep(0.1)
            if self._dice.strikes(Fault.CUT_OFF, 0.01):
                self.cut_off_until = self._clock.now + self._dice.between(1, 12)
                self._note(f"{self.name} is cut off from Kafka for {self.cut_off_until - self._clock.now:.1f} s")
