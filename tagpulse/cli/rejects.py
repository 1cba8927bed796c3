"""tagpulse rejects: list, show, export and replay records that could not be counted."""

from __future__ import annotations

import asyncio
import getpass
import re
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.console import Console
from rich.markup import escape

from schemas.rejects import RejectReason
from schemas.topics import topic_named
from sinks.rejected import Filter, KeptReject, RejectedEvents
from sinks.replays import Replays
from streams.kafka import security_options
from streams.settings import Settings
from tagpulse.cli.moments import moment
from tagpulse.cli.owner import owner
from tagpulse.cli.render import draw
from tagpulse.cli.report_format import ReportFormat
from tagpulse.rejects.errors import NoSuchReject
from tagpulse.rejects.files import export_line, repairs
from tagpulse.rejects.meaning import as_text, hex_dump, meanings
from tagpulse.rejects.replay import Result, originals, plan, repaired, replay

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_SHOWN_TEXT = 60
_SHOWN_PLACES = 20

Reason = Annotated[RejectReason | None, typer.Option(help="Only this reason.")]
Topic = Annotated[str, typer.Option(help="Only this topic.")]
Field = Annotated[str, typer.Option(help="Only where this field is at fault.")]
Since = Annotated[str, typer.Option(help="Rejected from then on, as 2026-05-01 or 2026-05-01T12:30 (UTC).")]
Until = Annotated[str, typer.Option(help="Rejected before then, written like --since.")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, the newest.")]


def register(cli: typer.Typer) -> None:
    """Add the commands to `cli`."""
    group = typer.Typer(help="Records that could not be counted.", no_args_is_help=True)
    group.command("list")(list_rejects)
    group.command("show")(show)
    group.command("export")(export)
    group.command("replay")(replay_rejects)
    cli.add_typer(group, name="rejects", rich_help_panel="Operate")


def list_rejects(
    reason: Reason = None,
    topic: Topic = "",
    field: Field = "",
    since: Since = "",
    until: Until = "",
    limit: Limit = 50,
    form: Annotated[ReportFormat, typer.Option("--format", help="How to print them.")] = ReportFormat.TABLE,
) -> None:
    """List rejects, newest first.

    Example: tagpulse rejects list --reason missing --topic video-views
    """
    found = _table().find(_filter(reason, topic, field, since, until), limit)
    if form is ReportFormat.JSON:
        lines = [orjson.loads(export_line(reject)) for reject in found]
        for line in lines:
            del line["raw_base64"], line["text"]
        sys.stdout.write(orjson.dumps(lines, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    console = Console()
    if not found:
        console.print("no rejects")
        return
    columns = {
        "rejected": "rejected at", "place": "topic/incarnation/partition/offset", "reason": "reason", "field": "field",
        "length": "bytes", "replay": "replay", "begin": "begins with",
    }  # fmt: skip
    rows = [
        {
            "rejected": f"{reject.rejected_at:%Y-%m-%d %H:%M:%S}",
            "place": str(reject.place),
            "reason": reject.reason,
            "field": reject.field,
            "length": reject.length,
            "replay": reject.replay,
            "begin": _begin(reject),
        }
        for reject in found
    ]
    draw(console, rows, columns, f"Rejects, the newest {len(rows):,}")


def show(place: Annotated[str, typer.Argument(help="TOPIC/PARTITION/OFFSET, or TOPIC/INCARNATION/...")]) -> None:
    """Show one reject: why, what that means, and the record.

    Example: tagpulse rejects show video-views/0/17
    """
    reject, console = _at(_table(), place), Console()

    def line(name: str, value: object) -> None:
        console.print(f"[bold]{name}[/]: {escape(str(value))}", highlight=False, soft_wrap=True)

    line("place", reject.place)
    line("rejected at", f"{reject.rejected_at:%Y-%m-%d %H:%M:%S} UTC")
    line("reason", reject.reason)
    line("meaning", meanings().get(reject.reason, "a reason of another version of tagpulse"))
    line("field", reject.field or "the record as a whole")
    words = {"": "never", "unknown": "begun and not concluded: it may be in Kafka"}
    line("replay", words.get(reject.replay, reject.replay))
    line("length", f"{reject.length:,} bytes")
    line("sha256", reject.sha256)
    if reject.truncated:
        line("truncated", f"only the first {len(reject.raw):,} bytes are kept; length and sha256 are of the whole")
    text = as_text(reject.raw, reject.truncated)
    console.print("[bold]record[/]:" if reject.raw else "[bold]record[/]: empty, or a tombstone")
    # As it is: no markup, no wrapping.
    sys.stdout.write((hex_dump(reject.raw) if text is None else text) + "\n")


def export(
    reason: Reason = None,
    topic: Topic = "",
    field: Field = "",
    since: Since = "",
    until: Until = "",
    limit: Limit = 1_000,
    out: Annotated[
        Path, typer.Option(dir_okay=False, help="File to write, NDJSON; - is standard output.", allow_dash=True)
    ] = Path("-"),
) -> None:
    """Write rejects to a file, one JSON object a line: to be repaired and given to `tagpulse rejects replay --file`.

    Example: tagpulse rejects export --reason invalid --out invalid.ndjson
    """
    found = _table().find(_filter(reason, topic, field, since, until), limit)
    lines = b"".join(map(export_line, found))
    if str(out) == "-":
        sys.stdout.buffer.write(lines)
        return
    try:
        out.write_bytes(lines)
    except OSError as error:
        raise typer.BadParameter(f"{out} cannot be written: {error.strerror}", param_hint="--out") from None
    Console(stderr=True).print(f"wrote {len(found):,} rejects to {escape(str(out))}", highlight=False)


def replay_rejects(
    places: Annotated[list[str] | None, typer.Argument(help="TOPIC/PARTITION/OFFSET of single rejects.")] = None,
    file: Annotated[Path | None, typer.Option(help="NDJSON with repaired records; - is standard input.")] = None,
    reason: Reason = None,
    topic: Topic = "",
    field: Field = "",
    since: Since = "",
    until: Until = "",
    limit: Limit = 1_000,
    again: Annotated[bool, typer.Option("--again", help="Also what was, or may have been, replayed before.")] = False,
    unchecked: Annotated[bool, typer.Option("--unchecked", help="Also what would be rejected once more.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be sent.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Send rejects to their topic again: repaired from a file, or as they were.

    Name them by places, by a file or by filters. Each line of the file names topic, partition and offset of a reject
    and the new `value` (text) or `value_base64`. Exit code 1 if anything was not sent.

    Example: tagpulse rejects replay --file repaired.ndjson
    """
    settings, table = Settings(), _table()
    filters = bool(reason or topic or field or since or until)
    if sum((bool(places), file is not None, filters)) != 1:
        raise typer.BadParameter("name rejects by places, or by --file, or by filters (--reason, --topic, ...)")
    if file is not None:
        wanted = repaired(table, repairs(_lines(file)))
    elif places:
        wanted = originals(_at(table, place) for place in dict.fromkeys(places))
    else:
        wanted = originals(table.find(_filter(reason, topic, field, since, until), limit))
    planned = plan(wanted, settings.rules(), time.time(), again=again, unchecked=unchecked)
    console = Console(stderr=True)
    counts = ", ".join(
        f"{sum(item.reject.place.topic == name for item in planned.items):,} to {name}"
        for name in sorted({item.reject.place.topic for item in planned.items})
    )
    if dry_run or not planned.items:
        _tell(console, "left out", planned.left_out)
        console.print(f"would send {counts or 'nothing'}", highlight=False)
        raise typer.Exit(1 if planned.left_out else 0)
    if not yes:
        typer.confirm(f"Send {counts}, left out {len(planned.left_out):,}?", abort=True, err=True)
    options = {"enable_idempotence": settings.kafka_idempotent_producer, **security_options(settings)}
    operator = f"{getpass.getuser()}@{socket.gethostname()}"
    result = asyncio.run(
        replay(planned.items, Replays(_client()), operator, settings.kafka_bootstrap_servers, options, again=again)
    )
    result.left_out |= planned.left_out
    _report(console, result)


def _report(console: Console, result: Result) -> None:
    for outcome in result.sent[:_SHOWN_PLACES]:
        place = outcome.mark.place
        console.print(
            f"  {place} sent to {place.topic}/{outcome.partition} at offset {outcome.offset}", highlight=False
        )
    if len(result.sent) > _SHOWN_PLACES:
        console.print(f"  ... and {len(result.sent) - _SHOWN_PLACES:,} more", highlight=False)
    _tell(console, "left out", result.left_out)
    _tell(console, "refused", result.refused)
    _tell(console, "unknown", result.unknown)
    failures = len(result.refused) + len(result.unknown) + len(result.left_out)
    console.print(f"sent {len(result.sent):,}, not sent {failures:,}", highlight=False)
    if failures:
        raise typer.Exit(1)


def _tell(console: Console, what: str, reasons: Mapping[str, str]) -> None:
    for place in list(reasons)[:_SHOWN_PLACES]:
        text = escape(f"{place} {reasons[place]}")
        console.print(f"  [yellow]{what}[/]: {text}", highlight=False, soft_wrap=True)
    if len(reasons) > _SHOWN_PLACES:
        console.print(f"  ... and {len(reasons) - _SHOWN_PLACES:,} more {what}", highlight=False)


def _lines(file: Path) -> list[bytes]:
    if str(file) == "-":
        return sys.stdin.buffer.read().splitlines()
    try:
        return file.read_bytes().splitlines()
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}", param_hint="--file") from None


def _client() -> Client:
    return owner(Settings())


def _table() -> RejectedEvents:
    return RejectedEvents(_client())


def _filter(reason: RejectReason | None, topic: str, field: str, since: str, until: str) -> Filter:
    if topic:
        _check_topic(topic, "--topic")
    return Filter(reason, topic, field, moment(since, "--since"), moment(until, "--until"))


def _at(table: RejectedEvents, place: str) -> KeptReject:
    match = re.fullmatch(r"([^/]+)/(?:(\d{1,9})/)?(\d{1,9})/(\d{1,18})", place)
    if match is None:
        raise typer.BadParameter(f"{place!r}: write TOPIC/PARTITION/OFFSET", param_hint="PLACE")
    _check_topic(match[1], "PLACE")
    reject = table.at(match[1], int(match[3]), int(match[4]), int(match[2]) if match[2] else None)
    if reject is None:
        raise NoSuchReject(
            f"nothing is kept that was rejected at {place}: `tagpulse rejects list` shows what is; "
            "rejects go after retention_rejects_days"
        )
    return reject


def _check_topic(name: str, option: str) -> None:
    try:
        topic_named(name, Settings().kafka_topic_prefix)
    except KeyError as error:
        raise typer.BadParameter(str(error.args[0]), param_hint=option) from None


def _begin(reject: KeptReject) -> str:
    text = as_text(reject.raw, reject.truncated)
    shown = reject.raw[: _SHOWN_TEXT // 3].hex(" ") if text is None else " ".join(text[: 4 * _SHOWN_TEXT].split())
    return shown[:_SHOWN_TEXT]
