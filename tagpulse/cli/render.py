"""Answers for people (rich tables), programs (JSON) and spreadsheets (CSV)."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

import orjson
import typer
from rich.bar import Bar
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sinks.analytics import FOREVER, Period
from tagpulse.untrusted import for_spreadsheet, for_terminal

_BAR_WIDTH = 40


class Format(StrEnum):
    """How an answer is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def show(
    rows: Sequence[Mapping[str, Any]],
    columns: Mapping[str, str],
    title: str,
    period: Period,
    form: Format,
    as_of: datetime | None = None,
    plot: str = "",
    notes: Sequence[str] = (),
) -> None:
    """Print `rows` to standard output. `columns`: column -> its heading for people, in order.

    `as_of`: up to when events were counted. `plot`: a column that people also get as bars. `notes`: what an answer
    is not, in words; with CSV they go to standard error.
    """
    if form is Format.JSON:
        answer = {
            "title": title,
            "since": period.since.isoformat(),
            "until": period.until.isoformat(),
            "grain": period.grain.value,
            "widened": period.widened,
            "as_of": as_of.isoformat() if as_of else None,
            "notes": list(notes),
            "rows": [{column: row[column] for column in columns} for row in rows],
        }
        sys.stdout.write(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode() + "\n")
    elif form is Format.CSV:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([for_spreadsheet(row[column]) for column in columns] for row in rows)
        for note in notes:
            typer.secho(note, fg="yellow", err=True)
    else:
        console = Console()
        if rows:
            draw(console, rows, columns, title, plot)
        else:
            console.print(f"[bold]{escape(for_terminal(title))}[/]: no events")
        counted = f", as of {as_of:%Y-%m-%d %H:%M:%S}" if as_of else ""
        console.print(caption(period) + counted, style="dim", highlight=False)
        for note in notes:
            console.print(escape(note), style="yellow", highlight=False)


def draw(
    console: Console, rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], title: str, plot: str = ""
) -> None:
    """Print a table for people. Numbers are right-aligned and grouped by thousands; column `plot` gets bars."""
    drawn = Table()
    for column, heading in columns.items():
        numeric = any(isinstance(row[column], int | float) for row in rows)
        drawn.add_column(heading, justify="right" if numeric else "left", overflow="fold")
    most = max((row[plot] for row in rows), default=0) if plot else 0
    if plot:
        drawn.add_column("", no_wrap=True)
    for row in rows:
        bar = [Bar(most or 1, 0, row[plot], width=_BAR_WIDTH)] if plot else []
        drawn.add_row(*(_cell(row[column]) for column in columns), *bar)
    console.print(f"\n[bold]{escape(for_terminal(title))}[/]", highlight=False)
    console.print(drawn)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, float):
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else escape(for_terminal(str(value)))


def caption(period: Period) -> str:
    """What a period covers, in words."""
    if (period.since, period.until) == FOREVER:
        return "all time"
    since = "the beginning" if period.since == FOREVER[0] else f"{period.since:%Y-%m-%d %H:%M}"
    until = "now" if period.until == FOREVER[1] else f"{period.until:%Y-%m-%d %H:%M}"
    text = f"from {since} to {until} UTC, by {period.grain}s"
    if period.widened:
        text += f"; widened to whole {period.grain}s: finer counts of that time are no longer kept"
    return text
