"""ClickHouse's HTTP interface over the engine."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from aiohttp import web

from tagpulse.clickhouse import errors
from tagpulse.clickhouse.access import DATABASE, Credentials, Login, simple_statement, vet
from tagpulse.clickhouse.answer import Answer
from tagpulse.clickhouse.engine import Connection, Engine, Scope, Statistics
from tagpulse.clickhouse.errors import ServerError
from tagpulse.clickhouse.request import Asked, decode
from tagpulse.clickhouse.sessions import Session, Sessions, leaves_state
from tagpulse.clickhouse.settings import analyst_settings, writer_settings
from tagpulse.clickhouse.statement import stated_format, streamable

log = logging.getLogger(__name__)
T = TypeVar("T")

MAX_BODY = 1 << 30
"""Bytes of a request's body, before and after decompression; the whole body is held in memory."""
MAX_ANALYST_BODY = 1 << 20
_QUERIES = 16
"""Running at a time; more wait."""
_ANALYST_QUERIES = 4
_ANALYST_WAITING = 32
_BODY_TIMEOUT_S = 300.0
_KILL_S = 2.0
_WHOLE_ANSWER = "1000000000"
"""The most that an answer may hold in a format which cannot be sent in pieces."""


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

    def application(self) -> web.Application:
        """The aiohttp application; run it with `auto_decompress=False, handler_cancellation=True`."""
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_get("/ping", self._ok)
        app.router.add_get("/replicas_status", self._ok)
        app.router.add_route("*", "/", self._root)
        app.router.add_route("*", "/query", self._root)
        return app

    async def drain(self, deadline_s: float) -> bool:
        """Refuse new queries and wait for those that run; after the deadline stop them. True if all ended."""
        self._closing = True
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
        if (request.content_length or 0) > limit:
            raise ServerError(errors.TOO_LARGE, f"The request's body is larger than {limit} bytes")
        try:
            async with asyncio.timeout(_BODY_TIMEOUT_S):
                body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            raise ServerError(errors.TOO_LARGE, f"The request's body is larger than {limit} bytes") from None
        except TimeoutError:
            raise ServerError(errors.CANNOT_READ_ALL_DATA, "The request's body did not arrive in time") from None
        # The parser counts too; this states the contract: no byte less than announced is ever acted upon.
        if request.content_length is not None and len(body) != request.content_length:
            raise ServerError(errors.CANNOT_READ_ALL_DATA, "The request's body is shorter than its Content-Length")
        if len(body) > limit:
            raise ServerError(errors.TOO_LARGE, f"The request's body is larger than {limit} bytes")
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
        future = asyncio.get_running_loop().run_in_executor(self._threads, functools.partial(function, *args))
        future.add_done_callback(self._called)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            # Nobody else will look at how it ended.
            future.add_done_callback(lambda done: done.cancelled() or done.exception())
            raise

    def _called(self, _: object) -> None:
        self._running -= 1
        if not self._running:
            self._idle.set()

    async def _answer(self, readonly: bool, login: Login, asked: Asked, answer: Answer) -> None:
        async with self._connection(readonly, login, asked) as connection:
            if asked.insert is not None:
                if login is Login.ANALYST:
                    raise ServerError(errors.ACCESS_DENIED, "INSERT is not allowed for this login")
                await self._call(_insert, connection, asked)
                answer.statistics = connection.statistics
                return
            form, stream = await self._stoppable(connection, _checked, self._engine, connection, login, asked)
            answer.form = form
            answer.statistics = connection.statistics
            if not stream:
                await answer.write(await self._stoppable(connection, connection.query, asked.sql, form, asked.params))
                return
            chunks = connection.stream(asked.sql, form, asked.params)
            while (chunk := await self._stoppable(connection, _next, chunks)) is not None:
                await answer.write(chunk)

    async def _stoppable(self, connection: Connection, function: Callable[..., T], *args: Any) -> T:
        """Like `_call`, and when the client goes away the query is stopped and then waited for."""
        call = asyncio.ensure_future(self._call(function, *args))
        try:
            return await asyncio.shield(call)
        except asyncio.CancelledError:
            await asyncio.to_thread(self._engine.kill, connection.tag)
            with contextlib.suppress(ServerError):
                await call
            raise

    @contextlib.asynccontextmanager
    async def _connection(self, readonly: bool, login: Login, asked: Asked) -> AsyncIterator[Connection]:
        await self._sessions.sweep()
        if login is Login.ANALYST:
            if asked.database not in ("", DATABASE, "default"):
                raise ServerError(errors.ACCESS_DENIED, f"database {asked.database} is not open to this login")
            scope = Scope(login, DATABASE, analyst_settings(asked.settings))
        else:
            settings = writer_settings(asked.settings)
            if asked.session_id:
                session = self._sessions.take(asked.session_id)
                if session is not None:
                    async with self._in_session(session, settings, asked) as connection:
                        yield connection
                    return
                if asked.session_check:
                    raise ServerError(errors.SESSION_NOT_FOUND, f"Session {asked.session_id} not found")
                if asked.sql and leaves_state(asked.sql):
                    async with self._new_session(asked) as connection:
                        yield connection
                    return
            scope = Scope(login, asked.database, settings, readonly)
        connection = await self._call(self._engine.open, scope)
        try:
            yield connection
        finally:
            await asyncio.shield(self._call(connection.close))

    @contextlib.asynccontextmanager
    async def _new_session(self, asked: Asked) -> AsyncIterator[Connection]:
        scope = Scope(Login.WRITER, asked.database, {"async_insert": "0"})
        connection = await self._call(self._engine.open, scope)
        try:
            session = self._sessions.add(asked.session_id, connection, asked.session_timeout_s)
        except ServerError:
            await self._call(connection.close)
            raise
        try:
            yield connection
        finally:
            self._sessions.release(session)

    @contextlib.asynccontextmanager
    async def _in_session(self, session: Session, settings: dict[str, str], asked: Asked) -> AsyncIterator[Connection]:
        """The session's connection, with the settings of this request for this request only."""
        connection = session.connection
        connection.statistics = Statistics()
        try:
            before = await self._call(connection.current, list(settings))
            await self._call(connection.apply, settings)
            try:
                yield connection
            finally:
                # What the statement itself set by SET must stay, so only what it left as it was is put back.
                now = await self._call(connection.current, list(settings))
                back = {
                    name: value for name, value in before.items() if now[name] == _normal(settings[name], now[name])
                }
                await self._call(connection.apply, back)
        finally:
            session.timeout_s = asked.session_timeout_s
            self._sessions.release(session)
            if asked.close_session:
                await self._sessions.drop(asked.session_id)


