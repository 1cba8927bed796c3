"""One connection through a proxy: both ways, whole messages, under the toxics of the moment."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import Sequence
from typing import Any

from loadtest.faults.framing import Framing, Message
from loadtest.faults.toxics import DOWN, UP, Direction, Toxic

_READ_BYTES = 256 * 1024
_HOLD_POLL_S = 0.02


class _CutError(Exception):
    """The connection is to be reset now."""


class Link:
    """From `client` to a server that is not connected yet. `toxics` is shared with the proxy, which changes it."""

    def __init__(
        self,
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        framing: Framing,
        toxics: list[Toxic],
        dice: random.Random,
    ) -> None:
        self._client_reader, self._client = client
        self._server: asyncio.StreamWriter | None = None
        self._framing, self._toxics, self._dice = framing, toxics, dice
        self._broken = asyncio.Event()
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self, host: str, port: int) -> None:
        """Pass everything on until one side closes, or a toxic cuts."""
        ways: list[asyncio.Task[Any]] = []
        try:
            server_reader, self._server = await asyncio.open_connection(host, port, limit=_READ_BYTES)
            ways = [
                asyncio.create_task(self._pump(UP, self._client_reader, self._server)),
                asyncio.create_task(self._pump(DOWN, server_reader, self._client)),
                asyncio.create_task(self._broken.wait()),
            ]
            done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in done:
                way.result()
        except (_CutError, OSError):
            self.reset()
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self._close()
            self.ended.set_result(None)

    def reset(self) -> None:
        """Both sides see "connection reset by peer"."""
        self._broken.set()
        for writer in self._writers():
            endpoint = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):
                endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    def _writers(self) -> Sequence[asyncio.StreamWriter]:
        return [writer for writer in (self._client, self._server) if writer is not None]

    def _close(self) -> None:
        for writer in self._writers():
            writer.close()

    async def _pump(self, direction: Direction, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        split = self._framing.requests if direction is UP else self._framing.answers
        while True:
            data = await reader.read(_READ_BYTES)
            for message in split(data):
                await self._pass(direction, message, writer)
            if not data:
                # In a black hole nobody sees the other side close either.
                await self._held(direction, "")
                return

    async def _pass(self, direction: Direction, message: Message, writer: asyncio.StreamWriter) -> None:
        taking = [toxic for toxic in self._toxics if toxic.takes(direction, message.name)]
        for toxic in taking:
            toxic.hits += 1
        if any(toxic.hold for toxic in taking):
            await self._held(direction, message.name)
        late_s = sum(toxic.latency_s + self._dice.uniform(0, toxic.jitter_s) for toxic in taking)
        if late_s:
            await asyncio.sleep(late_s)
        for toxic in taking:
            if toxic.answer is not None:
                self._framing.answered(message)
                self._client.write(toxic.answer)
                await self._client.drain()
                return
        cutter = next((toxic for toxic in taking if toxic.cut_after is not None), None)
        data = message.data if cutter is None else message.data[: cutter.cut_after]
        await _write(writer, data, taking)
        if cutter is not None:
            # In a thread: it may wait for a process to end.
            await asyncio.to_thread(cutter.on_cut)
            raise _CutError

    async def _held(self, direction: Direction, name: str) -> None:
        # Polled: whoever lifts a toxic does so in another thread.
        while any(toxic.hold and toxic.takes(direction, name) for toxic in self._toxics):  # noqa: ASYNC110
            await asyncio.sleep(_HOLD_POLL_S)


async def _write(writer: asyncio.StreamWriter, data: bytes, toxics: Sequence[Toxic]) -> None:
    size = min((t.slice_bytes for t in toxics if t.slice_bytes is not None), default=len(data) or 1)
    rate = min((t.bytes_per_s for t in toxics if t.bytes_per_s is not None), default=None)
    for begin in range(0, len(data), size):
        piece = data[begin : begin + size]
        if rate is not None:
            await asyncio.sleep(len(piece) / rate)
        writer.write(piece)
        await writer.drain()
        if len(piece) < len(data):
            await asyncio.sleep(0)  # else pieces might be put together again
