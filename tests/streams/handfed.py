"""A worker's own checkpoints on a real ClickHouse, to which a test gives each batch by hand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.topics import EventType
from sinks.writer import Writer
from streams.checkpoints import Checkpoints
from streams.counters import Kernel, counters
from streams.metrics import Metrics
from streams.settings import Settings

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

Groups = Mapping[str, tuple[str, ...]]
DEADLINE_S = 120.0


class Dies(Exception):
    """What a worker does at the step where the test wants it to."""


@dataclass(frozen=True)
class Partition0:
    """The one partition that is fed."""

    topic: str
    partition: int = 0


class Worker:
    """Feeds partition 0 of one topic. `rows`: how many make a delta; `groups`: where campaigns are read."""

    def __init__(
        self,
        client: Client,
        topic: str,
        event_type: EventType,
        *,
        dies_at: str = "",
        kernel: Kernel = "python",
        rows: int = 1,
        dedup_records: int = 0,
        groups: Callable[[], Groups] | None = None,
    ) -> None:
        settings = Settings(
            _env_file=None, flush_interval_s=3600, max_delta_rows=rows, kernel=kernel, dedup_records=dedup_records,
            retention_minute_days=36_500, retention_hour_days=36_500,
        )  # fmt: skip
        self.last_words: list[str] = []
        self._place, types = Partition0(topic), {topic: event_type}

        def at(step: str) -> None:
            if step == dies_at:
                raise Dies(step)

        async def commit(_: Mapping[tuple[str, int], int]) -> None:
            return None

        self.checkpoints = Checkpoints(
            settings, Writer(client, settings.writer(), at), types, counters(types, settings.rules(), kernel),
            lambda topic, partition: None, commit, self.last_words.append, Metrics(), lambda: 1_780_000_000.0,
            *([groups] if groups else []),
        )  # fmt: skip

    async def take(self, begin: int, end: int) -> tuple[int, int]:
        """Take over a log of the offsets [begin, end). Returns where to read from, and the epoch of batches."""
        starts, epoch = await self.checkpoints.assign({self._place: (begin, end)})
        return starts[self._place], epoch

    async def stop(self) -> None:
        await self.checkpoints.stop(1)


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait for what another thread brings about."""
    deadline = time.monotonic() + DEADLINE_S
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < deadline, f"not within {DEADLINE_S} s: {what}"
        await asyncio.sleep(0.05)
