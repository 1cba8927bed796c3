"""HTTP sessions: what `SET`, `USE` and temporary tables leave behind for the next request.

Clients send a session id with every request though few ever use the session. So a session gets a connection of
its own only with the first statement that leaves something behind; before that its requests run like all others.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import dataclass

from tagpulse.clickhouse.engine import Connection
from tagpulse.clickhouse.errors import SESSION_IS_LOCKED, TOO_MANY_QUERIES, ServerError
from tagpulse.clickhouse.statement import words

MAX_SESSIONS = 64

_STATEFUL = frozenset({"SET", "USE"})
_TEMPORARY = frozenset({"TEMPORARY", "TEMP"})


def leaves_state(sql: str) -> bool:
    """True for a statement whose effect is on the session."""
    found = [word for word, _, _ in itertools.islice(words(sql.encode()), 4)]
    return bool(found) and (
        found[0] in _STATEFUL or (found[0] in ("CREATE", "REPLACE") and not _TEMPORARY.isdisjoint(found[1:]))
    )


@dataclass(slots=True)
class Session:
    """A connection that outlives its request."""

    connection: Connection
    timeout_s: float
    expires: float = 0.0
    busy: bool = True


class Sessions:
    """The live sessions of the writer. Used from the event loop only."""

    def __init__(self) -> None:
        self._live: dict[str, Session] = {}

    def take(self, session_id: str) -> Session | None:
        """The live session, locked for one request; None where there is none."""
        session = self._live.get(session_id)
        if session is None:
            return None
        if session.busy:
            raise ServerError(SESSION_IS_LOCKED, f"Session {session_id} is locked by a concurrent client")
        if session.expires < time.monotonic():
            # Left to `sweep`, which closes it off the event loop.
            return None
        session.busy = True
        return session

    def add(self, session_id: str, connection: Connection, timeout_s: float) -> Session:
        """A new session, locked, that owns the connection."""
        if len(self._live) >= MAX_SESSIONS:
            raise ServerError(TOO_MANY_QUERIES, f"Too many sessions with state: {MAX_SESSIONS}")
        session = Session(connection, timeout_s)
        self._live[session_id] = session
        return session

    def release(self, session: Session) -> None:
        """Unlock; the timeout starts anew."""
        session.busy = False
        session.expires = time.monotonic() + session.timeout_s

    async def drop(self, session_id: str) -> None:
        """End a session and what it holds."""
        session = self._live.pop(session_id, None)
        if session is not None:
            await asyncio.to_thread(session.connection.close)

    async def sweep(self, *, everything: bool = False) -> None:
        """Close sessions past their timeout, or all."""
        now = time.monotonic()
        for session_id, session in list(self._live.items()):
            if everything or (not session.busy and session.expires < now):
                await self.drop(session_id)
