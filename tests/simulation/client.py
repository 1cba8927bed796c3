"""The ClickHouse client of a simulated worker, and the network between the two."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, BinaryIO

from clickhouse_connect.driver.exceptions import OperationalError

from tests.simulation.clickhouse import Server, Steps
from tests.simulation.faults import Dice, Fault
from tests.simulation.native import read_block
from tests.simulation.threads import current


class Client:
    """What the code under test uses of clickhouse-connect's client. Every call waits for the scheduler."""

    def __init__(self, server: Server, dice: Dice, timeout_s: float) -> None:
        self._server, self._dice, self._timeout_s = server, dice, timeout_s
        self._clock = server.clock
        self.pause: Callable[[float], None] = lambda _: None
        """Makes the whole process stand still for so many seconds."""

    def query(self, statement: str, parameters: Mapping[str, object] | None = None) -> Any:
        rows = self._ask(statement[:60], lambda: self._server.select(statement, parameters or {}))
        return SimpleNamespace(result_rows=rows)

    def command(
        self, statement: str, parameters: Mapping[str, object] | None = None, settings: Mapping[str, Any] | None = None
    ) -> None:
        if statement.startswith("DELETE"):
            self._ask(statement[:60], lambda: self._server.delete(statement, parameters or {}))
            return
        self._ask(
            str((settings or {}).get("insert_deduplication_token")),
            lambda: self._server.insert_select(statement, parameters or {}, settings or {}),
            writes=True,
        )

    def insert(self, table: str, rows: Sequence[Sequence[object]], column_names: Sequence[str]) -> None:
        self._ask(f"insert into {table}", lambda: self._server.insert_values(table, column_names, rows))

    def raw_insert(
        self,
        table: str,
        *,
        column_names: Sequence[str],
        insert_block: BinaryIO,
        settings: Mapping[str, Any],
        **_: object,
    ) -> None:
        rows = read_block(insert_block.read())
        name = f"{settings['insert_deduplication_token']} into {table}"
        self._ask(name, lambda: self._server.insert_block(table, rows, settings), writes=True)

    def _ask(self, name: str, steps: Callable[[], Steps], writes: bool = False) -> Any:
        thread, dice, clock, server = current(), self._dice, self._clock, self._server
        assert thread is not None, "only a simulated thread may ask ClickHouse"
        stall = dice.between(0, 20) if dice.strikes(Fault.STALL, 0.03) else 0.0
        if writes and dice.strikes(Fault.PAUSE, 0.05):  # where it may hurt most
            self.pause(dice.between(4, 20))
        thread.wait(lambda: not stall, clock.now + stall)
        if dice.strikes(Fault.REFUSED, 0.05):
            raise OperationalError("connection refused")
        if writes and dice.strikes(Fault.LATE, 0.05):
            delay = dice.between(0, 60)
            server.note(f"{name}: given up, delivered in {delay:.1f} s")
            server.submit(name, steps(), delay)
            raise OperationalError("connection reset")
        if writes and dice.strikes(Fault.DUPLICATED, 0.05):
            server.submit(f"{name} again", steps(), dice.between(0, 20))
        request = server.submit(name, steps())
        deaf = dice.strikes(Fault.ANSWER_LOST, 0.05)
        thread.wait(lambda: request.answered, clock.now + self._timeout_s)
        if not request.answered or deaf:
            server.note(f"{name}: no answer")
            raise OperationalError("no answer")
        if request.error:
            raise request.error
        if writes:
            server.note(f"{name}: ok")
        return request.answer
