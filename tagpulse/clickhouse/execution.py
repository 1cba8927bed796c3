"""One statement, from its login's point of view to its bytes. Everything here blocks: run it in threads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tagpulse.clickhouse.access import Login, simple_statement, vet
from tagpulse.clickhouse.engine import Connection, Engine, Scope, Statistics
from tagpulse.clickhouse.errors import ACCESS_DENIED, ServerError
from tagpulse.clickhouse.request import Asked
from tagpulse.clickhouse.statement import READS, first_word, stated_format, streamable

_WHOLE_ANSWER = "1000000000"
"""The most bytes that an answer may hold in a format which cannot be sent in pieces."""
FIRST_PART = 1 << 20
"""Bytes of an answer that are gathered before any is sent: an answer that fits is sent with its true summary."""


class Execution:
    """Runs one request. `start` first; then `more` until it gives None, if not `done`; `close` always."""

    def __init__(self, engine: Engine, scope: Scope, asked: Asked, connection: Connection | None = None) -> None:
        """`connection`: of a session, which outlives this."""
        self._engine = engine
        self._scope = scope
        self._asked = asked
        self._chunks: Iterator[bytes] | None = None
        self._own = connection is None
        self.connection = connection
        self.tag = scope.tag
        self.form = ""
        self.done = False
        self.statistics = Statistics()
        self.stoppable = asked.insert is None and first_word(asked.sql.encode()) in READS
        """Whether it may be stopped half-way because nobody waits for the answer."""

    def start(self) -> list[bytes]:
        """Run the statement and return the first part of its answer, or all of it."""
        try:
            connection = self.connection
            if connection is None:
                connection = self.connection = self._engine.open(self._scope)
                parts = self._run(connection)
            else:
                parts = self._in_session(connection)
        except BaseException:
            self.close()
            raise
        if self.done:
            self.close()
        return parts

    def more(self) -> bytes | None:
        """The next part of the answer; None at its end."""
        assert self._chunks is not None
        part = next(self._chunks, None)
        if part is None:
            self.done = True
        return part

    def close(self) -> None:
        """End the query if it runs, and free its connection unless a session owns it."""
        if self._own and self.connection is not None:
            self.connection.close()

    def _run(self, connection: Connection) -> list[bytes]:
        asked = self._asked
        self.statistics = connection.statistics = Statistics()
        if asked.insert is not None:
            if self._scope.login is Login.ANALYST:
                raise ServerError(ACCESS_DENIED, "INSERT is not allowed for this login")
            connection.set_params(asked.params)
            connection.insert(asked.insert.head, asked.insert.form, asked.insert.data)
            self.done = True
            return []
        self.form = self._checked(connection)
        if not streamable(asked.sql.encode(), self.form):
            if self._scope.login is Login.WRITER and "max_result_bytes" not in asked.settings and self.stoppable:
                connection.apply({"max_result_bytes": _WHOLE_ANSWER})
            self.done = True
            return [connection.query(asked.sql, self.form, asked.params)]
        self._chunks = connection.stream(asked.sql, self.form, asked.params)
        parts: list[bytes] = []
        size = 0
        while size < FIRST_PART and (part := self.more()) is not None:
            parts.append(part)
            size += len(part)
        return parts

    def _checked(self, connection: Connection) -> str:
        """The format of the answer; raises for what the login may not run."""
        asked = self._asked
        if self._scope.login is Login.WRITER:
            connection.refuse_several(asked.sql)
            return stated_format(asked.sql.encode()) or asked.form
        if simple := simple_statement(asked.sql):
            return simple["format"] or asked.form
        tree = connection.parsed(asked.sql)
        vet(tree, self._engine.vocabulary, connection)
        stated = tree.get("format_ast")
        return str(stated["name"]) if stated else asked.form

    def _in_session(self, connection: Connection) -> list[bytes]:
        """With the settings of this request for this request only. A session's answer is taken in whole."""
        settings = self._scope.settings
        before = connection.current(list(settings))
        connection.apply(settings)
        connection.retag(self.tag)
        during = connection.current(list(settings))
        try:
            parts = self._run(connection)
            while not self.done:
                if (part := self.more()) is not None:
                    parts.append(part)
            return parts
        finally:
            self._put_back(connection, before, during)

    def _put_back(self, connection: Connection, before: Mapping[str, str], during: Mapping[str, str]) -> None:
        """Undo this request's settings, but not what the statement itself has SET."""
        after = connection.current(list(during))
        connection.apply({name: before[name] for name, value in during.items() if after[name] == value})
