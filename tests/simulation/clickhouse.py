"""The simulated ClickHouse: what it does with a statement, step by step, and what can go wrong between the steps.

An insert writes one part for each target table and partition of it. Each part is one step: either its token has
been seen and the rows are dropped, or token and rows are kept; killed (or failing) in between, ClickHouse keeps
the token and loses the rows. Between steps anything else may happen, and time may pass.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from tests.simulation.clock import Clock
from tests.simulation.faults import Dice, Fault
from tests.simulation.storage import Storage

Steps = Generator[None, None, Any]
Row = Mapping[str, Any]

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_GRAINS = {"engagement_minute": _MINUTE, "engagement_hour": _HOUR, "engagement_day": _DAY}
#: Table that is inserted into -> the tables its views feed (migrations/0002).
_VIEWS = {
    "ingest": (*_GRAINS, "rejected_events"),
    **{f"repair_{table.removeprefix('engagement_')}": (table,) for table in _GRAINS},
    "rejected_events": ("rejected_events",),
}
_COUNTS = ("window_start", "event_type", "country", "hashtag", "sticker", "events", "landed")
_REJECTS = ("topic", "incarnation", "partition", "offset", "reason")
_INSERT_SELECT = re.compile(r"INSERT INTO (\w+) \(([^)]*)\) (SELECT .*)", re.DOTALL)


@dataclass(eq=False)
class Request:
    """A statement on its way: not yet delivered, being executed, or answered."""

    name: str
    steps: Steps
    deliver_at: float
    started: bool = False
    answer: Any = None
    error: Exception | None = None
    answered: bool = False


@dataclass
class Server:
    """ClickHouse: tables, tokens and the requests under way.

    `statement_timeout_s` bounds statements whose settings do not. `on_claim` is called after each insert into
    the table `claims`, with its row by column.
    """

    clock: Clock
    dice: Dice
    tokens_kept_s: float
    statement_timeout_s: float
    note: Callable[[str], None]
    on_claim: Callable[[Mapping[str, Any]], None]
    requests: list[Request] = field(default_factory=list)
    back_at: float = 0.0
    """Until then it is away."""

    def __post_init__(self) -> None:
        self.storage = Storage(self.clock)
        self._tokens: defaultdict[tuple[str, int], dict[str, float]] = defaultdict(dict)

    # -- requests --------------------------------------------------------------------------------------------

    def submit(self, name: str, steps: Steps, delay_s: float = 0.0) -> Request:
        """Send a statement; it is executed step by step from `delay_s` on."""
        request = Request(name, steps, self.clock.now + delay_s)
        self.requests.append(request)
        return request

    def step(self, request: Request) -> None:
        """Execute one step of a request."""
        if not request.started and self.clock.now < self.back_at:
            self._answer(request, error=OperationalError("connection refused"))
            return
        request.started = True
        if self.dice.strikes(Fault.SLOW, 0.05):
            request.deliver_at = self.clock.now + self.dice.between(0, self.statement_timeout_s)
            return
        try:
            next(request.steps)
        except StopIteration as end:
            self._answer(request, end.value)
        except (OperationalError, DatabaseError) as error:
            self.note(f"ClickHouse: {request.name}: {error}")
            if not request.answered:  # else the server was killed in the middle of it
                self._answer(request, error=error)

    def _answer(self, request: Request, answer: Any = None, error: Exception | None = None) -> None:
        request.answer, request.error, request.answered = answer, error, True
        self.requests.remove(request)

    def kill(self, away_s: float) -> None:
        """End everything under way; come back after `away_s`. What was not delivered yet still may be."""
        self.note(f"ClickHouse is killed, back in {away_s:.1f} s")
        self.back_at = self.clock.now + away_s
        for request in [request for request in self.requests if request.started]:
            self._answer(request, error=OperationalError("connection reset"))

    def forget(self) -> None:
        """Forget all tokens, as a server does that was restored from a backup."""
        self._tokens.clear()

    # -- statements ------------------------------------------------------------------------------------------

    def select(self, statement: str, parameters: Mapping[str, object]) -> Steps:
        """SELECT: one step."""
        yield
        if statement == "SELECT now64(3, 'UTC')":
            return [(self.clock.moment().replace(tzinfo=None),)]
        # An aggregate over nothing is 0 in ClickHouse.
        return [
            tuple(0 if value is None else value for value in row) for row in self.storage.rows(statement, parameters)
        ]

    def delete(self, statement: str, parameters: Mapping[str, object]) -> Steps:
        """DELETE: one step."""
        yield
        self.storage.rows(statement, parameters)

    def insert_select(self, statement: str, parameters: Mapping[str, object], settings: Mapping[str, Any]) -> Steps:
        """INSERT INTO claims SELECT ... WHERE guard: the guard is evaluated first, the part is written later."""
        yield
        match = _INSERT_SELECT.fullmatch(statement)
        assert match, f"the model of ClickHouse cannot execute this, teach it: {statement}"
        table, columns, select = match[1], match[2].split(", "), match[3]
        begun, claimed_at = self.clock.now, int(self.clock.unix() * 1000)
        rows = [(*row, claimed_at) for row in self.storage.rows(select, parameters)]
        if rows:
            yield
            self._limit(begun, self.statement_timeout_s)
            names = [*columns, "claimed_at"]
            token = settings.get("insert_deduplication_token", "")
            self._part(table, 0, token, lambda: self.storage.add(table, names, rows))
            self.on_claim(dict(zip(names, rows[0], strict=True)))

    def insert_values(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Steps:
        """INSERT of plain rows without a token: one step."""
        yield
        self.storage.add(table, columns, rows)

    def insert_block(self, table: str, rows: Sequence[Row], settings: Mapping[str, Any]) -> Steps:
        """INSERT of a block through the views of `table`, one part after the other."""
        begun, limit = self.clock.now, float(settings["max_execution_time"])
        size = int(settings["max_insert_block_size"])
        token = settings["insert_deduplication_token"]
        for number, begin in enumerate(range(0, len(rows), size)):
            block = rows[begin : begin + size]
            for target in self.dice.shuffled(_VIEWS[table]):
                yield
                parts = _parts(target, block)
                if any(
                    row["expires"] < int(self.clock.unix() * 1000)
                    for part in parts.values()
                    for row in part
                    if "expires" in row
                ):
                    raise DatabaseError("Code: 395. DB::Exception: tagpulse: this delta has expired")
                columns = _REJECTS if target == "rejected_events" else _COUNTS
                for partition in self.dice.shuffled(list(parts)):
                    yield
                    self._limit(begun, limit)
                    if self.dice.strikes(Fault.VIEW_FAILS, 0.06):
                        raise DatabaseError(f"Code: 241. memory limit exceeded while writing to {target}")
                    values = [[row[column] for column in columns] for row in parts[partition]]
                    write = partial(self.storage.add, target, columns, values)
                    self._part(target, partition, token and f"{token}_{number}", write)

    def _limit(self, begun: float, limit_s: float) -> None:
        if self.clock.now - begun > limit_s:
            raise DatabaseError("Code: 159. timeout exceeded")

    def _part(self, table: str, partition: int, token: str, write: Callable[[], None]) -> None:
        tokens = self._tokens[table, partition]
        if token in tokens and self.clock.now - tokens[token] <= self.tokens_kept_s:
            return
        if token:
            tokens[token] = self.clock.now
            if self.dice.strikes(Fault.LOST_ROWS, 0.08):
                self.note(f"ClickHouse keeps the token {token} and loses its rows in {table}/{partition}")
                if self.dice.chance(0.6):
                    self.kill(self.dice.between(0, 3))
                raise OperationalError("rename failed")
        write()


def _parts(target: str, block: Sequence[Row]) -> dict[int, list[Row]]:
    """What a view makes of a block: the rows of each partition of its table."""
    if target == "rejected_events":
        rejects = [row for row in block if row.get("kind", 2) == 2]
        return {0: rejects} if rejects else {}
    parts: defaultdict[int, list[Row]] = defaultdict(list)
    for row in block:
        if row["kind"] < 2:
            window = row["window_start"] // _GRAINS[target] * _GRAINS[target]
            moment = datetime.fromtimestamp(window, UTC)
            partition = moment.year if target == "engagement_day" else moment.year * 100 + moment.month
            parts[partition].append({**row, "window_start": window})
    return parts
