"""A deterministic event loop: no files, no threads, simulated time, one round whenever it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from clickhouse_connect.driver.exceptions import ClickHouseError

from sinks.errors import SinkError
from streams.errors import StreamError
from tests.simulation.clock import Clock
from tests.simulation.threads import Thread

_EXPECTED = (ClickHouseError, SinkError, StreamError)


class _NoFiles:
    def select(self, _: float | None) -> list[Any]:
        return []

    def close(self) -> None:
        pass


class Loop(asyncio.BaseEventLoop):
    """The loop of one worker. What it hands to an executor becomes a simulated thread."""

    def __init__(self, clock: Clock, name: str) -> None:
        super().__init__()
        self._clock, self._name = clock, name
        self._selector = _NoFiles()
        self.threads: list[Thread] = []
        self.unexpected: Exception | None = None
        """An error of a thread that the protocol knows nothing of: a mistake in the code or in the model."""
        self.set_exception_handler(lambda *_: None)  # a killed worker leaves tasks behind

    def time(self) -> float:
        return self._clock.now

    def _process_events(self, _: Any) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    def run_in_executor(self, _: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        future = self.create_future()

        def work() -> None:
            try:
                result = func(*args)
            except Exception as error:
                if not isinstance(error, _EXPECTED):
                    self.unexpected = error
                if not future.cancelled():
                    future.set_exception(error)
            else:
                if not future.cancelled():
                    future.set_result(result)

        self.threads.append(Thread(f"{self._name}/{getattr(func, '__name__', '')}", work))
        return future

    @property
    def wakes_at(self) -> float | None:
        """When it has something to do: now, at its next timer, or never."""
        if self._ready:  # type: ignore[attr-defined]
            return self.time()
        timers = self._scheduled  # type: ignore[attr-defined]
        return timers[0].when() if timers else None

    def round(self) -> None:
        """Run what is ready."""
        asyncio.events._set_running_loop(self)
        try:
            self._run_once()  # type: ignore[attr-defined]
        finally:
            asyncio.events._set_running_loop(None)

    def end(self) -> None:
        """End everything on it, as when the process is killed."""
        for thread in self.threads:
            thread.kill()
        for task in asyncio.all_tasks(self):
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            coroutine = task.get_coro()
            if coroutine is not None:
                coroutine.close()
        self.close()
