"""tagpulse verify: recount from Kafka, and compare with ClickHouse."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated, NoReturn

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from schemas.topics import EventType, Topic, topic_for, topic_named
from sinks.errors import SinkError
from streams.kafka import security_options
from streams.settings import Settings
from tagpulse.cli.moments import moment
from tagpulse.cli.owner import owner
from tagpulse.cli.render import draw
from tagpulse.cli.report_format import ReportFormat
from tagpulse.untrusted import for_terminal
from tagpulse.verify.errors import VerifyError
from tagpulse.verify.log import LogReader
from tagpulse.verify.report import (
    DIFFERENT,
    EQUAL,
    NOT_COMPARABLE,
    TopicReport,
    as_json,
    batches,
    differences,
    exit_code,
    merged,
    place,
    record_of,
)
from tagpulse.verify.run import Scope, verify_topic
from tagpulse.verify.tables import Tables

#: ClickHouse may think for long before the first row of a large table comes.
_PATIENCE_S = 900.0
_MEANING = {
    EQUAL: "[bold green]EQUAL[/] all that was compared is as the log says",
    DIFFERENT: "[bold red]DIFFERENT[/] ClickHouse does not hold what the log says",
    NOT_COMPARABLE: "[bold yellow]NOT FULLY COMPARABLE[/] nothing differs, but not all could be compared exactly",
}


def register(cli: typer.Typer) -> None:
    """Add the command to `cli`."""
    cli.command(rich_help_panel="Operate")(verify)


def verify(
    topic: Annotated[str, typer.Option(help="Only this topic.")] = "",
    event: Annotated[EventType | None, typer.Option(help="Only this event type: the same as its topic.")] = None,
    partition: Annotated[
        int | None, typer.Option(min=0, help="Only this partition of --topic: counts as lower bounds.")
    ] = None,
    from_offset: Annotated[int, typer.Option(min=0, help="Claims from this offset of --partition on.")] = 0,
    to_offset: Annotated[int | None, typer.Option(min=1, help="Claims up to this offset, exclusive.")] = None,
    since: Annotated[str, typer.Option(help="Only windows from 2026-05-01 or 2026-05-01T12:30 on (UTC).")] = "",
    until: Annotated[str, typer.Option(help="Only windows before this, written like --since.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="Different keys and rejects to show.")] = 20,
    form: Annotated[ReportFormat, typer.Option("--format", help="How to print the report.")] = ReportFormat.TABLE,
) -> None:
    """Recount the log from Kafka, apart from the worker's way of counting, and compare every key with ClickHouse.

    The stack may run and count meanwhile. Exit code 0: equal; 1: differences; 2: errors, or not all could be
    compared exactly. Nothing is changed.

    Example: tagpulse verify --event video_view --since 2026-05-01
    """
    settings = Settings()
    topics = _topics(topic, event, settings)
    begin, end = moment(since, "--since"), moment(until, "--until")
    if partition is None and (from_offset or to_offset is not None):
        raise typer.BadParameter("offsets are of one partition: give --topic and --partition", param_hint="--partition")
    if partition is not None and len(topics) != 1:
        raise typer.BadParameter("a partition is of one topic: give --topic", param_hint="--partition")
    if to_offset is not None and to_offset <= from_offset:
        raise typer.BadParameter(f"must be greater than --from-offset {from_offset}", param_hint="--to-offset")
    if begin and end and begin >= end:
        raise typer.BadParameter("the period is empty", param_hint="--since / --until")
    scope = Scope(
        int(begin.timestamp()) if begin else None,
        int(end.timestamp()) if end else None,
        partition,
        from_offset,
        to_offset,
    )
    reports: list[TopicReport] = []
    try:
        reports = asyncio.run(_verify(topics, scope, settings))
    except (VerifyError, SinkError, OSError) as error:
        _fail(str(error))
    code = exit_code(reports)
    if form is ReportFormat.JSON:
        answer = {"exit_code": code, "topics": [as_json(report, limit) for report in reports]}
        sys.stdout.write(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        _print(reports, code, limit)
    raise typer.Exit(code)


def _topics(name: str, event: EventType | None, settings: Settings) -> list[Topic]:
    try:
        chosen = (
            [topic_named(name, settings.kafka_topic_prefix)]
            if name
            else [topic_for(event, settings.kafka_topic_prefix)]
            if event
            else list(settings.topics())
        )
    except KeyError as error:
        raise typer.BadParameter(str(error.args[0]), param_hint="--topic") from None
    if name and event and chosen[0].event_type is not event:
        raise typer.BadParameter(f"{name} carries {chosen[0].event_type.value}", param_hint="--event")
    return chosen


async def _verify(topics: list[Topic], scope: Scope, settings: Settings) -> list[TopicReport]:
    def tables() -> Tables:
        return Tables(owner(settings, _PATIENCE_S))

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    read = await asyncio.to_thread(tables)
    with Progress(*columns, console=Console(stderr=True)) as bar:
        async with LogReader(settings.kafka_bootstrap_servers, **security_options(settings)) as reader:
            return [
                await verify_topic(reader, read, topic, scope, settings.retention(), _Bar(bar, topic.name))
                for topic in topics
            ]


class _Bar:
    """One line of progress for one topic."""

    def __init__(self, bar: Progress, name: str) -> None:
        self._bar, self._name, self._total = bar, name, 0
        self._task = bar.add_task(name, total=None)

    def say(self, what: str) -> None:
        self._bar.update(self._task, description=f"{self._name}: {what}")

    def expect(self, records: int) -> None:
        self._total += records
        self._bar.update(self._task, total=self._total)

    def did(self, records: int) -> None:
        self._bar.advance(self._task, records)


# -- for people ------------------------------------------------------------------------------------------------


def _print(reports: list[TopicReport], code: int, limit: int) -> None:
    console = Console()
    rows = [
        {
            "topic": report.topic,
            "records": report.records,
            "claims": report.claims,
            "rejects": report.rejects,
            "grain": grain.value,
            "exact": part.comparison.exact,
            "at_least": part.comparison.at_least,
            "different": len(part.comparison.differences),
            "worst": f"{part.comparison.worst_sketch:.2%}" if report.event_type == EventType.STICKER_USE else None,
        }
        for report in reports
        for grain, part in report.grains.items()
    ]
    columns = {
        "topic": "topic", "records": "records", "claims": "claims", "rejects": "rejects", "grain": "grain",
        "exact": "keys compared exactly", "at_least": "as lower bound", "different": "different keys",
        "worst": "distinct videos off by",
    }  # fmt: skip
    draw(console, rows, columns, "The log counted again, against ClickHouse")
    for report in reports:
        _print_topic(console, report, limit)
    console.print(_MEANING[code], highlight=False)


def _print_topic(console: Console, report: TopicReport, limit: int) -> None:
    def line(text: str, style: str = "red") -> None:
        console.print(
            f"[{style}]{escape(report.topic)}[/]: {escape(for_terminal(text))}", highlight=False, soft_wrap=True
        )

    whole = batches(report)
    if whole:
        columns = {"kind": "batch is", "claim": "offsets", "grain": "in grain", "month": "month", "keys": "keys",
                   "worker": "claimed by", "or_one_of": "or one of"}  # fmt: skip
        shown = [{**row, "month": str(row["month"]), "or_one_of": ", ".join(row["or_one_of"])} for row in whole[:limit]]
        draw(console, shown, columns, f"{report.topic}: batches that are missing or doubled as a whole")
    keys = differences(report)
    if keys:
        names = ("grain", "window", "country", "hashtag", "sticker", "truth", "found", "kind", "claims")
        shown = [{**row, "claims": ", ".join(row["claims"]) or "none counts it"} for row in keys[:limit]]
        draw(console, shown, {name: name for name in names}, f"{report.topic}: {len(keys):,} keys differ")
        if len(keys) > limit:
            line(f"{len(keys) - limit:,} more keys differ: --limit shows them", "dim")
    for grain, part in report.grains.items():
        for fault in part.receipts:
            named = ", ".join(place(claim) for claim in fault.claims)
            line(
                f"receipts of {fault.log} in {fault.month}, {grain} grain: {fault.landed:,} records landed, "
                f"{fault.claimed:,} claimed" + (f"; as many as {named} has" if named else "")
            )
        for sketch in part.comparison.sketches[:limit]:
            line(f"distinct videos, {grain} grain, {record_of(sketch.key)}: {sketch.found:,}, truth {sketch.truth:,}")
    for reject in report.reject_faults[:limit]:
        found, truth = reject.found or "not in rejected_events", reject.truth or "no reject"
        line(f"{reject.log} offset {reject.offset}: {found}, truth: {truth}")
    for fault_ in (*report.chain_faults, *report.judged_otherwise):
        line(fault_)
    for claim in report.open_claims:
        line(f"claim {place(claim)} of {claim.worker} is open since {claim.claimed_at:%Y-%m-%d %H:%M:%S}", "yellow")
    for skipped in merged(report.skipped):
        line(f"{skipped.log} [{skipped.first}, {skipped.next}) was not recounted: {skipped.why}", "yellow")
    if report.asked_part:
        line("a part of the log was recounted: claims, rejects, and counts as lower bounds were compared", "dim")
    elif any(part.comparison.at_least for part in report.grains.values()):
        why = f"; {report.older_lives:,} records were counted in older lives of the topic" if report.older_lives else ""
        line(
            "some months hold counts of records that cannot be recounted: there ClickHouse must have at least what "
            f"was recounted, and may have more{why}",
            "yellow",
        )


def _fail(message: str) -> NoReturn:
    Console(stderr=True).print(f"[bold red]Error:[/] {escape(message)}", highlight=False, soft_wrap=True)
    raise typer.Exit(NOT_COMPARABLE)
