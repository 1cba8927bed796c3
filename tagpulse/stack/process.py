"""One child process: started so that it cannot outlive us, watched until ready, stopped within a deadline."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from tagpulse.stack import child
from tagpulse.stack.errors import ProcessExitedError, ProcessNotReadyError
from tagpulse.stack.logfile import LogFile

#: Answers whether the process serves. May raise OSError or TimeoutError for "not yet".
Probe = Callable[[], Awaitable[bool]]

_PROBE_INTERVAL_S = 0.05
_PROBE_TIMEOUT_S = 5.0


class ManagedProcess:
    """A child in a session of its own, whose output goes to a log file.

    A Ctrl-C at the terminal does not reach it: the order in which processes end is ours. Should we die,
    even by SIGKILL, the kernel sends it `death_signal`; the default is the one that no process can ignore.
    That covers the process itself, not further processes it may start, which must look after themselves.

    Not reusable: make a new one to start again.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        log: LogFile,
        grace_s: float,
        keep_open: Sequence[int] = (),
        death_signal: signal.Signals = signal.SIGKILL,
    ) -> None:
        """`keep_open`: descriptors that the child inherits (a lock it has to hold, for one)."""
        self.name = name
        self.log = log
        self.grace_s = grace_s
        self._argv = list(argv)
        self._env = dict(env)
        self._keep_open = tuple(keep_open)
        self._death_signal = death_signal
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        return self._started.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, minus the signal's number where a signal ended it, or None while it runs."""
        return self._started.returncode

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start the child. A command that cannot be executed shows as an exit, not here."""
        if threading.current_thread() is not threading.main_thread():
            # The kernel ties the parent-death signal to the thread that forked, not to the process.
            raise RuntimeError("processes must be started from the main thread")
        wrapper = [sys.executable, "-I", "-S", str(Path(child.__file__).resolve())]
        argv = [*wrapper, str(os.getpid()), str(int(self._death_signal)), "--", *self._argv]
        output = self.log.begin()
        try:
            self._process = await asyncio.create_subprocess_exec(
                *argv,
                env=self._env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                pass_fds=self._keep_open,
            )
        finally:
            os.close(output)

    async def wait_ready(self, probe: Probe, deadline_s: float) -> None:
        """Return as soon as `probe` says yes.

        Raises ProcessExitedError where the process ends first, ProcessNotReadyError where the deadline passes first.
        """
        exited = asyncio.ensure_future(self.wait())
        try:
            async with asyncio.timeout(deadline_s):
                while not exited.done():
                    asked = asyncio.ensure_future(_ask(probe))
                    try:
                        await asyncio.wait([asked, exited], return_when=asyncio.FIRST_COMPLETED)
                    finally:
                        asked.cancel()
                    # A yes after the exit is that of a stranger on the same port.
                    if not exited.done():
                        if asked.result():
                            return
                        await asyncio.wait([exited], timeout=_PROBE_INTERVAL_S)
        except TimeoutError:
            raise ProcessNotReadyError(self.name, deadline_s, self.log.tail(), self.log.path) from None
        finally:
            exited.cancel()
        raise ProcessExitedError(self.name, self.exit_text(), self.log.tail(), self.log.path)

    async def wait(self) -> int:
        """Wait for the end of the process; may be called by several tasks at once."""
        return await self._started.wait()

    async def stop(self) -> int | None:
        """SIGTERM, then after `grace_s` SIGKILL. Returns the exit code; None if it was never started."""
        if self._process is None:
            return None
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(self.grace_s):
                await self.wait()
        except TimeoutError:
            self.kill()
        code = await self.wait()
        self.kill()  # what it may have left behind in its group
        return code

    def kill(self) -> None:
        """SIGKILL to the process and to everything in its group; a `stop` under way then ends at once."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def exit_text(self) -> str:
        """How the process ended, for people."""
        code = self.returncode
        if code is None:
            return "still running"
        if code >= 0:
            return f"exit code {code}"
        try:
            return f"ended by {signal.Signals(-code).name}"
        except ValueError:
            return f"ended by signal {-code}"

    def _signal(self, number: signal.Signals) -> None:
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                self._started.send_signal(number)

    @property
    def _started(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process


async def _ask(probe: Probe) -> bool:
    try:
        async with asyncio.timeout(_PROBE_TIMEOUT_S):
            return await probe()
    except (OSError, TimeoutError):
        return False
