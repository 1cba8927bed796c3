"""ClickHouse's HTTP interface over the engine."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from aiohttp import ClientPayloadError, web
from aiohttp.http_exceptions import HttpProcessingError

from tagpulse.clickhouse import errors
from tagpulse.clickhouse.access import DATABASE, Credentials, Login
from tagpulse.clickhouse.answer import Answer
from tagpulse.clickhouse.engine import Engine, Scope
from tagpulse.clickhouse.errors import ServerError
from tagpulse.clickhouse.execution import Execution
from tagpulse.clickhouse.request import Asked, decode
from tagpulse.clickhouse.sessions import Sessions, leaves_state
from tagpulse.clickhouse.settings import analyst_settings, writer_settings

log = logging.getLogger(__name__)
T = TypeVar("T")

MAX_BODY = 1 << 30
"""Bytes of a request's body, before and after decompression; the whole body is held in memory."""
MAX_ANALYST_BODY = 1 << 20
_QUERIES = 16
"""Running at a time; more wait."""
_ANALYST_QUERIES = 4
_ANALYST_WAITING = 32
_SMALL_BODY = 1 << 16
"""Decoded on the event loop: cheaper than to wake a thread."""
_BODY_TIMEOUT_S = 300.0
_KILL_S = 2.0


class Server:
    """Routes and the life of requests."""

    def __init__(self, engine: Engine, credentials: Credentials, host_name: str) -> None:
        self._engine = engine
        self._credentials = credentials
        self._host_name = host_name
        self._threads = ThreadPoolExecutor(_QUERIES, thread_name_prefix="clickhouse")
        self._analyst_slots = asyncio.Semaphore(_ANALYST_QUERIES)
        self._analyst_waiting = 0
        self._sessions = Sessions()
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._closing = False
        self._reads: set[str] = set()

    def application(self) -> web.Application:
        """The aiohttp application; run it with `auto_decompress=False, handler_cancellation=True`."""
        app = web.Application()
        app.router.add_get("/ping", self._ok)
        app.router.add_get("/replicas_status", self._ok)
        app.router.add_route("*", "/", self._root)
        app.router.add_route("*", "/query", self._root)
        return app

    async def drain(self, deadline_s: float) -> bool:
        """Refuse new queries, stop those that only read, wait for the others; after the deadline stop all.

        True if all have ended.
        """
        self._closing = True
        for tag in list(self._reads):
            await asyncio.to_thread(self._engine.kill, tag)
        idle = await self._idle_within(deadline_s)
        if not idle:
            await asyncio.to_thread(self._engine.kill)
            idle = await self._idle_within(_KILL_S)
        if idle:
            await self._sessions.sweep(everything=True)
        self._threads.shutdown(wait=idle, cancel_futures=True)
        return idle

    async def _idle_within(self, deadline_s: float) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), deadline_s)
        return self._idle.is_set()

    async def _ok(self, _: web.Request) -> web.Response:
        return web.Response(text="Ok.\n", content_type="text/html")

    async def _root(self, request: web.Request) -> web.StreamResponse:
        if request.method == "GET" and not request.query_string:
            return await self._ok(request)
        if request.method not in ("GET", "POST", "HEAD"):
            return web.Response(status=405, text="Use GET or POST.\n")
        answer = Answer(request, self._headers())
        try:
            login = self._credentials.login(request.headers, request.query)
            if self._closing:
                raise ServerError(errors.ABORTED, "The server is shutting down.")
            asked = await self._decoded(request, login)
            answer.asked(asked)
            async with self._slot(login):
                await self._answer(request.method != "POST", login, asked, answer)
        except ServerError as error:
            await answer.failed(error)
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception as error:
            log.exception("unexpected failure of a request")
            await answer.failed(ServerError(errors.UNKNOWN, f"{type(error).__name__} in the server; see its log"))
        return await answer.finished()

    def _headers(self) -> dict[str, str]:
        return {
            "X-ClickHouse-Server-Display-Name": self._host_name,
            "X-ClickHouse-Timezone": self._engine.timezone,
        }

    async def _decoded(self, request: web.Request, login: Login) -> Asked:
        limit = MAX_BODY if login is Login.WRITER else MAX_ANALYST_BODY
        body = await _body(request, limit)
        if len(body) < _SMALL_BODY and "Content-Encoding" not in request.headers:
            return decode(request.headers, request.query, body, limit)
        return await self._call(decode, request.headers, request.query, body, limit)

    @contextlib.asynccontextmanager
    async def _slot(self, login: Login) -> AsyncIterator[None]:
        """The analyst gets a part of the threads, so that the writer always finds some."""
        if login is Login.WRITER:
            yield
            return
        if self._analyst_waiting >= _ANALYST_WAITING:
            raise ServerError(errors.TOO_MANY_QUERIES, "Too many queries of this login are waiting already")
        self._analyst_waiting += 1
        try:
            await self._analyst_slots.acquire()
        finally:
            self._analyst_waiting -= 1
        try:
            yield
        finally:
            self._analyst_slots.release()

    async def _call(self, function: Callable[..., T], *args: Any) -> T:
        """Run in a thread to its end, also when the client has gone."""
        self._running += 1
        self._idle.clear()
        future = asyncio.get_running_loop().run_in_executor(self._threads, function, *args)
        future.add_done_callback(self._called)
        return await future

    def _called(self, _: object) -> None:
        self._running -= 1
        if not self._running:
            self._idle.set()

    async def _answer(self, readonly: bool, login: Login, asked: Asked, answer: Answer) -> None:
        if login is Login.ANALYST:
            if asked.database not in ("", DATABASE, "default"):
                raise ServerError(errors.ACCESS_DENIED, f"database {asked.database} is not open to this login")
            scope = Scope(login, DATABASE, analyst_settings(asked.settings))
        else:
            scope = Scope(login, asked.database, writer_settings(asked.settings), readonly)
            if asked.session_id and await self._answer_in_session(scope, asked, answer):
                return
        await self._execute(Execution(self._engine, scope, asked), answer)

    async def _answer_in_session(self, scope: Scope, asked: Asked, answer: Answer) -> bool:
        """False if the request neither meets nor makes a session with state: it runs like any other."""
        await self._sessions.sweep()
        session = self._sessions.take(asked.session_id)
        if session is None:
            if asked.session_check:
                raise ServerError(errors.SESSION_NOT_FOUND, f"Session {asked.session_id} not found")
            if not asked.sql or not leaves_state(asked.sql):
                return False
            opened = await self._call(self._engine.open, dataclasses.replace(scope, settings={}, readonly=False))
            session = self._sessions.add(asked.session_id, opened, asked.session_timeout_s)
        try:
            await self._execute(Execution(self._engine, scope, asked, session.connection), answer)
        finally:
            session.timeout_s = asked.session_timeout_s
            self._sessions.release(session)
            if asked.close_session:
                await self._sessions.drop(asked.session_id)
        return True

    async def _execute(self, execution: Execution, answer: Answer) -> None:
        if execution.stoppable:
            self._reads.add(execution.tag)
        try:
            answer.hold(await self._run(execution, execution.start))
            answer.form, answer.statistics = execution.form, execution.statistics
            while not execution.done:
                part = await self._run(execution, execution.more)
                if part is not None:
                    await answer.write(part)
        finally:
            self._reads.discard(execution.tag)
            if not execution.done:
                await asyncio.shield(self._call(execution.close))

    async def _run(self, execution: Execution, function: Callable[[], T]) -> T:
        """Run in a thread. When the client goes away a query that only reads is stopped, another one awaited."""
        call = asyncio.ensure_future(self._call(function))
        try:
            return await asyncio.shield(call)
        except asyncio.CancelledError:
            if execution.stoppable:
                await asyncio.to_thread(self._engine.kill, execution.tag)
            with contextlib.suppress(ServerError):
                await call
            raise


async def _body(request: web.Request, limit: int) -> bytes:
    """The whole body as it was sent; anything less than all of it is an error."""
    announced = request.content_length
    too_large = ServerError(errors.TOO_LARGE, f"The request's body is larger than {limit} bytes")
    if announced is not None and announced > limit:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_TIMEOUT_S):
            async for part in request.content.iter_any():
                body += part
                if len(body) > limit:
                    raise too_large
    except TimeoutError:
        raise ServerError(errors.CANNOT_READ_ALL_DATA, "The request's body did not arrive in time") from None
    except (web.RequestPayloadError, HttpProcessingError, ClientPayloadError) as error:
        raise ServerError(errors.CANNOT_READ_ALL_DATA, f"The request's body is broken: {error}") from None
    # The parser counts too; this states the contract: no byte less than announced is ever acted upon.
    if announced is not None and len(body) != announced:
        raise ServerError(errors.CANNOT_READ_ALL_DATA, "The request's body is shorter than its Content-Length")
    return bytes(body)
