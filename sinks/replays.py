"""Marks of replays: who sent which rejected record again, and what became of it (table `replayed_events`)."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from clickhouse_connect.driver.exceptions import ClickHouseError

from sinks.client import first_line
from sinks.errors import QueryError
from sinks.rejected import STATE, Place

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_COLUMNS = (
    "topic", "incarnation", "partition", "offset", "batch", "state", "replay_id", "repaired", "length", "sha256",
    "to_partition", "to_offset", "operator",
)  # fmt: skip
_MAX_RACES = 100
_READ_BACK_PATIENCE_S = 2.0


@dataclass(frozen=True, slots=True)
class Mark:
    """One record to be sent again; `length` and `sha256` are of the value to be sent."""

    place: Place
    repaired: bool
    length: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Marks that were written 'sending' under a number that nobody else has."""

    number: int
    replay_id: UUID
    operator: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a mark: `state` is sent or refused; the place is the broker's answer, -1 where there is none."""

    mark: Mark
    state: str
    partition: int = -1
    offset: int = -1


class Replays:
    """The table `replayed_events`. Methods block; they raise QueryError where ClickHouse refuses."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def begin(self, marks: Sequence[Mark], operator: str, again: bool) -> tuple[Batch, Mapping[Place, str]]:
        """Mark as 'sending' what is free to be sent; `again`: all of it. Returns these, and the state of the others.

        Of two runs that begin with the same record one gets it: the number of a batch is its insert token, and
        who has read all smaller numbers and gets the next one knows of every mark before.
        """
        replay_id = uuid4()
        lost: Counter[int] = Counter()
        for _ in range(_MAX_RACES):
            number = int(self._rows("SELECT max(batch) FROM replayed_events")[0][0]) + 1
            states = {} if again else self._taken(marks)
            batch = Batch(number, replay_id, operator, tuple(mark for mark in marks if mark.place not in states))
            if not batch.marks:
                return batch, states
            rows = [_row(batch, Outcome(mark, "sending")) for mark in batch.marks]
            self._insert(rows, f"replay/{number}/{lost[number]}")
            owner = self._owner(number)
            if owner == replay_id:
                return batch, states
            # The token was kept and the rows were lost: nobody can use this token any more.
            lost[number] += owner is None
        raise QueryError("others replay at the same time, again and again: nothing was sent, try later")

    def conclude(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        """Write what became of the records of a batch."""
        if outcomes:
            self._insert([_row(batch, outcome) for outcome in outcomes], f"replay/{batch.number}/done")

    def _taken(self, marks: Sequence[Mark]) -> dict[Place, str]:
        wanted = {mark.place for mark in marks}
        rows = self._rows(
            f"SELECT topic, incarnation, partition, offset, {STATE} AS replay FROM replayed_events"
            " WHERE topic IN {topics:Array(String)} AND offset >= {least:UInt64} AND offset <= {most:UInt64}"
            " GROUP BY topic, incarnation, partition, offset HAVING replay != 'refused'",
            topics=sorted({place.topic for place in wanted}),
            least=min(place.offset for place in wanted),
            most=max(place.offset for place in wanted),
        )
        states = {Place(*row[:4]): str(row[4]) for row in rows}
        return {place: states[place] for place in wanted & states.keys()}

    def _owner(self, number: int) -> UUID | None:
        # A token is kept a moment before its rows are visible.
        deadline = time.monotonic() + _READ_BACK_PATIENCE_S
        query = "SELECT any(replay_id) FROM replayed_events WHERE batch = {n:UInt64} HAVING count() > 0"
        while not (rows := self._rows(query, n=number)) and time.monotonic() < deadline:
            time.sleep(0.05)
        return rows[0][0] if rows else None

    def _insert(self, rows: list[list[Any]], token: str) -> None:
        settings = {"async_insert": 0, "deduplicate_insert": "enable", "insert_deduplication_token": token}
        try:
            self._client.insert("replayed_events", rows, column_names=_COLUMNS, settings=settings)
        except ClickHouseError as error:
            raise QueryError(f"ClickHouse refused to note a replay: {first_line(error)}") from error

    def _rows(self, query: str, **parameters: object) -> list[tuple[Any, ...]]:
        try:
            return [tuple(row) for row in self._client.query(query, parameters=parameters).result_rows]
        except ClickHouseError as error:
            raise QueryError(f"ClickHouse refused to tell of replays: {first_line(error)}") from error


def _row(batch: Batch, outcome: Outcome) -> list[Any]:
    mark = outcome.mark
    return [
        *mark.place, batch.number, outcome.state, batch.replay_id, int(mark.repaired), mark.length, mark.sha256,
        outcome.partition, outcome.offset, batch.operator,
    ]  # fmt: skip
