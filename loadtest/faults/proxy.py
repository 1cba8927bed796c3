"""A TCP proxy on loopback with toxics that are switched while it runs."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar

from loadtest.faults.framing import Bytes, Framing
from loadtest.faults.http_frames import HttpFrames
from loadtest.faults.kafka_frames import KafkaFrames
from loadtest.faults.link import Link
from loadtest.faults.toxics import Toxic
from tagpulse.stack.ports import HOST, free_ports

T = TypeVar("T")

_CALL_TIMEOUT_S = 30.0


class Proxy:
    """Stands before one or more servers on this machine, each on a port of its own, while entered.

    The loop runs in a thread; every method may be called from any thread. `framing` makes the framing of a
    connection, given the port of each server and of the proxy before it. `seed`: of jitter.
    """

    def __init__(
        self, servers: Sequence[int], framing: Callable[[Mapping[int, int]], Framing] = lambda _: Bytes(), seed: int = 0
    ) -> None:
        self.ports = dict(zip(servers, free_ports(len(servers)), strict=True))
        """Port of each server -> the proxy's port before it."""
        self._framing = framing
        self._dice = random.Random(seed)  # noqa: S311 - reproducible, not secret
        self._toxics: list[Toxic] = []
        self._links: set[Link] = set()
        self._listeners: list[asyncio.Server] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    @property
    def addresses(self) -> str:
        """host:port of each listener, by comma."""
        return ",".join(f"{HOST}:{port}" for port in self.ports.values())

    def __enter__(self) -> Proxy:
        self._thread.start()
        self._call(self._listen())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._toxics.clear()
        self._call(self._refuse())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CALL_TIMEOUT_S)
        self._loop.close()

    @contextlib.contextmanager
    def toxic(self, *toxics: Toxic) -> Iterator[Sequence[Toxic]]:
        """Have `toxics` on all connections, old and new, while entered."""
        self._toxics += toxics
        try:
            yield toxics
        finally:
            for toxic in toxics:
                self._toxics.remove(toxic)

    @contextlib.contextmanager
    def refusing(self) -> Iterator[None]:
        """Reset every connection and refuse new ones while entered."""
        self._call(self._refuse())
        try:
            yield
        finally:
            self._call(self._listen())

    def reset(self) -> int:
        """Reset every connection of now. Returns how many there were."""
        return self._call(self._reset())

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_CALL_TIMEOUT_S)

    async def _listen(self) -> None:
        for server, port in self.ports.items():
            self._listeners.append(await asyncio.start_server(self._accept(server), HOST, port))

    async def _refuse(self) -> None:
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        await self._reset()
        if self._links:
            await asyncio.wait([link.ended for link in self._links])

    async def _reset(self) -> int:
        links = list(self._links)
        for link in links:
            link.reset()
        return len(links)

    def _accept(self, server: int) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]:
        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            link = Link((reader, writer), self._framing(self.ports), self._toxics, self._dice)
            self._links.add(link)
            try:
                await link.run(HOST, server)
            finally:
                self._links.discard(link)

        return accept


def clickhouse_proxy(port: int, seed: int = 0) -> Proxy:
    """Before a ClickHouse server's HTTP interface on `port`. Messages are called by their SQL."""
    return Proxy([port], lambda _: HttpFrames(), seed)


def kafka_proxy(bootstrap: str, seed: int = 0) -> Proxy:
    """Before all brokers of a cluster on this machine: `bootstrap` names each (127.0.0.1:port, by comma).

    Clients that begin at the proxy's `addresses` are sent on to no other place. Raises ValueError.
    """
    places = [place.strip().rpartition(":") for place in bootstrap.split(",")]
    if any(host != HOST or not port.isdigit() for host, _, port in places):
        raise ValueError(f"brokers are {bootstrap!r}: each must be {HOST}:PORT, as the brokers themselves tell it")
    return Proxy([int(port) for *_, port in places], KafkaFrames, seed)
