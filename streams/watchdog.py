"""The watchdog: ends a worker that stands still, whatever made it so.

Faust and aiokafka keep several failures to themselves (a refused group, a dead fetch task, a recovery that gave
up), and a worker that hangs while its heartbeats go on holds its partitions for ever. So it is judged by what it
achieves, and a thread of its own judges the event loop that does the judging.
"""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import os
import sys
import threading
import time
from typing import TYPE_CHECKING

from aiokafka.errors import ConsumerStoppedError, KafkaError

from streams.kafka import GROUP_REMEDIES

if TYPE_CHECKING:
    from streams.app import PulseApp

log = logging.getLogger(__name__)

_INTERVAL_S = 2.0


class Watchdog:
    """Watches `app` from `start` on. Everything that stands for `watchdog_s` (settings) ends the process."""

    def __init__(self, app: PulseApp, exit_code: int) -> None:
        self._app = app
        self._exit_code = exit_code
        self._patience_s = app.settings.watchdog_s
        self._topics = frozenset(topic.name for topic in app.settings.topics())
        self._ticked = self._settled = time.monotonic()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin. Call in the app's event loop."""
        threading.Thread(target=self._watch_loop, name="watchdog", daemon=True).start()
        self._task = asyncio.create_task(self._watch())
        self._task.add_done_callback(self._on_done)

    def stop(self) -> None:
        """Stop judging what the worker achieves; its loop is watched until the process ends."""
        if self._task is not None:
            self._task.cancel()

    def _on_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            log.error("unexpected error", exc_info=task.exception())
            self._app.fatal(f"the watchdog itself has ended: {task.exception()!r}")

    def _watch_loop(self) -> None:
        while time.monotonic() - self._ticked < self._patience_s or self._task is None or self._task.done():
            time.sleep(_INTERVAL_S)
        sys.stderr.write(f"tagpulse worker stops: its event loop has stood for {self._patience_s:.0f} s\n")
        faulthandler.dump_traceback(file=sys.stderr)
        os._exit(self._exit_code)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_INTERVAL_S)
            self._ticked = time.monotonic()
            if trouble := await self._trouble():
                self._app.fatal(trouble)

    async def _trouble(self) -> str | None:
        app = self._app
        try:
            ages = await asyncio.wait_for(app.consumer.check(), self._patience_s)
        except TimeoutError:
            return f"the consumer's thread has not answered for {self._patience_s:.0f} s"
        except ConsumerStoppedError:
            return None
        except KafkaError as error:
            return f"Kafka refuses this worker: {error!r}. {GROUP_REMEDIES.get(type(error).__name__, '')}".rstrip()
        if stalled := app.checkpoints.stalled():
            return stalled
        for tp, age in ages.items():
            if tp.topic in self._topics and age > self._patience_s:
                return f"{tp.topic}/{tp.partition} has not been fetched for {age:.0f} s"
        return self._unsettled()

    def _unsettled(self) -> str | None:
        """Whether what the group gave us and what we took over have differed for too long."""
        app, now = self._app, time.monotonic()
        consumer = app.consumer
        assigned = {(tp.topic, tp.partition) for tp in consumer.assignment()} if consumer.started else set()
        if app.settled and assigned == app.checkpoints.held:
            self._settled = now
        elif now - self._settled > self._patience_s:
            return (
                f"assigned {len(assigned)} partitions and took over {len(app.checkpoints.held)}, "
                f"for {now - self._settled:.0f} s"
            )
        return None
