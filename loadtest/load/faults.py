"""Faults of a workload, at their time, on what is ours: workers, the local servers, the connections between them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import Callable, Iterator, Mapping

import psutil

from loadtest.faults.processes import frozen
from loadtest.faults.proxy import Proxy, clickhouse_proxy, kafka_proxy
from loadtest.faults.toxics import DOWN, latency
from loadtest.load.crew import Crew
from loadtest.load.servers import Servers
from loadtest.load.workload import Fault, FaultKind, Workload

_SLOW_S, _LOOK_S = 0.2, 0.1
_KAFKA = {FaultKind.SLOW_KAFKA, FaultKind.CUT_KAFKA}
_CLICKHOUSE = {FaultKind.SLOW_CLICKHOUSE, FaultKind.CUT_CLICKHOUSE}


class Faults:
    """While entered, proxies stand where the workload's faults need them; `through` leads workers there."""

    def __init__(self, workload: Workload, servers: Servers) -> None:
        self._faults, self._servers = workload.faults, servers
        self._dice = random.Random(workload.seed)  # noqa: S311 - reproducible, not secret
        kinds = {fault.fault for fault in self._faults}
        self._kafka = kafka_proxy(servers.endpoints.kafka) if kinds & _KAFKA else None
        port = int(servers.endpoints.clickhouse.rpartition(":")[2]) if kinds & _CLICKHOUSE else 0
        self._clickhouse = clickhouse_proxy(port) if port else None
        self._proxies = contextlib.ExitStack()
        self.done: list[tuple[str, float]] = []
        """What happened, and for how long (seconds)."""

    def __enter__(self) -> Faults:
        for proxy in (self._kafka, self._clickhouse):
            if proxy is not None:
                self._proxies.enter_context(proxy)
        return self

    def __exit__(self, *_: object) -> None:
        self._proxies.close()

    @property
    def through(self) -> Mapping[str, str]:
        """Settings of workers."""
        return {
            **({"TAGPULSE_KAFKA_BOOTSTRAP_SERVERS": self._kafka.addresses} if self._kafka else {}),
            **({"TAGPULSE_CLICKHOUSE_URL": f"http://{self._clickhouse.addresses}"} if self._clickhouse else {}),
        }

    async def run(self, begin: float, crew: Crew) -> None:
        """Let each happen at its time after `begin` (clock of the loop, seconds)."""
        await asyncio.gather(*(self._one(fault, begin, crew) for fault in self._faults))

    async def _one(self, fault: Fault, begin: float, crew: Crew) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, begin + fault.at_s - loop.time()))
        at = loop.time()
        match fault.fault:
            case FaultKind.KILL_WORKER:
                os.kill(await self._some(crew.processes), signal.SIGKILL)
            case FaultKind.KILL_CLICKHOUSE:
                os.kill(await self._some(self._clickhouse_server), signal.SIGKILL)
            case FaultKind.PAUSE_WORKER:
                with frozen(psutil.Process(await self._some(crew.processes))):
                    await asyncio.sleep(fault.seconds)
            case FaultKind.PAUSE_CLICKHOUSE:
                with frozen(psutil.Process(await self._some(self._clickhouse_server))):
                    await asyncio.sleep(fault.seconds)
            case kind:
                with _on(self._kafka if kind in _KAFKA else self._clickhouse, kind):
                    await asyncio.sleep(fault.seconds)
        self.done.append((fault.fault.value, loop.time() - at))

    def _clickhouse_server(self) -> Mapping[str, int]:
        return {name: pid for name, pid in self._servers.processes().items() if name == "clickhouse"}

    async def _some(self, processes: Callable[[], Mapping[str, int]]) -> int:
        """One of those that run, as soon as one does: an earlier fault may have ended them all."""
        while not (found := processes()):  # noqa: ASYNC110 - processes tell nobody
            await asyncio.sleep(_LOOK_S)
        return found[self._dice.choice(sorted(found))]


@contextlib.contextmanager
def _on(proxy: Proxy | None, kind: FaultKind) -> Iterator[None]:
    assert proxy is not None
    with proxy.refusing() if kind.value.startswith("cut") else proxy.toxic(latency(DOWN, _SLOW_S)):
        yield
