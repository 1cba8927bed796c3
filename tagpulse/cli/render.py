"""Answers for people (rich tables), programs (JSON) and spreadsheets (CSV)."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from sinks.analytics import FOREVER, Period


class Format(StrEnum):
    """How an answer is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def show(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], title: str, period: Period, form: Format) -> None:
    """Print `rows` with `columns`, in order, to standard output."""
    if form is Format.JSON:
        answer = {
            "title": title,
            "since": period.since.isoformat(),
            "until": period.until.isoformat(),
            "grain": period.grain.value,
            "widened": period.widened,
            "rows": [{column: row[column] for column in columns} for row in rows],
        }
        sys.stdout.write(orjson.dumps(answer, option=orjson.OPT_INDENT_2).decode() + "\n")
    elif form is Format.CSV:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([row[column] for column in columns] for row in rows)
    else:
        console = Console()
        console.print(
            table(rows, columns, title, caption(period)) if rows else f"{title}: no events. {caption(period)}"
        )


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], title: str, below: str = "") -> Table:
    """A rich table; numbers are right-aligned and grouped by thousands."""
    drawn = Table(title=title, caption=below or None, title_justify="left", caption_justify="left")
    for column in columns:
        numeric = bool(rows) and isinstance(rows[0][column], int)
        drawn.add_column(column.replace("_", " "), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(f"{row[c]:,}" if isinstance(row[c], int) else str(row[c]) for c in columns))
    return drawn


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
