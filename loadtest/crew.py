"""The workers of a stack as one group: complete before the first record, halted and let go, and what they cost."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
import psutil

from loadtest.peers.job import cpu_s, peak_rss
from schemas.topics import TOPICS
from tagpulse.stack.ports import HOST
from tagpulse.stack.supervisor import Stack

_LOOK_S = 0.1
_LAG = "tagpulse_lag_records{"


class CrewError(Exception):
    """The workers did not do what they were started for; the text says in what state they are."""


class Crew:
    """Workers of a running stack."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._pids = [worker.process.pid for worker in stack.workers]

    async def settled(self, deadline_s: float = 120.0) -> list[int]:
        """Wait until every worker holds partitions, and together all; how many each. Raises CrewError."""
        wanted = len(TOPICS) * self._stack.options.partitions
        deadline = time.monotonic() + deadline_s
        while True:
            held = [await self._partitions(worker.port) for worker in self._stack.workers]
            if sum(held) == wanted and all(held):
                return held
            if time.monotonic() > deadline:
                raise CrewError(f"after {deadline_s:.0f} s the workers hold {held} of {wanted} partitions")
            await asyncio.sleep(_LOOK_S)

    async def _partitions(self, port: int) -> int:
        try:
            async with aiohttp.ClientSession() as session, session.get(f"http://{HOST}:{port}/metrics") as response:
                return sum(line.startswith(_LAG) for line in (await response.text()).splitlines())
        except aiohttp.ClientError:
            return 0

    @contextmanager
    def halted(self, session_s: float) -> Iterator[None]:
        """Within, no worker runs, so that none fetches before the clocks do.

        Raises CrewError where that took longer than `session_s`: the group has given the partitions away.
        """
        self._signal(signal.SIGSTOP)
        began = time.monotonic()
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)
        if (took := time.monotonic() - began) > session_s:
            raise CrewError(f"the workers were halted for {took:.0f} s, past their session timeout: use fewer events")

    def _signal(self, number: signal.Signals) -> None:
        for pid in self._pids:
            os.kill(pid, number)

    def check(self) -> None:
        """Raise CrewError where a worker has ended since, even if the stack started another."""
        for worker, pid in zip(self._stack.workers, self._pids, strict=True):
            if not worker.running or worker.process.pid != pid:
                raise CrewError(f"{worker.name} has ended\n{worker.log.tail()}")

    def cpu_s(self) -> list[float]:
        """CPU seconds of each so far."""
        return [cpu_s(psutil.Process(pid)) for pid in self._pids]

    def peak_rss(self) -> int:
        """Sum of the most bytes each has had."""
        return sum(map(peak_rss, self._pids))
