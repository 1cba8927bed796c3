"""A writer that keeps its rows in memory: what the worker costs without ClickHouse.

This, and nothing else of loadtest, stands in for sinks.writer.Writer.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, cast
from uuid import UUID

from loadtest.peers.job import Key
from loadtest.peers.tagpulse_counts import keyed
from sinks.claims import Claim, Log
from sinks.delta import Rows
from sinks.writer import Writer
from streams.app import PulseApp


class _Nothing:
    result_rows: Sequence[Any] = ()


class _NoClickHouse:
    """Takes the display forms of hashtags, and forgets them; knows of no campaign."""

    def insert(self, *_: Any, **__: Any) -> None:
        """Do nothing."""

    def query(self, *_: Any, **__: Any) -> _Nothing:
        """Find nothing."""
        return _Nothing()


class MemoryWriter:
    """To the checkpoints it is a Writer, but every log is new and what is written stays here.

    `written` is called after each delta with the number of records written so far, in the thread that writes.
    """

    def __init__(self, written: Callable[[int], None]) -> None:
        self.client = _NoClickHouse()
        self._written = written
        self._records = 0
        self._rows: list[Rows] = []
        self._lock = threading.Lock()

    def counts(self) -> Iterator[tuple[Key, int]]:
        """All rows, one by one; a key may come several times."""
        return keyed(self._rows)

    def chain_end(self, log: Log, begin: int, worker: str, claim_id: UUID) -> Claim:
        """Every chain begins here."""
        return Claim(log, begin, begin, claim_id, worker, 0.0, "", done=True)

    def incarnation(self, topic: str) -> int:
        """The first."""
        return 0

    def keep_rules(self, version: str, text: str) -> None:
        """Do nothing."""

    def rules_text(self, version: str) -> str | None:
        """None are kept."""
        return None

    def prune(self, tail: Claim, kept_days: float) -> None:
        """Do nothing."""

    def write(self, claim: Claim, tail: Claim, rows: Rows, *_: Any) -> Claim:
        """Keep the rows."""
        with self._lock:
            self._rows.append(rows)
            self._records += claim.records
            self._written(self._records)
        return replace(claim, done=True)


def install(writer: MemoryWriter) -> None:
    """Make every app of this process use `writer`."""

    async def instead(_: PulseApp) -> Writer:
        return cast(Writer, writer)

    setattr(PulseApp, "_writer", instead)  # noqa: B010 - mypy refuses the assignment to a method
