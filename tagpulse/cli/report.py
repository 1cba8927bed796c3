"""tagpulse report campaign: a page to hand out."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console

from sinks.errors import CampaignError
from tagpulse.campaigns.periods import before, period_of
from tagpulse.cli.asking import analyst
from tagpulse.cli.defined import Ending, Name, Since, open_campaigns, present
from tagpulse.cli.moments import moment
from tagpulse.reports import html, picture, text
from tagpulse.reports.campaign import CampaignReport, gather


class ReportForm(StrEnum):
    """What a report is written as."""

    HTML = "html"
    MD = "md"
    JSON = "json"
    CSV = "csv"
    PNG = "png"


def register(cli: typer.Typer) -> None:
    """Add the commands to `cli`."""
    report = typer.Typer(help="Pages to hand out.", no_args_is_help=True)
    report.callback()(_group)
    report.command("campaign")(campaign)
    cli.add_typer(report, name="report", rich_help_panel="Ask")


def _group() -> None:
    """Pages to hand out."""


def campaign(
    name: Name,
    out: Annotated[Path | None, typer.Option(dir_okay=False, help="File to write. Default: standard output.")] = None,
    form: Annotated[
        ReportForm | None, typer.Option("--format", help="Default: by the suffix of --out, else md.")
    ] = None,
    since: Since = "",
    until: Ending = "",
    limit: Annotated[int, typer.Option(min=1, max=250, help="Countries and hashtags to show.")] = 10,
) -> None:
    """A campaign's numbers as a press office would quote them, with countries, time line and quality of the data.

    HTML is one file that needs nothing else, not even a connection. PNG is the time line and the countries.

    Example: tagpulse report campaign createkindness --out report.html
    """
    settings, campaigns = open_campaigns()
    wanted = present(campaigns, name)
    born = campaigns.history(wanted.name)[0].defined_at
    assert born is not None
    now, kept = datetime.now(UTC), settings.retention()
    period = period_of(wanted, born, moment(since, "--since"), moment(until, "--until"), now, kept)
    found = gather(analyst(settings), wanted, period, before(period, now, kept), now, limit)
    written = _written(found, form or _by_suffix(out))
    if out is None:
        sys.stdout.buffer.write(written)
        return
    try:
        out.write_bytes(written)
    except OSError as error:
        raise CampaignError(f"--out {out}: {error.strerror}") from None
    Console(stderr=True).print(f"wrote {out}", highlight=False, markup=False)


def _by_suffix(out: Path | None) -> ReportForm:
    if out is None:
        return ReportForm.MD
    try:
        return ReportForm(out.suffix.removeprefix(".").lower())
    except ValueError:
        raise typer.BadParameter(
            f"{out.name}: end it in .html, .md, .json, .csv or .png, or give --format", param_hint="--out"
        ) from None


def _written(report: CampaignReport, form: ReportForm) -> bytes:
    if form is ReportForm.JSON:
        return orjson.dumps(report.document(), option=orjson.OPT_INDENT_2) + b"\n"
    if form is ReportForm.PNG:
        return picture.png(report)
    return {ReportForm.HTML: html.page, ReportForm.MD: text.markdown, ReportForm.CSV: text.table}[form](report).encode()
