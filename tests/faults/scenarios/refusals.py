"""ClickHouse, or what stands before it, answers with errors: to whole inserts, or from one table of three."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from loadtest.faults.toxics import UP, Toxic, answered, http_error
from tests.faults.registry import scenario
from tests.faults.rig import SUPERVISED
from tests.faults.run import Run
from tests.faults.scenarios.clickhouse import INSERT, REPEATED, meets

_COMPLETED = "the other tables may have the rows already: the repetition completes what is missing and doubles none"
#: Settings of a table of counts with which ClickHouse itself refuses to insert into it.
_REFUSALS = {
    "read-only": ("is read-only", "table_readonly = 1"),
    "disk-full": ("sees no space on its disk", "min_free_disk_bytes_to_perform_insert = 1000000000000000"),
    "too-many-parts": ("has too many parts", "parts_to_delay_insert = 1, parts_to_throw_insert = 1"),
}
#: A stack of its own: once ClickHouse restarts after such a change, it makes other tokens (docs/protocol.md, limits).
_ALTERED = replace(SUPERVISED, name="altered views")
_TABLES = ("engagement_minute", "engagement_day", "engagement_hour")


@contextmanager
def _refusing(run: Run, table: str, settings: str) -> Iterator[None]:
    names = ", ".join(setting.partition(" = ")[0] for setting in settings.split(", "))
    run.stack.client.command(f"ALTER TABLE {table} MODIFY SETTING {settings}")
    try:
        yield
    finally:
        run.stack.client.command(f"ALTER TABLE {table} RESET SETTING {names}")


def refuses(settings: str) -> Callable[[Run], None]:
    """One table refuses inserts for a while, each in its turn."""

    def body(run: Run) -> None:
        for number in run.rounds():
            run.progress()
            table = _TABLES[number % len(_TABLES)]
            with _refusing(run, table, settings), run.clickhouse.toxic(Toxic(direction=UP, match=INSERT)) as (inserts,):
                run.met([inserts], 3)
                time.sleep(0.5)
            run.injected(f"{table} refuses")
            run.progress(500)

    return body


for _name, (_what, _settings) in _REFUSALS.items():
    scenario(
        f"one table of counts {_what}: ClickHouse itself refuses the insert",
        _COMPLETED,
        name=f"refuses-{_name}",
        rounds=3,
    )(refuses(_settings))

scenario("every insert is refused for want of memory", REPEATED, name="refuses-out-of-memory")(
    meets(
        lambda: [
            answered(http_error(500, 241, "Memory limit (total) exceeded. (MEMORY_LIMIT_EXCEEDED)"), match=INSERT)
        ],
        1.5,
        "refused: out of memory",
    )
)
scenario("every statement is answered with HTTP 503, without a word of ClickHouse's", REPEATED, name="gateway-error")(
    meets(
        lambda: [answered(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")],
        2,
        "answered with HTTP 503",
    )
)


@contextmanager
def throwing(run: Run, view: str) -> Iterator[None]:
    """Have the materialized view `view` throw at each row."""
    query = str(run.stack.rows(f"SELECT as_select FROM system.tables WHERE name = '{view}'")[0][0])
    run.stack.client.command(f"ALTER TABLE {view} MODIFY QUERY {query} AND throwIf(1, 'thrown on purpose') = 0")
    try:
        yield
    finally:
        run.stack.client.command(f"ALTER TABLE {view} MODIFY QUERY {query}")


@scenario("the SELECT of one materialized view throws", _COMPLETED, rounds=3, setup=_ALTERED)
def view_throws(run: Run) -> None:
    for number in run.rounds():
        run.progress()
        view = ("ingest_minute", "ingest_hour", "ingest_day")[number % 3]
        with throwing(run, view), run.clickhouse.toxic(Toxic(direction=UP, match=INSERT)) as (inserts,):
            run.met([inserts], 3)
            time.sleep(0.5)
        run.injected(f"{view} throws")
        run.progress(500)
