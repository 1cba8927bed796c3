"""The stack as a whole: starts processes in order, brings back those that die, ends them in reverse order."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from types import TracebackType
from typing import NoReturn

from tagpulse.stack import credentials
from tagpulse.stack.backoff import Backoff
from tagpulse.stack.broker import Broker, BrokerKind
from tagpulse.stack.clickhouse import ClickHouse
from tagpulse.stack.embedded_broker import EmbeddedBroker
from tagpulse.stack.errors import DataDirectoryError, StackDiedError
from tagpulse.stack.kafka.cluster import KafkaCluster
from tagpulse.stack.logfile import LogFile
from tagpulse.stack.options import Endpoints, EventKind, StackEvent, StackOptions
from tagpulse.stack.rundir import RunDirectory
from tagpulse.stack.server import Server
from tagpulse.stack.topics import create_topics
from tagpulse.stack.worker import Worker


class Stack:
    """`async with Stack(options) as stack:` enters when every worker is ready, and leaves nothing running.

    Must run in the main thread. Entering raises a StackError, or what a hook raised.

    - A worker that dies is restarted, for ever, with back-off.
    - ClickHouse is restarted on the same data and port; workers retry or die meanwhile, and come back.
    - A node of Apache Kafka is restarted on the same log and ports, too; nothing else need be done.
    - The embedded broker's log is in memory. When it dies, events that were not counted yet are lost, and so are
      the offsets. The workers are stopped, a new broker is started on the same port, `prepare_broker` announces
      the new log, the topics are made anew, the workers started.
    - Broker or ClickHouse dying again and again ends supervision: `wait` raises StackDiedError.
    """

    def __init__(self, options: StackOptions, on_event: Callable[[StackEvent], None] = lambda event: None) -> None:
        self.options = options
        self.directory = RunDirectory(options.data)
        self.servers: list[Server] = []
        """All of them, in the order in which they were started."""
        self.workers: list[Worker] = []
        self.stopping = False
        """Set as soon as the processes are being ended."""
        self._on_event = on_event
        self._cleanup = contextlib.AsyncExitStack()
        self._keepers: list[asyncio.Task[None]] = []
        self._worker_keepers: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Stack:
        self._death: asyncio.Future[NoReturn] = asyncio.get_running_loop().create_future()
        try:
            await self._start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def wait(self) -> NoReturn:
        """Wait for the end of supervision: raises StackDiedError."""
        await asyncio.shield(self._death)
        raise AssertionError("the future only ever raises")

    def kill(self) -> None:
        """End every process at once, without grace. A stop under way then finishes quickly."""
        self.stopping = True
        for server in self.servers:
            server.kill()

    async def _start(self) -> None:
        options = self.options
        self._cleanup.enter_context(self.directory)
        login = (
            credentials.generate()
            if self.directory.temporary
            else credentials.load_or_create(self.directory.credentials)
        )
        self.broker = self._new_broker()
        await self.broker.prepare(lambda what: self._on_event(StackEvent(EventKind.FETCHING, "broker", what)))
        self.clickhouse = ClickHouse(
            self._log("clickhouse"),
            data=self.directory.clickhouse,
            credentials=login,
            command=options.clickhouse_command,
            port=options.clickhouse_port,
            grace_s=options.server_grace_s,
            lock=self.directory.lock,
        )
        for servers in (self.broker.nodes, (self.clickhouse,)):
            self.servers.extend(servers)
            self._cleanup.push_async_callback(self._end_together, servers)
            await self._start_together(servers)
        self.endpoints = Endpoints(
            kafka=self.broker.bootstrap_servers,
            idempotent=self.broker.idempotent,
            clickhouse=self.clickhouse.url,
            credentials=login,
        )
        await options.prepare(self.endpoints)
        await self._fill_broker()
        self._cleanup.push_async_callback(lambda: self._end_together(self.workers))
        self.workers = [self._worker(index) for index in range(options.workers)]
        self.servers.extend(self.workers)
        await self._start_together(self.workers)
        self._cleanup.push_async_callback(self._cancel_keepers)
        limit = options.server_restart_attempts
        self._keep(self._keepers, self.clickhouse, partial(self._revive, self.clickhouse), limit)
        for node in self.broker.nodes:
            back = partial(self._revive, node) if self.broker.durable else partial(self._begin_new_log, node)
            self._keep(self._keepers, node, back, limit)
        self._keep_workers(running=True)

    async def _stop(self) -> None:
        self.stopping = True
        if not self._death.done():
            self._death.cancel()
        elif not self._death.cancelled():
            self._death.exception()  # seen: nobody may have waited for it
        await self._cleanup.aclose()

    def _new_broker(self) -> Broker:
        """Raises DataDirectoryError where the data directory keeps the log of another kind of broker."""
        options, kept = self.options, self.directory.kafka
        if options.broker is BrokerKind.KAFKA:
            return KafkaCluster(
                kept,
                self.directory.logs,
                nodes=options.kafka_nodes,
                port=options.kafka_port,
                grace_s=options.kafka_grace_s,
                lock=self.directory.lock,
            )
        if kept.exists():
            raise DataDirectoryError(
                kept,
                "it is a log of Apache Kafka, which the embedded broker cannot serve",
                "Start with --broker kafka, or choose another data directory. To give up what in that log was not "
                "counted yet, remove it: what was counted stays.",
            )
        return EmbeddedBroker(self._log("broker"), port=options.kafka_port)

    def _worker(self, index: int) -> Worker:
        return Worker(
            index,
            self._log(f"worker-{index}"),
            endpoints=self.endpoints,
            command=self.options.worker_command,
            grace_s=self.options.worker_grace_s,
        )

    async def _start_together(self, servers: Sequence[Server]) -> None:
        starts = [asyncio.create_task(self._revive(server)) for server in servers]
        try:
            await asyncio.gather(*starts)
        finally:
            await _cancel(starts)
        for server in servers:
            self._emit(EventKind.READY, server)

    async def _fill_broker(self) -> None:
        if self.broker.log_is_new:
            await self.options.prepare_broker(self.endpoints)
            self.broker.announced()
        names, wanted = self.endpoints.topics.values(), self.options.partitions
        found = await create_topics(
            self.endpoints.kafka,
            dict.fromkeys(names, wanted),
            replication_factor=self.broker.replication_factor,
        )
        for name, number in found.items():
            if number != wanted:
                detail = f"{name} keeps its {number} partitions, not {wanted}"
                self._on_event(StackEvent(EventKind.KEPT, "broker", detail))

    def _keep_workers(self, *, running: bool) -> None:
        for worker in self.workers:
            self._keep(self._worker_keepers, worker, partial(self._revive, worker), None, running)

    async def _revive(self, server: Server) -> None:
        await server.start(self.options.start_deadline_s)

    async def _begin_new_log(self, node: Server) -> None:
        # Workers first: they hold offsets of a log that is no more, and must not meet the new one with them.
        await _cancel(self._worker_keepers)
        self._worker_keepers.clear()
        await self._end_together(self.workers)
        await node.stop()  # an earlier attempt may have failed after its start
        await self._revive(node)
        await self._fill_broker()
        self._keep_workers(running=False)

    def _keep(
        self,
        keepers: list[asyncio.Task[None]],
        server: Server,
        bring_back: Callable[[], Awaitable[None]],
        limit: int | None,
        running: bool = True,
    ) -> None:
        task = asyncio.create_task(self._supervise(server, bring_back, limit, running), name=server.name)
        task.add_done_callback(self._on_keeper_done)
        keepers.append(task)

    def _on_keeper_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) and not self._death.done():
            self._death.set_exception(error)

    async def _supervise(
        self, server: Server, bring_back: Callable[[], Awaitable[None]], limit: int | None, running: bool
    ) -> None:
        """Bring `server` back whenever it ends; for ever, or until `limit` attempts in a row failed."""
        options = self.options
        backoff = Backoff(
            first_s=options.restart_first_s,
            most_s=options.restart_most_s,
            well_after_s=options.restart_well_after_s,
        )
        cause = ""
        while True:
            if running:
                since = time.monotonic()
                await server.process.wait()
                backoff.ran(time.monotonic() - since)
                cause = f"{server.process.exit_text()}\n{server.log.tail()}".rstrip()
                self._emit(EventKind.DIED, server, cause)
                if server in self.broker.nodes and not self.broker.durable:
                    self._emit(EventKind.LOG_LOST, server, "events that were not counted yet are gone")
            while True:
                if limit is not None and backoff.attempts >= limit:
                    raise StackDiedError(server.name, limit, cause)
                delay = backoff.next() if running else 0.0
                self._emit(EventKind.RESTARTING, server, f"in {delay:g} s")
                running = True
                await asyncio.sleep(delay)
                try:
                    await bring_back()
                except Exception as error:  # a hook may raise anything; the next attempt may succeed
                    cause = str(error)
                    self._emit(EventKind.FAILED, server, cause)
                else:
                    break
            self._emit(EventKind.READY, server)

    async def _cancel_keepers(self) -> None:
        # The broker's keeper may be replacing the workers' keepers: it goes first.
        await _cancel(self._keepers)
        await _cancel(self._worker_keepers)

    async def _end_together(self, servers: Sequence[Server]) -> None:
        await asyncio.gather(*(self._end(server) for server in servers))

    async def _end(self, server: Server) -> None:
        if not server.running:
            return
        await server.stop()
        self._emit(EventKind.STOPPED, server, server.process.exit_text())

    def _log(self, name: str) -> LogFile:
        return LogFile(self.directory.logs / f"{name}.log")

    def _emit(self, kind: EventKind, server: Server, detail: str = "") -> None:
        self._on_event(StackEvent(kind, server.name, detail))


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
