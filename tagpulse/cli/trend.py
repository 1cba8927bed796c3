"""tagpulse trend: hashtags on the rise."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated

import typer

from schemas.countries import normalise_country
from schemas.topics import EventType
from sinks.analytics import Grain, Period, ceil
from sinks.campaign_answers import Rising
from streams.settings import Settings
from tagpulse.cli.asking import analytics, campaign_answers
from tagpulse.cli.moments import moment
from tagpulse.cli.render import Format, show


class HourBy(StrEnum):
    """What the hour is cut from."""

    MINUTE = "minute"
    HOUR = "hour"


def register(cli: typer.Typer) -> None:
    """Add the command to `cli`."""
    cli.command(rich_help_panel="Ask")(trend)


def trend(
    event: Annotated[EventType, typer.Option(help="What to count.")] = EventType.VIDEO_CREATION,
    country: Annotated[str, typer.Option(help="Two letters; without: the world.")] = "",
    each_country: Annotated[bool, typer.Option("--each-country", help="The risers of each country.")] = False,
    at: Annotated[str, typer.Option(help="End of the hour, as 2026-05-01T12:30 (UTC). Default: now.")] = "",
    days: Annotated[int, typer.Option(min=2, max=28, help="Days before to compare with.")] = Rising.days,
    minimum: Annotated[int, typer.Option(min=1, help="Events that a tag must have in the hour.")] = Rising.minimum,
    z: Annotated[float, typer.Option(min=0, max=10, help="How sure: standard deviations below the ratio.")] = Rising.z,
    grain: Annotated[
        HourBy, typer.Option(help="minute: the last 60 minutes; hour: the last whole hour.")
    ] = HourBy.MINUTE,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Rows, or rows per country.")] = 10,
    form: Annotated[Format, typer.Option("--format", help="How to print the answer.")] = Format.TABLE,
) -> None:
    """Hashtags on the rise: used far more often in the last hour than at this hour of the days before.

    The score is a lower bound of how many times more often, so that noise and tiny numbers raise no alarm.

    Example: tagpulse trend --country PH
    """
    if country and each_country:
        raise typer.BadParameter("give either --country or --each-country", param_hint="--country")
    try:
        place = "*" if each_country else normalise_country(country) if country else ""
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--country") from None
    settings, by = Settings(), Grain(grain.value)
    if by is Grain.MINUTE and days >= settings.retention_minute_days:
        raise typer.BadParameter(
            f"minutes are kept {settings.retention_minute_days} days: give fewer, or --grain hour", param_hint="--days"
        )
    end = moment(at, "--at") or datetime.now(UTC)
    end = ceil(end - by.length, by) if ceil(end, by) != end else end  # a window that is running is no hour yet
    rows = campaign_answers(settings).rising(
        event.value, end, country=place, limit=limit, by=Rising(days, minimum, z, by.value)
    )
    for row in rows:
        row |= {"usual": round(row["usual"], 1), "ratio": round(row["ratio"], 2), "score": round(row["score"], 2)}
    columns = {
        "display": "hashtag",
        "events": "events",
        "usual": "usual",
        "ratio": "times usual",
        "score": "at least times",
    }
    columns = ({"country": "country"} if each_country else {}) | {"hashtag": "normal form"} | columns
    where = f" in {place}" if place not in ("", "*") else ""
    title = f"Hashtags on the rise by {event.value}{where}, against {days} days before"
    show(rows, columns, title, Period(end - timedelta(hours=1), end, by), form, analytics(settings).as_of())
