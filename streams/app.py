"""The Faust app: one agent per topic. Start it with `tagpulse worker` or `faust -A streams.app worker`."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import faust
from faust.app.base import BootStrategy

from schemas.topics import EventType
from sinks.campaigns import Campaigns
from sinks.client import connect
from sinks.errors import ConnectError, SinkError
from sinks.migrations import require_current
from sinks.writer import Writer
from streams.allocator import keep_freed_memory
from streams.checkpoints import Checkpoints
from streams.counters import TopicCounter, counters
from streams.health import Health
from streams.kernel import KernelUnavailable
from streams.metrics import Metrics
from streams.settings import Settings
from streams.watchdog import Watchdog

log = logging.getLogger(__name__)

#: Exit code after a doubt about ownership or a refusal to go on; a supervisor starts the worker again.
EXIT_FATAL = 70
_CONNECT_DEADLINE_S = 60.0
_LAST_WORDS_S = 5.0


class _ConsumeOnly(BootStrategy):  # type: ignore[misc]
    enable_kafka_producer = False


class PulseApp(faust.App):  # type: ignore[misc]
    """A Faust app whose partitions begin, move and end as its checkpoints say."""

    BootStrategy = _ConsumeOnly

    settings: Settings
    metrics: Metrics
    checkpoints: Checkpoints
    at: Callable[[str], None]

    async def on_first_start(self) -> None:
        """Connect to ClickHouse before the first partition can be assigned."""
        keep_freed_memory()
        await super().on_first_start()
        self.metrics = Metrics()
        event_types = {topic.name: topic.event_type for topic in self.settings.topics()}
        writer = await self._writer()
        self.checkpoints = Checkpoints(
            self.settings,
            writer,
            event_types,
            await self._counters(event_types),
            self.log_end,
            self._commit,
            self.fatal,
            self.metrics,
            groups=Campaigns(writer.client).groups,
        )
        self.checkpoints.start()
        self._watchdog = Watchdog(self, EXIT_FATAL)
        self._watchdog.start()
        self.on_partitions_revoked.connect(self._release, weak=False)

    async def _counters(self, event_types: Mapping[str, EventType]) -> Mapping[str, TopicCounter]:
        try:
            return await asyncio.to_thread(counters, event_types, self.settings.rules(), self.settings.kernel)
        except KernelUnavailable as error:
            self.fatal(str(error))

    async def _writer(self) -> Writer:
        settings, loop = self.settings, asyncio.get_running_loop()
        deadline = loop.time() + _CONNECT_DEADLINE_S
        while True:
            try:
                client = await asyncio.to_thread(
                    connect,
                    settings.clickhouse_url,
                    settings.clickhouse_user,
                    settings.clickhouse_password.get_secret_value(),
                    settings.clickhouse_database,
                    timeout_s=settings.insert_timeout_s + 5,
                )
                await asyncio.to_thread(require_current, client)
                return Writer(client, settings.writer(), self.at)
            except ConnectError as error:
                if loop.time() > deadline:
                    self.fatal(str(error))
                log.warning("%s Trying again.", error)
                await asyncio.sleep(1)
            except SinkError as error:
                self.fatal(str(error))

    async def on_started(self) -> None:
        """Tell the garbage collector about our kind of load: many objects, no cycles, all dropped at a flush."""
        await super().on_started()
        gc.collect()
        gc.freeze()
        gc.set_threshold(100_000, 50, 100)

    async def _producer_flush(self, logger: Any) -> None:
        """Do nothing: this app produces nothing, so its producer was never started."""

    def _create_directories(self) -> None:
        """Do nothing: Faust keeps tables there, and there are none."""

    async def on_stop(self) -> None:
        """Write what is in hand while the group still knows us, then stop as Faust does."""
        if hasattr(self, "checkpoints"):
            self._watchdog.stop()
            await self.checkpoints.stop(self.settings.stop_deadline_s)
        await super().on_stop()

    async def _release(self, *_: Any, **__: Any) -> None:
        await self.checkpoints.release(self.settings.revoke_deadline_s)

    async def _commit(self, offsets: Mapping[tuple[str, int], int]) -> None:
        await self.consumer.commit_for_lag(offsets)

    def log_end(self, topic: str, partition: int) -> int | None:
        """Offset behind the last record that may be read, as of the last fetch; None while it is not known."""
        end: int | None = self.consumer.log_end(topic, partition)
        return end

    @property
    def settled(self) -> bool:
        """Whether the worker is a member of its group and has taken over what it was given, if anything."""
        return not self.rebalancing and (self.checkpoints.ready or bool(self.unassigned))

    def fatal(self, message: str) -> NoReturn:
        """End the process now. Nothing is lost: what has no finished claim is counted by the next owner."""
        # Should nobody read our log, writing to it may block for ever.
        timer = threading.Timer(_LAST_WORDS_S, os._exit, (EXIT_FATAL,))
        timer.daemon = True
        timer.start()
        log.critical("tagpulse worker stops: %s", message)
        logging.shutdown()
        sys.stderr.flush()
        os._exit(EXIT_FATAL)


def create_app(settings: Settings, at: Callable[[str], None] = lambda _: None) -> PulseApp:
    """Build the app with its agents. No connection is made before it starts.

    `at` is called with the name of each protocol step (sinks.writer), for tests that stop a worker there.
    """
    app = PulseApp(
        settings.kafka_group,
        broker=";".join(f"tagpulse://{server.strip()}" for server in settings.kafka_bootstrap_servers.split(",")),
        autodiscover=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        stream_wait_empty=False,
        stream_buffer_maxsize=16,  # batches, each of up to 4 MiB
        web_enabled=False,
        broker_commit_interval=3600.0,
        broker_commit_livelock_soft_timeout=3600.0,
        worker_redirect_stdouts=False,
    )
    app.settings, app.at = settings, at
    _add_agents(app)
    app.service(Health.of(app))
    return app


def _add_agents(app: PulseApp) -> None:
    topics = {
        topic.event_type: app.topic(topic.name, key_serializer="raw", value_serializer="raw", acks=False)
        for topic in app.settings.topics()
    }

    @app.agent(topics[EventType.VIDEO_CREATION])  # type: ignore[untyped-decorator]
    async def count_creations(stream: Any) -> None:
        async for batch in stream.noack():
            await app.checkpoints.add(batch)

    @app.agent(topics[EventType.STICKER_USE])  # type: ignore[untyped-decorator]
    async def count_sticker_uses(stream: Any) -> None:
        async for batch in stream.noack():
            await app.checkpoints.add(batch)

    @app.agent(topics[EventType.VIDEO_VIEW])  # type: ignore[untyped-decorator]
    async def count_views(stream: Any) -> None:
        async for batch in stream.noack():
            await app.checkpoints.add(batch)


def __getattr__(name: str) -> PulseApp:
    # `faust -A streams.app` asks for `app`; settings are read then, and not when tests import this module.
    if name == "app":
        app = globals()["app"] = create_app(Settings())
        return app
    raise AttributeError(name)
