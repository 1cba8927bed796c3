"""What the commands that ask have in common: options, the period they mean, the login, the title."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from schemas.countries import normalise_country
from schemas.topics import EventType
from sinks.analytics import Analytics, Filter, Grain, Measure, Period, ceil, hashtag_form
from sinks.campaign_answers import CampaignAnswers
from sinks.client import connect
from streams.settings import Settings
from tagpulse.cli.moments import moment
from tagpulse.cli.render import Format

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

WORDS = {EventType.VIDEO_CREATION: "creations", EventType.STICKER_USE: "sticker uses", EventType.VIDEO_VIEW: "views"}
_UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}

Event = Annotated[EventType | None, typer.Option(help="Default: sticker_use with --sticker, else video_view.")]
Hashtag = Annotated[str, typer.Option(help="Only events with this hashtag; #Love, LOVE and love are one.")]
TagOrGroup = Annotated[str, typer.Option("--hashtag", help="A hashtag, or a group of tags as @name.")]
Sticker = Annotated[str, typer.Option(help="Only this sticker or effect.")]
Stickers = Annotated[list[str], typer.Option("--sticker", help="Only this sticker or effect; may be repeated.")]
Country = Annotated[str, typer.Option(help="Only this country: two letters, ZZ is unknown.")]
Countries = Annotated[list[str], typer.Option("--country", help="Only this country, two letters; may be repeated.")]
Since = Annotated[str, typer.Option(help="Begin, as 2026-05-01 or 2026-05-01T12:30 (UTC unless it says otherwise).")]
Until = Annotated[str, typer.Option(help="End, exclusive, written like --since.")]
Last = Annotated[
    str,
    typer.Option(help="The time up to now instead: 30m and 24h to the minute, 7d and 4w to the hour, 1y to the day."),
]
Form = Annotated[Format, typer.Option("--format", help="How to print the answer.")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="Rows to show.")]


class By(StrEnum):
    """What a ranking goes by."""

    EVENTS = "events"
    VIDEOS = "videos"


Ranked = Annotated[By, typer.Option("--by", help="Rank by events, or by distinct videos (sticker uses only).")]


def default_event(event: EventType | None, stickers: Sequence[str]) -> EventType:
    """What to count where --event is not given."""
    return event or (EventType.STICKER_USE if stickers else EventType.VIDEO_VIEW)


def measures(kind: EventType) -> dict[str, str]:
    """Columns with counts of an event type -> their headings."""
    if kind is EventType.STICKER_USE:
        return {"events": "uses", "videos": "distinct videos"}
    return {"events": WORDS[kind]}


def measure(by: By, kind: EventType) -> Measure:
    """`by`, unless the event type has no such measure."""
    if by is By.VIDEOS and kind is not EventType.STICKER_USE:
        raise typer.BadParameter(f"distinct videos are kept for sticker uses, not for {WORDS[kind]}", param_hint="--by")
    return by.value


def tag_filter(hashtag: str) -> str:
    """The normal form of a tag, or a group's name with its @; "" stays."""
    try:
        return hashtag_form(hashtag) if hashtag else ""
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--hashtag") from None


def country_code(code: str, option: str = "--country") -> str:
    """The normal form of a country; "" stays."""
    try:
        return normalise_country(code) if code else ""
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def chosen(hashtag: str, stickers: Sequence[str], countries: Sequence[str]) -> Filter:
    """The filter that options describe."""
    tag = tag_filter(hashtag)
    codes = [country_code(code) for code in countries]
    try:
        return Filter(tag, stickers, codes)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--sticker") from None


def analytics(settings: Settings) -> Analytics:
    """The views, with the analyst's login where there is one."""
    return Analytics(analyst(settings))


def campaign_answers(settings: Settings) -> CampaignAnswers:
    """Questions about campaigns, with the same login."""
    return CampaignAnswers(analyst(settings))


def inexact(settings: Settings, period: Period, tag: str) -> list[str]:
    """A note where `tag` is a campaign (@name) that was not counted as one in all of `period`; else none."""
    if not tag.startswith("@"):
        return []
    name = tag[1:]
    begins = [s["exact_from"].replace(tzinfo=UTC) for s in campaign_answers(settings).states() if s["name"] == name]
    return [
        f"@{name} counts exactly from {since:%Y-%m-%d %H:%M} UTC on. Events before are missing here, all or some:"
        f" `tagpulse campaign show {name}` has bounds, `tagpulse campaign backfill {name}` counts what Kafka still has."
        for since in begins
        if period.since < since
    ]


def analyst(settings: Settings) -> Client:
    """A connection by the analyst's login, or the only one there is."""
    user, password = settings.analyst_user, settings.analyst_password
    if not user:
        user, password = settings.clickhouse_user, settings.clickhouse_password
    url, database = settings.clickhouse_url, settings.clickhouse_database
    return connect(url, user, password.get_secret_value(), database)


def bounds(since: str, until: str, last: str, now: datetime) -> tuple[datetime | None, datetime | None]:
    """The period that options describe; None is an open end."""
    if not last:
        return moment(since, "--since"), moment(until, "--until")
    if since or until:
        raise typer.BadParameter("give either --last or --since/--until", param_hint="--last")
    match = re.fullmatch(r"([1-9]\d{0,5})([mhdwy])", last)
    if match is None:
        raise typer.BadParameter(f"{last!r}: write 30m, 24h, 7d, 4w or 1y", param_hint="--last")
    # Whole windows, with the one that is running. Long times begin at an hour or a day: their minutes are
    # no longer kept.
    grain = {"m": Grain.MINUTE, "h": Grain.MINUTE, "d": Grain.HOUR, "w": Grain.HOUR, "y": Grain.DAY}[match[2]]
    end = ceil(now, grain)
    return end - timedelta(seconds=int(match[1]) * _UNITS[match[2]]), end


def periods(
    settings: Settings, wanted: Sequence[tuple[datetime | None, datetime | None]], coarsest: Grain = Grain.DAY
) -> list[Period]:
    """The windows that answer for each, at one grain."""
    try:
        return Period.together(wanted, datetime.now(UTC), settings.retention(), coarsest)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--since / --until / --last") from None


def period(since: str, until: str, last: str, coarsest: Grain = Grain.DAY) -> Period:
    """The windows that answer for what the options describe."""
    settings, now = Settings(), datetime.now(UTC)
    try:
        return Period.of(*bounds(since, until, last, now), now, settings.retention(), coarsest)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--last" if last else "--since / --until") from None


def title(start: str, kind: EventType | None, where: Filter) -> str:
    """What an answer is about, in words."""
    parts = [start, WORDS[kind] if kind else ""]
    if where.hashtag:
        group = where.hashtag.startswith("@")
        parts.append(f"of videos in group {where.hashtag}" if group else f"of videos with #{where.hashtag}")
    if where.stickers:
        plural = "s" if len(where.stickers) > 1 else ""
        parts.append(f"with sticker{plural} {', '.join(where.stickers)}")
    if where.countries:
        parts.append(f"in {', '.join(where.countries)}")
    return " ".join(part for part in parts if part)
