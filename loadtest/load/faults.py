"""Faults of a workload, at their time, on what is ours: workers, the local servers, the connections between them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import Iterator, Mapping, Sequence

import psutil

from loadtest.faults.processes import frozen
from loadtest.faults.proxy import Proxy, clickhouse_proxy, kafka_proxy
from loadtest.faults.toxics import DOWN, latency
from loadtest.load.crew import Crew
from loadtest.load.servers import Servers
from loadtest.load.workload import Fault, FaultKind, Workload

_SLOW_S = 0.2
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
                os.kill(self._some(crew.processes()), signal.SIGKILL)
            case FaultKind.KILL_CLICKHOUSE:
                os.kill(self._servers.processes()["clickhouse"], signal.SIGKILL)
            case kind:
                with self._lasting(kind, crew):
                    await asyncio.sleep(fault.seconds)
        self.done.append((fault.fault.value, loop.time() - at))

    @contextlib.contextmanager
    def _lasting(self, kind: FaultKind, crew: Crew) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            proxy = self._kafka if kind in _KAFKA else self._clickhouse
            if kind is FaultKind.PAUSE_WORKER:
                stack.enter_context(frozen(psutil.Process(self._some(crew.processes()))))
            elif kind is FaultKind.PAUSE_CLICKHOUSE:
                stack.enter_context(frozen(psutil.Process(self._servers.processes()["clickhouse"])))
            else:
                stack.enter_context(_on(proxy, kind))
            yield

    def _some(self, processes: Mapping[str, int]) -> int:
        names: Sequence[str] = sorted(processes)
        return processes[self._dice.choice(names)]


@contextlib.contextmanager
def _on(proxy: Proxy | None, kind: FaultKind) -> Iterator[None]:
    assert proxy is not None
    with proxy.refusing() if kind.value.startswith("cut") else proxy.toxic(latency(DOWN, _SLOW_S)):
        yield
