"""The rows of the simulated ClickHouse, in SQLite, and ClickHouse's statements in SQLite's words.

The statements of the code under test are executed as they are written, so a changed condition or order there
changes what the simulation sees.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from tests.simulation.clock import Clock

_ENGAGEMENT = (
    "(window_start INTEGER, event_type TEXT, country TEXT, hashtag TEXT, sticker TEXT, events INTEGER, landed INTEGER)"
)
_TABLES = f"""
CREATE TABLE claims (topic TEXT, incarnation INTEGER, partition INTEGER, first INTEGER, next INTEGER, done INTEGER,
    claim_id SIM_UUID, worker TEXT, clock REAL, rules TEXT, records INTEGER, rejects INTEGER, months SIM_ARRAY,
    last_offset INTEGER, last_checksum INTEGER, claimed_at SIM_MOMENT);
CREATE TABLE rules (version TEXT, text TEXT);
CREATE TABLE incarnations (topic TEXT, incarnation INTEGER, reason TEXT);
CREATE TABLE hashtag_names (hashtag TEXT, display TEXT);
CREATE TABLE rejected_events (topic TEXT, incarnation INTEGER, partition INTEGER, offset INTEGER, reason TEXT);
CREATE TABLE engagement_minute {_ENGAGEMENT};
CREATE TABLE engagement_hour {_ENGAGEMENT};
CREATE TABLE engagement_day {_ENGAGEMENT};
"""

sqlite3.register_converter("SIM_UUID", lambda raw: UUID(raw.decode()))
sqlite3.register_converter("SIM_ARRAY", lambda raw: json.loads(raw))
sqlite3.register_converter("SIM_MOMENT", lambda raw: datetime.fromtimestamp(int(raw) / 1000, UTC))


class _Any:
    value: Any = None

    def step(self, value: Any) -> None:
        self.value = value

    def finalize(self) -> Any:
        return self.value


class _Distinct:
    def __init__(self) -> None:
        self._seen: set[Any] = set()

    def step(self, value: Any) -> None:
        self._seen.add(value)

    def finalize(self) -> int:
        return len(self._seen)


class Storage:
    """All tables. Every statement is atomic here; what is not so in ClickHouse is up to the server."""

    def __init__(self, clock: Clock) -> None:
        self._db = sqlite3.connect(":memory:", detect_types=sqlite3.PARSE_DECLTYPES, isolation_level=None)
        self._db.executescript(_TABLES)
        self._db.create_function("now64", -1, lambda *_: int(clock.unix() * 1000))
        self._db.create_function("toIntervalSecond", 1, lambda seconds: seconds * 1000)
        self._db.create_aggregate("any", 1, _Any)
        self._db.create_aggregate("uniqExact", 1, _Distinct)

    def rows(self, statement: str, parameters: Mapping[str, object] | None = None) -> list[tuple[Any, ...]]:
        """Execute a statement in ClickHouse's dialect."""
        values = {name: _value(value) for name, value in (parameters or {}).items()}
        try:
            return self._db.execute(_translated(statement), values).fetchall()
        except sqlite3.Error as error:
            raise AssertionError(f"the model of ClickHouse cannot execute this, teach it: {statement}") from error

    def add(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Append rows."""
        marks = ", ".join("?" * len(columns))
        self._db.executemany(
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})",
            [[_value(value) for value in row] for row in rows],
        )

    def backup(self) -> sqlite3.Connection:
        """A copy of all tables."""
        copy = sqlite3.connect(":memory:")
        self._db.backup(copy)
        return copy

    def restore(self, copy: sqlite3.Connection) -> None:
        """Put the copy in the place of all tables."""
        copy.backup(self._db)

    def close(self) -> None:
        self._db.close()


def _value(value: object) -> object:
    if isinstance(value, datetime):
        return int(value.timestamp())
    if isinstance(value, list | tuple):
        return json.dumps(value)
    return str(value) if isinstance(value, UUID) else value


@lru_cache(None)
def _translated(statement: str) -> str:
    statement = re.sub(r"\{(\w+):[^}]*\}", r":\1", statement)
    return re.sub(r"SELECT \((\w+(?:, \w+)*)\) FROM", r"SELECT \1 FROM", statement)
