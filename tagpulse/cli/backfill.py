"""tagpulse campaign backfill: count a campaign again from Kafka, for the time before it was defined."""

from __future__ import annotations

import asyncio
import getpass
import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from sinks.backfills import BackfillClaims, definition_of
from sinks.campaigns import OPEN_SINCE
from sinks.errors import CampaignError
from sinks.writer import Writer
from streams.kafka import security_options
from streams.settings import Settings
from tagpulse.backfill.run import Backfill, LogReport
from tagpulse.cli.asking import campaign_answers
from tagpulse.cli.defined import Name, open_campaigns, present
from tagpulse.cli.moments import moment
from tagpulse.cli.owner import owner
from tagpulse.cli.render import draw
from tagpulse.cli.report_format import ReportFormat
from tagpulse.verify.log import LogReader
from tagpulse.verify.tables import Tables

#: ClickHouse may read long lists of claims.
_PATIENCE_S = 300.0


def register(campaign: typer.Typer) -> None:
    """Add the command to the commands of campaigns."""
    campaign.command("backfill")(backfill)


def backfill(
    name: Name,
    since: Annotated[
        str, typer.Option(help="Only as far back as windows from here on need. Default: all that Kafka has.")
    ] = "",
    records: Annotated[
        int, typer.Option("--batch-records", min=1, max=2_000_000, help="Records to an insert, about.")
    ] = 200_000,
    form: Annotated[ReportFormat, typer.Option("--format", help="For people or for programs.")] = ReportFormat.TABLE,
) -> None:
    """Count a campaign again from Kafka, for the time before its definition: events that workers counted without it.

    It may run while workers count, may be interrupted and run again: each event is counted once. Answers are exact from
    the moment that is told at the end on; what Kafka no longer has stays within bounds. Workers take up a definition
    within about ten seconds: run it after that, or once more. A part that was given up, by
    --since or because Kafka had lost it, stays given up.

    Example: tagpulse campaign backfill createkindness
    """
    settings, campaigns = open_campaigns()
    wanted = present(campaigns, name)
    if not wanted.hashtags:
        raise CampaignError(f"campaign {wanted.name!r} has no hashtags: stickers are counted exactly at any time")
    begin = moment(since, "--since")
    definition = definition_of(wanted, campaigns.history(wanted.name))
    reports = asyncio.run(
        _backfill(settings, definition, wanted.hashtags, begin.timestamp() if begin else 0.0, records)
    )
    states = campaign_answers(settings).states()
    exact_from = next((row["exact_from"].replace(tzinfo=UTC) for row in states if row["name"] == wanted.name), None)
    if exact_from is None:
        raise CampaignError(f"campaign {wanted.name!r} was removed just now")
    _print(wanted.name, reports, None if exact_from == OPEN_SINCE else exact_from, form)


async def _backfill(
    settings: Settings, definition: str, hashtags: tuple[str, ...], since_s: float, records: int
) -> list[LogReport]:
    client = owner(settings, _PATIENCE_S)
    # No group says whose an insert is: receipts are read after each.
    writer = Writer(client, replace(settings.writer(), trust_s=0.0), claims=BackfillClaims(client))
    columns = (TextColumn("{task.description}"), TextColumn("{task.completed:,.0f} records"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("reading", total=None)
        async with LogReader(settings.kafka_bootstrap_servers, **security_options(settings)) as reader:
            work = Backfill(
                reader, Tables(client), writer, definition, hashtags, since_s=since_s, records=records,
                worker=f"backfill by {getpass.getuser()}", did=lambda number: bar.advance(task, number),
            )  # fmt: skip
            reports = []
            for topic in settings.topics():
                bar.update(task, description=topic.name)
                reports += await work.topic(topic)
            return reports


def _print(name: str, reports: list[LogReport], exact_from: datetime | None, form: ReportFormat) -> None:
    rows: list[dict[str, Any]] = [
        {
            "topic": report.log.topic,
            "partition": report.log.partition,
            "records": report.records,
            "inserts": report.claims,
            "lost": [{"first": lost.first, "next": lost.next, "why": lost.why} for lost in report.lost],
        }
        for report in reports
    ]
    if form is ReportFormat.JSON:
        answer = {"name": name, "exact_from": exact_from, "logs": rows}
        sys.stdout.write(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    console = Console()
    shown = [row | {"lost": "; ".join(f"[{x['first']}, {x['next']})" for x in row["lost"]) or "-"} for row in rows]
    columns = {"topic": "topic", "partition": "partition", "records": "records counted", "inserts": "inserts",
               "lost": "offsets not counted"}  # fmt: skip
    draw(console, shown, columns, f"Backfill of @{name}")
    for why in sorted({lost["why"] for row in rows for lost in row["lost"]}):
        console.print(escape(f"not counted: {why}"), highlight=False, soft_wrap=True)
    until = "for any time" if exact_from is None else f"for windows from {exact_from:%Y-%m-%d %H:%M} UTC on"
    before = "" if exact_from is None else "; before, answers are bounds"
    console.print(escape(f"@{name} is exact {until}{before}"), highlight=False, soft_wrap=True)
