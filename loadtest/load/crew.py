"""The workers of a run: started, watched, brought back when they die, and what can be done to them."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import aiohttp

from loadtest.crew import CrewError
from loadtest.load.servers import Servers
from schemas.topics import TOPICS
from streams.settings import Settings
from tagpulse.stack.errors import StackError
from tagpulse.stack.logfile import LogFile
from tagpulse.stack.ports import HOST
from tagpulse.stack.worker import Worker

_LOOK_S = 0.1
_START_S, _GRACE_S = 120.0, 40.0
_LAG = "tagpulse_lag_records{"
_MOST_DEATHS = 50
_RULES = ("min_event_time", "max_future_s", "max_record_bytes", "max_tag_bytes", "max_hashtags_per_event")


class Crew:
    """`async with`: all of them run. `through`: settings that put proxies between them and the servers."""

    def __init__(
        self, servers: Servers, workers: int, partitions: int, folder: Path, through: Mapping[str, str]
    ) -> None:
        self._wanted = len(TOPICS) * partitions
        self.deaths = 0
        self.lags: dict[str, int] = {}
        """Worker -> its lag in records, as it last told."""
        self.workers: list[Worker] = []
        self._keepers: list[asyncio.Task[None]] = []
        for number in range(workers):
            name = f"worker-{number}"
            extra = {
                **pinned(),
                "TAGPULSE_WORKER_NAME": name,
                "TAGPULSE_LOG_LEVEL": "WARNING",
                "TAGPULSE_KAFKA_IDEMPOTENT_PRODUCER": str(servers.endpoints.idempotent).lower(),
                **servers.settings,
                **through,
            }
            argv = [sys.executable, "-m", "loadtest.peers.latency_worker", str(counted_file(folder, number))]
            self.workers.append(
                Worker(
                    number,
                    LogFile(folder / f"{name}.log"),
                    endpoints=servers.endpoints,
                    command=lambda _, argv=argv, extra=extra: (argv, extra),  # type: ignore[misc]
                    grace_s=_GRACE_S,
                )
            )

    async def __aenter__(self) -> Crew:
        try:
            await asyncio.gather(*(worker.start(_START_S) for worker in self.workers))
        except BaseException:
            await self._stop()
            raise
        self._keepers = [asyncio.create_task(self._keep(worker)) for worker in self.workers]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        await self._stop()

    async def _stop(self) -> None:
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        await asyncio.gather(*(worker.stop() for worker in self.workers), return_exceptions=True)

    async def _keep(self, worker: Worker) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            if worker.running:
                continue
            self.deaths += 1
            if self.deaths > _MOST_DEATHS:
                return
            with contextlib.suppress(StackError):
                await worker.start(_START_S)

    async def settled(self, deadline_s: float = 120.0) -> None:
        """Wait until together they hold all partitions. Raises CrewError."""
        deadline = time.monotonic() + deadline_s
        while (held := await self._held()) != self._wanted:
            if time.monotonic() > deadline:
                logs = "\n".join(worker.log.tail() for worker in self.workers)
                raise CrewError(
                    f"after {deadline_s:.0f} s the workers hold {held} of {self._wanted} partitions\n{logs}"
                )
            await asyncio.sleep(_LOOK_S)

    async def _held(self) -> int:
        found = await asyncio.gather(*(self._metrics(worker) for worker in self.workers))
        return sum(line.startswith(_LAG) for text in found for line in text.splitlines())

    async def look(self) -> None:
        """Refresh `lags`."""
        for worker in self.workers:
            lines = [line for line in (await self._metrics(worker)).splitlines() if line.startswith(_LAG)]
            self.lags[worker.name] = int(sum(float(line.rpartition(" ")[2]) for line in lines))

    async def _metrics(self, worker: Worker) -> str:
        timeout = aiohttp.ClientTimeout(total=2.0)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(f"http://{HOST}:{worker.port}/metrics") as response,
            ):
                return await response.text()
        except (aiohttp.ClientError, TimeoutError):
            return ""

    def processes(self) -> dict[str, int]:
        """Name -> process id of those that run."""
        return {worker.name: worker.process.pid for worker in self.workers if worker.running}


def pinned() -> dict[str, str]:
    """Settings that decide what is counted, at their defaults: the truth goes by these. Others are the user's."""
    fields = Settings.model_fields
    values = {name: fields[name].get_default(call_default_factory=True) for name in _RULES}
    shown = {name: value.isoformat() if hasattr(value, "isoformat") else str(value) for name, value in values.items()}
    shown |= {"tag_groups": "{}", "kafka_topic_prefix": ""}
    return {f"TAGPULSE_{name.upper()}": value for name, value in shown.items()}


def counted_file(folder: Path, number: int) -> Path:
    """Where worker `number` notes when it has counted what."""
    return folder / f"counted-{number}"
