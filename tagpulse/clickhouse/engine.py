"""chDB: one directory, one engine, a connection per request.

A connection has settings, a role and a current database of its own and costs about 0.2 ms to open, so each
request gets a fresh one and nothing leaks from one to the next. All calls here block: run them in threads.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import uuid
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from xml.sax.saxutils import escape

import chdb._chdb

from tagpulse.clickhouse.access import DATABASE, VOCABULARY_SQL, Login, Vocabulary
from tagpulse.clickhouse.errors import (
    ABORTED,
    ACCESS_DENIED,
    BAD_ARGUMENTS,
    SYNTAX_ERROR,
    EngineError,
    ServerError,
)
from tagpulse.clickhouse.settings import quoted, set_statement
from tagpulse.clickhouse.statement import words

log = logging.getLogger(__name__)
_connect: Any = chdb._chdb.connect

_CONFIG = "<clickhouse><users_config>{users}</users_config></clickhouse>\n"
# Roles are what chDB offers for rights: its only user holds both, a connection of the analyst keeps one. The
# user itself is granted nothing, so that a connection which gave up the writer's role has no rights left of it.
_USERS = f"""<clickhouse>
  <profiles><default/></profiles>
  <quotas><default/></quotas>
  <users>
    <default>
      <password></password><networks><ip>127.0.0.1</ip><ip>::1</ip></networks>
      <profile>default</profile><quota>default</quota>
      <grants><query>GRANT tagpulse_writer, tagpulse_analyst</query></grants>
    </default>
  </users>
  <roles>
    <tagpulse_writer><grants><query>GRANT ALL ON *.*</query></grants></tagpulse_writer>
    <tagpulse_analyst><grants>
      <query>GRANT SELECT, SHOW, dictGet ON {DATABASE}.*</query>
    </grants></tagpulse_analyst>
  </roles>
