"""tagpulse rebuild: a grain of the cube from a finer one."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console

from sinks.analytics import Grain
from sinks.rebuilds import Rebuild
from streams.settings import Settings
from tagpulse.cli.moments import moment
from tagpulse.cli.owner import owner

#: A month of minutes may take long to add up.
_PATIENCE_S = 3600.0


class Coarser(StrEnum):
    """What can be rebuilt."""

    HOUR = "hour"
    DAY = "day"


class Finer(StrEnum):
    """What it can be added up from."""

    MINUTE = "minute"
    HOUR = "hour"


def register(cli: typer.Typer) -> None:
    """Add the command to `cli`."""
    cli.command(rich_help_panel="Operate")(rebuild)


def rebuild(
    grain: Annotated[Coarser, typer.Option(help="What to rebuild.")] = Coarser.HOUR,
    finer: Annotated[Finer, typer.Option("--from", help="What to add it up from.")] = Finer.MINUTE,
    since: Annotated[
        str, typer.Option(help="First window, as 2026-05-01 or 2026-05-01T12:00 (UTC). Default: as --from is kept.")
    ] = "",
    until: Annotated[str, typer.Option(help="End, exclusive, written like --since.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Put hours or days together again from a finer grain that is right: after damage that `tagpulse verify` found.

    Stop the workers first. It is refused while a delta is being written, and ends with an error where workers go on
    counting. Partitions (months of hours, years of days) are replaced one by one, each at a stroke: an interrupted
    rebuild leaves old ones and new ones, and may be run again.

    Example: tagpulse rebuild --grain hour --from minute --since 2026-05-01 --until 2026-05-08
    """
    settings = Settings()
    client = owner(settings, _PATIENCE_S)
    begin, end = moment(since, "--since"), moment(until, "--until")
    work = Rebuild(
        client,
        Grain(grain.value),
        Grain(finer.value),
        begin,
        end,
        settings.retention(),
        datetime.now(UTC),
        settings.insert_timeout_s,
    )
    if not yes:
        typer.confirm(f"Replace {grain}s from {work.since:%Y-%m-%d %H:%M} on by sums of {finer}s?", abort=True)
    console = Console()
    for done in work.run():
        console.print(
            f"replaced {done.partition} of engagement_{grain}: {done.rows_before:,} rows by {done.rows_after:,}",
            highlight=False,
        )
