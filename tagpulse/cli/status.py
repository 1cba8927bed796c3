"""How far counting is, and what it takes: tagpulse status, tagpulse storage."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sinks.analytics import FOREVER, Analytics, Grain, Period
from sinks.client import connect
from streams.kafka import security_options
from streams.settings import Settings
from tagpulse.cli.asking import Form, Since, Until, bounds
from tagpulse.cli.render import Format, show
from tagpulse.verify.log import LogReader

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

#: topic, partition
Place = tuple[str, int]
_POLL_S = 0.5


def register(cli: typer.Typer) -> None:
    """Add the commands to `cli`."""
    for command in (status, storage):
        cli.command(rich_help_panel="Operate")(command)


def status(
    since: Since = "",
    until: Until = "",
    wait: Annotated[float, typer.Option(min=0, max=3600, help="Seconds to wait for what is in the log now.")] = 0.0,
    form: Form = Format.TABLE,
) -> None:
    """Per partition: counted up to where, lag, open deltas; and whether a period is final. Exit code 1 if not.

    A period is final when it has ended and everything that lay in the log when the command began is counted. Events
    that come later still add to their own window: "changed at" says when a month of the period last got any.

    Example: tagpulse status --since 2026-05-01 --until 2026-05-08 --wait 10
    """
    settings, now = Settings(), datetime.now(UTC)
    begin, end = bounds(since, until, "", now)
    try:
        period = Period.of(begin, end, now, settings.retention())
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--since / --until") from None
    ask = Analytics(_administrator(settings))
    # Kafka first: what lay in the log before the period ended is below these ends.
    ends, give_up = asyncio.run(_log_ends(settings)), time.monotonic() + wait
    while True:
        counted = ask.completeness(period)
        rows = judged(counted, ends, ended=end is None or end <= now)
        if all(row["final"] for row in rows) or time.monotonic() >= give_up:
            break
        time.sleep(_POLL_S)
    columns = {
        "topic": "topic",
        "partition": "partition",
        "counted_to": "counted to",
        "log_end": "log end",
        "lag": "lag",
        "open": "open",
        "counted_at": "counted at",
        "changed_at": "changed at",
        "final": "final",
        "why": "why not",
    }
    show(rows, columns, "Counted so far", period, form, now)
    if not all(row["final"] for row in rows):
        raise typer.Exit(1)


async def _log_ends(settings: Settings) -> dict[Place, int]:
    async with LogReader(settings.kafka_bootstrap_servers, **security_options(settings)) as log:
        return {
            (topic.name, partition): log_end
            for topic in settings.topics()
            for partition, (_, log_end) in (await log.bounds(topic.name)).items()
        }


def judged(counted: Sequence[Mapping[str, Any]], ends: Mapping[Place, int], *, ended: bool) -> list[dict[str, Any]]:
    """One row per partition that log or claims know, with `lag`, `final`, and `why` it is not.

    `counted`: rows of the view `completeness`; `ends`: next offset of each log, read before that.
    """
    known = {(row["topic"], row["partition"]): row for row in counted}
    rows = []
    for place in sorted(known.keys() | ends.keys()):
        claims, log_end = known.get(place, {}), ends.get(place)
        counted_to = claims.get("counted_to", 0)
        lag = None if log_end is None else max(0, log_end - counted_to)
        why = ""
        if lag is None:
            why = "Kafka has no such partition"
        elif not ended:
            why = "the period has not ended"
        elif lag:
            why = f"{lag} offsets are not counted"
        rows.append(
            {
                "topic": place[0],
                "partition": place[1],
                "counted_to": counted_to,
                "log_end": log_end,
                "lag": lag,
                "open": bool(claims.get("open", 0)),
                "counted_at": claims.get("counted_at"),
                "changed_at": claims.get("changed_at"),
                "final": not why,
                "why": why,
            }
        )
    return rows


def storage(form: Form = Format.TABLE) -> None:
    """Rows and bytes on disk per table, and per million rows."""
    rows = Analytics(_administrator(Settings())).storage()
    columns = {
        "table": "table",
        "rows": "rows",
        "parts": "parts",
        "bytes": "bytes on disk",
        "raw_bytes": "uncompressed",
        "bytes_per_million_rows": "bytes per million rows",
        "since": "from",
        "until": "to",
    }
    show(rows, columns, "Storage", Period(*FOREVER, Grain.DAY), form)


def _administrator(settings: Settings) -> Client:
    # Claims are everybody's to read; the sizes of tables on a server are not.
    return connect(
        settings.clickhouse_url,
        settings.clickhouse_user,
        settings.clickhouse_password.get_secret_value(),
        settings.clickhouse_database,
    )