</clickhouse>
"""


class DataDirectoryInUseError(Exception):
    """Another process holds the data directory."""


@dataclass(slots=True)
class Statistics:
    """What `X-ClickHouse-Summary` tells."""

    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    result_rows: int = 0
    result_bytes: int = 0
    elapsed_ns: int = 0


@dataclass(slots=True)
class Scope:
    """What holds for one connection: on whose behalf, in which database, with which settings."""

    login: Login
    database: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    readonly: bool = False
    tag: str = field(default_factory=lambda: uuid.uuid4().hex)
    """By which the query that runs under this scope can be found and stopped."""


class Connection:
    """One chDB connection. Used by one request at a time, by whichever thread; close it always."""

    def __init__(self, connection: Any, scope: Scope) -> None:
        self._connection = connection
        self.statistics = Statistics()
        self._stream: Any = None
        try:
            self._run(_prologue(scope))
        except BaseException:
            self.close()
            raise

    def _run(self, sql: str, form: str = "Null", params: Mapping[str, str] | None = None) -> Any:
        try:
            return self._connection.query(sql, form, params=dict(params or {}))
        except RuntimeError as error:
            raise EngineError(error) from None

    def query(self, sql: str, form: str, params: Mapping[str, str]) -> bytes:
        """Run one statement of any kind and return all it answered."""
        result = self._run(sql, form, params)
        data: bytes = result.bytes()
        self._count(result, len(data))
        return data

    def stream(self, sql: str, form: str, params: Mapping[str, str]) -> Iterator[bytes]:
        """Run a SELECT and yield its answer block by block, each on demand: memory is bounded by a block.

        Only for formats whose blocks can be laid end to end. Closing the connection ends the query.
        """
        try:
            self._stream = self._connection.send_query(sql, form, params=dict(params))
            while True:
                chunk = self._connection.streaming_fetch_result(self._stream)
                if chunk is None or chunk.rows_read() == 0:
                    break
                data: bytes = chunk.bytes()
                self._count(chunk, len(data))
                yield data
        except RuntimeError as error:
            self._stream = None
            raise EngineError(error) from None
        self._stream = None

    def insert(self, head: str, form: str, data: bytes) -> None:
        """Insert `data`, encoded as `form`, by the statement `head` (without FORMAT).

        The data goes in as a file in memory. chDB's own streaming insert would confirm rows that a materialized
        view had refused, and data behind the statement would end at its first empty line, binary or not.
        """
        settings_at = next((start for word, start, _ in words(head.encode()) if word == "SETTINGS"), None)
        target = head.encode()[:settings_at].decode()
        settings = head.encode()[settings_at:].decode() if settings_at is not None else ""
        descriptor = os.memfd_create("insert", os.MFD_CLOEXEC)
        try:
            with open(descriptor, "wb", closefd=False) as file:
                file.write(data)
            source = f"FROM INFILE '/proc/self/fd/{descriptor}' COMPRESSION 'none'"
            result = self._run(f"{target} {source} {settings} FORMAT {form}")
        finally:
            os.close(descriptor)
        self.statistics.written_rows += result.rows_written()
        self.statistics.written_bytes += result.bytes_written()
        self.statistics.elapsed_ns += int(result.elapsed() * 1e9)

    def set_params(self, params: Mapping[str, str]) -> None:
        """Make parameters known to an insert, which takes none itself."""
        if params:
            self._run(set_statement({f"param_{name}": value for name, value in params.items()}))

    def current(self, names: list[str]) -> dict[str, str]:
        """The present values of settings, for putting them back."""
        columns = ", ".join(f"toString(getSetting({quoted(name)}))" for name in names)
        row = json.loads(self._run(f"SELECT [{columns}] AS v", "JSONCompactEachRow").bytes())
        return dict(zip(names, row[0], strict=True))

    def retag(self, tag: str) -> None:
        """Name the next query, in a connection that serves several."""
        self._run(set_statement({"log_comment": tag}))

    def apply(self, settings: Mapping[str, str]) -> None:
        """Change settings of this connection."""
        if settings:
            self._run(set_statement(settings))

    def statement_count(self, sql: str) -> int:
        """How many statements the text holds; 0 where it does not parse."""
        count: int = self._connection.classify_query(sql)["statement_count"]
        return count

    def refuse_several(self, sql: str) -> None:
        """One request is one statement."""
        if self.statement_count(sql) > 1:
            raise ServerError(SYNTAX_ERROR, "Multi-statements are not allowed")

    def parsed(self, sql: str) -> dict[str, Any]:
        """The statement as the engine's parser understands it.

        The text is a value here, never part of a statement. What does not parse, is several statements or has no
        exported tree is refused by the engine.
        """
        # A query parameter is written like a field of a TSV file.
        escaped = sql.translate({92: "\\\\", 9: "\\t", 10: "\\n", 13: "\\r", 0: "\\0"})
        try:
            answer = self._run("SELECT parseQueryToJSON({statement:String})", "TSVRaw", {"statement": escaped})
        except ServerError as error:
            if error.code == BAD_ARGUMENTS[0]:
                raise ServerError(ACCESS_DENIED, "only statements that read are allowed for this login") from None
            # Our own wrapping is no help to who reads the message.
            text = error.message.partition(": In scope SELECT parseQueryToJSON(")[0]
            raise EngineError(f"{text} (SYNTAX_ERROR)" if error.code == SYNTAX_ERROR[0] else text) from None
        tree: dict[str, Any] = json.loads(answer.bytes())
        return tree

    def views(self) -> Collection[str]:
        """The views of the analyst's database."""
        sql = "SELECT name FROM system.tables WHERE database = {database:String} AND engine = 'View'"
        rows = self._run(sql, "JSONCompactEachRow", {"database": DATABASE}).bytes().splitlines()
        return {json.loads(row)[0] for row in rows}

    def _count(self, result: Any, size: int) -> None:
        counted = self.statistics
        counted.read_rows += result.storage_rows_read()
        counted.read_bytes += result.storage_bytes_read()
        counted.written_rows += result.rows_written()
        counted.written_bytes += result.bytes_written()
        counted.result_rows += result.rows_read()
        counted.result_bytes += size
        counted.elapsed_ns = int(result.elapsed() * 1e9)

    def close(self) -> None:
        """End what runs here and free the connection; safe to call twice."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._stream is not None:
            # Closing under an open stream would wait for it for ever.
            with contextlib.suppress(RuntimeError):
                connection.streaming_cancel_query(self._stream)
            self._stream = None
        with contextlib.suppress(RuntimeError):
            connection.close()


class Engine:
    """Owns the data directory for the life of the process."""

    def __init__(self, directory: Path) -> None:
        if any(sign in str(directory) for sign in "?&%#"):
            raise ValueError(f"chDB takes no data directory with ? & % or # in its name: {directory}")
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = _lock(directory)
        users, config = directory / "users.xml", directory / "config.xml"
        users.write_text(_USERS)
        config.write_text(_CONFIG.format(users=escape(str(users.resolve()))))
        self._address = f"{directory.resolve() / 'chdb'}?config-file={config.resolve()}"
        # The engine lives as long as it has a connection: this one.
        self._root = _connect(self._address)
        with self.connect(Scope(Login.WRITER)) as connection:
            rows = connection.query(VOCABULARY_SQL, "JSONEachRow", {}).splitlines()
            self.timezone = connection.query("SELECT timezone()", "TSVRaw", {}).decode().strip()
            self.version = connection.query("SELECT version()", "TSVRaw", {}).decode().strip()
        self.vocabulary = Vocabulary.of(json.loads(row) for row in rows)

    @contextlib.contextmanager
    def connect(self, scope: Scope) -> Iterator[Connection]:
        """A connection for one request."""
        connection = self.open(scope)
        try:
            yield connection
        finally:
            connection.close()

    def open(self, scope: Scope) -> Connection:
        """A connection that the caller closes."""
        if self._root is None:
            raise ServerError(ABORTED, "The server is shutting down.")
        return Connection(_connect(self._address), scope)

    def kill(self, tag: str | None = None) -> None:
        """Stop the query of the connection with this tag; without one, of all."""
        if self._root is None:
            return
        which = "1" if tag is None else f"Settings['log_comment'] = {quoted(tag)}"
        with contextlib.suppress(ServerError), self.connect(Scope(Login.WRITER)) as connection:
            connection.query(f"KILL QUERY WHERE {which} ASYNC", "Null", {})

    def close(self) -> None:
        """Close the engine, which flushes its data, and give up the directory."""
        root, self._root = self._root, None
        if root is not None:
            root.close()
        os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _prologue(scope: Scope) -> str:
    """The statements that make the scope, rights and limits last so that nothing can undo them."""
    statements = []
    if scope.login is Login.ANALYST:
        statements.append("SET ROLE tagpulse_analyst")
    if scope.database:
        name = scope.database.replace("\\", "\\\\").replace("`", "\\`")
        statements.append(f"USE `{name}`")
    # chDB has no way to name a query, so that it can be found and stopped: the comment is its name.
    statements.append(set_statement({"implicit_select": "0", **scope.settings, "log_comment": scope.tag}))
    if scope.login is Login.ANALYST:
        statements.append("SET readonly = 1")
    elif scope.readonly:
        statements.append("SET readonly = 2")
    return "; ".join(statements)


def _lock(directory: Path) -> int:
    """Hold the directory against other processes until this one ends, however it ends."""
    handle = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
        os.close(handle)
        raise DataDirectoryInUseError(
            f"the data directory {directory} is in use by process {holder}; stop that one or choose another --data"
        ) from None
    os.ftruncate(handle, 0)
    os.pwrite(handle, str(os.getpid()).encode(), 0)
    return handle