def _normal(asked: str, present: str) -> str:
    """A setting reads back as `true` where 1 was asked for, so any spelling of the same value is taken as equal."""
    same = {"true": "1", "false": "0"}
    return present if same.get(present, present) == same.get(asked, asked) else asked


def _insert(connection: Connection, asked: Asked) -> None:
    insert = asked.insert
    assert insert is not None
    connection.set_params(asked.params)
    connection.insert(insert.head, insert.form, insert.data)


def _next(chunks: Iterator[bytes]) -> bytes | None:
    return next(chunks, None)


def _checked(engine: Engine, connection: Connection, login: Login, asked: Asked) -> tuple[str, bool]:
    """The format of the answer and whether it can be streamed; raises for what the login may not run."""
    text = asked.sql.encode()
    if login is Login.WRITER:
        connection.refuse_several(asked.sql)
        form = stated_format(text) or asked.form
    elif simple := simple_statement(asked.sql):
        form = simple["format"] or asked.form
    else:
        tree, databases, views = connection.parsed(asked.sql)
        vet(tree, engine.vocabulary, databases, views)
        stated = tree.get("format_ast")
        form = str(stated["name"]) if stated else asked.form
    stream = streamable(text, form)
    if not stream and login is Login.WRITER and "max_result_bytes" not in asked.settings:
        connection.apply({"max_result_bytes": _WHOLE_ANSWER})
    return form, stream
