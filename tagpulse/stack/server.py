"""A process that serves on one port of 127.0.0.1: what broker, ClickHouse and workers have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import aiohttp

from tagpulse.stack.errors import ProcessExitedError
from tagpulse.stack.logfile import LogFile
from tagpulse.stack.ports import free_port, is_free, require_free
from tagpulse.stack.process import ManagedProcess

_PORT_ATTEMPTS = 3


class Server(ABC):
    """Can be started again after it ended. Subclasses say what to run and how to see that it serves."""

    #: What the port is for, in error messages.
    purpose: str
    #: Clients know the port: a restart must use the same.
    keeps_port = True

    def __init__(self, name: str, log: LogFile, *, port: int, grace_s: float) -> None:
        """`port` 0: choose a free one at the first start."""
        self.name = name
        self.log = log
        self.grace_s = grace_s
        self._port = port
        self._process: ManagedProcess | None = None

    @property
    def port(self) -> int:
        """0 before the first start where it was to be chosen."""
        return self._port

    @property
    def process(self) -> ManagedProcess:
        """The process of the last start."""
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.running

    async def start(self, deadline_s: float) -> None:
        """Return when it serves. Otherwise nothing is left running, and a StackError says why."""
        chosen = self._port == 0 or not self.keeps_port
        for attempt in range(1, _PORT_ATTEMPTS + 1):
            if chosen:
                self._port = free_port()
            require_free(self._port, self.purpose)
            try:
                await self._start_once(deadline_s)
            except ProcessExitedError:
                # Somebody may have taken the port between our look and the bind.
                if not chosen or attempt == _PORT_ATTEMPTS or is_free(self._port):
                    raise
            else:
                return

    async def stop(self) -> None:
        if self._process is not None:
            await self._process.stop()

    def kill(self) -> None:
        if self.running:
            self.process.kill()

    async def _start_once(self, deadline_s: float) -> None:
        process = ManagedProcess(
            self.name,
            self.argv(),
            env=self.env(),
            log=self.log,
            grace_s=self.grace_s,
            keep_open=self.keep_open(),
        )
        await process.start()
        self._process = process
        try:
            await process.wait_ready(self.serves, deadline_s)
        except BaseException:
            process.kill()
            await process.wait()
            raise

    @abstractmethod
    def argv(self) -> Sequence[str]:
        """The command that serves on `port`."""

    @abstractmethod
    def env(self) -> Mapping[str, str]:
        """Its whole environment."""

    @abstractmethod
    async def serves(self) -> bool:
        """A probe (see `process.Probe`)."""

    def keep_open(self) -> Sequence[int]:
        """Descriptors that it inherits."""
        return ()


async def answers_ok(url: str, body: str | None = None) -> bool:
    """Whether a GET is answered by 200 (and `body`, where given)."""
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            text = await response.text()
            return response.status == 200 and (body is None or text.strip() == body)
    except aiohttp.ClientError:
        return False
