"""Questions: tagpulse top countries, top hashtags, total."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from schemas.countries import normalise_country
from schemas.tags import normalise_tag
from schemas.topics import EventType
from sinks.analytics import Analytics, Grain, Period, ceil
from sinks.client import connect
from streams.settings import Settings
from tagpulse.cli.moments import moment
from tagpulse.cli.render import Format, show

_WORDS = {EventType.VIDEO_CREATION: "creations", EventType.STICKER_USE: "sticker uses", EventType.VIDEO_VIEW: "views"}
_UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}

Hashtag = Annotated[str, typer.Option(help="Only events with this hashtag; #Love, LOVE and love are one.")]
Sticker = Annotated[str, typer.Option(help="Only this sticker or effect.")]
Country = Annotated[str, typer.Option(help="Only this country: two letters, ZZ is unknown.")]
Since = Annotated[str, typer.Option(help="Begin, as 2026-05-01 or 2026-05-01T12:30 (UTC unless it says otherwise).")]
Until = Annotated[str, typer.Option(help="End, exclusive, written like --since.")]
Last = Annotated[
    str,
    typer.Option(help="The time up to now instead: 30m and 24h to the minute, 7d and 4w to the hour, 1y to the day."),
]
Form = Annotated[Format, typer.Option("--format", help="How to print the answer.")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="Rows to show.")]


def register(cli: typer.Typer) -> None:
    """Add the commands to `cli`."""
    top = typer.Typer(help="Who leads: countries or hashtags.", no_args_is_help=True)
    top.command("countries")(top_countries)
    top.command("hashtags")(top_hashtags)
    cli.add_typer(top, name="top", rich_help_panel="Ask")
    cli.command(rich_help_panel="Ask")(total)


def top_countries(
    event: Annotated[
        EventType | None, typer.Option(help="Default: sticker_use with --sticker, else video_view.")
    ] = None,
    sticker: Sticker = "",
    hashtag: Hashtag = "",
    since: Since = "",
    until: Until = "",
    last: Last = "",
    limit: Limit = 10,
    form: Form = Format.TABLE,
) -> None:
    """Countries by events: where was a sticker used most, a hashtag watched most?

    Example: tagpulse top countries --sticker heart --last 1y
    """
    settings, period = Settings(), _period(since, until, last)
    kind = event or (EventType.STICKER_USE if sticker else EventType.VIDEO_VIEW)
    rows = _analytics(settings).top_countries(
        kind.value, period, hashtag=tag_filter(hashtag), sticker=normalise_tag(sticker), limit=limit
    )
    columns = {"country": "country", "country_name": "name", **_measures(kind)}
    show(rows, columns, _title("Countries by", kind, hashtag, sticker), period, form)


def top_hashtags(
    event: Annotated[EventType, typer.Option(help="What to count.")] = EventType.VIDEO_VIEW,
    country: Country = "",
    sticker: Sticker = "",
    since: Since = "",
    until: Until = "",
    last: Last = "",
    limit: Limit = 10,
    form: Form = Format.TABLE,
) -> None:
    """Hashtags by events. A video with several tags stands in the row of each: do not add the rows up.

    Example: tagpulse top hashtags --event video_creation --country PH
    """
    settings, period = Settings(), _period(since, until, last)
    rows = _analytics(settings).top_hashtags(
        event.value, period, country=_country(country), sticker=normalise_tag(sticker), limit=limit
    )
    columns = {"hashtag": "hashtag", "display": "as written", **_measures(event)}
    show(rows, columns, _title("Hashtags by", event, "", sticker, country), period, form)


def total(
    hashtag: Annotated[str, typer.Option(help="A hashtag, or a group of tags as @name.")] = "",
    sticker: Sticker = "",
    country: Country = "",
    since: Since = "",
    until: Until = "",
    last: Last = "",
    form: Form = Format.TABLE,
) -> None:
    """Creations, sticker uses and views in total, each event counted once.

    Example: tagpulse total --hashtag mentalhealth --last 7d
    """
    settings, period = Settings(), _period(since, until, last)
    rows = _analytics(settings).totals(
        period, hashtag=tag_filter(hashtag), country=_country(country), sticker=normalise_tag(sticker)
    )
    for row in rows:  # only sticker uses know their videos; a creation is one
        row["videos"] = row["videos"] or None
    columns = {"event_type": "event type", "events": "events", "videos": "distinct videos"}
    show(rows, columns, _title("Total", None, hashtag, sticker, country), period, form)


def _measures(kind: EventType) -> dict[str, str]:
    if kind is EventType.STICKER_USE:
        return {"events": "uses", "videos": "distinct videos"}
    return {"events": _WORDS[kind]}


def tag_filter(hashtag: str) -> str:
    """The normal form of a tag, or a group's name with its @."""
    return "@" + normalise_tag(hashtag) if hashtag.startswith("@") else normalise_tag(hashtag)


def _analytics(settings: Settings) -> Analytics:
    user, password = settings.analyst_user, settings.analyst_password
    if not user:
        user, password = settings.clickhouse_user, settings.clickhouse_password
    url, database = settings.clickhouse_url, settings.clickhouse_database
    return Analytics(connect(url, user, password.get_secret_value(), database))


def _country(code: str) -> str:
    try:
        return normalise_country(code) if code else ""
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--country") from None


def _period(since: str, until: str, last: str) -> Period:
    now = datetime.now(UTC)
    if last:
        if since or until:
            raise typer.BadParameter("give either --last or --since/--until", param_hint="--last")
        match = re.fullmatch(r"([1-9]\d{0,5})([mhdwy])", last)
        if match is None:
            raise typer.BadParameter(f"{last!r}: write 30m, 24h, 7d, 4w or 1y", param_hint="--last")
        # Whole windows, with the one that is running. Long times begin at an hour or a day: their minutes are
        # no longer kept.
        grain = {"m": Grain.MINUTE, "h": Grain.MINUTE, "d": Grain.HOUR, "w": Grain.HOUR, "y": Grain.DAY}[match[2]]
        end: datetime | None = ceil(now, grain)
        begin = end - timedelta(seconds=int(match[1]) * _UNITS[match[2]]) if end else None
    else:
        begin, end = moment(since, "--since"), moment(until, "--until")
    settings = Settings()
    try:
        return Period.of(begin, end, now, settings.retention())
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--last" if last else "--since / --until") from None


def _title(start: str, kind: EventType | None, hashtag: str, sticker: str, country: str = "") -> str:
    words = {
        EventType.VIDEO_CREATION: "creations",
        EventType.STICKER_USE: "sticker uses",
        EventType.VIDEO_VIEW: "views",
    }
    parts = [start, words[kind] if kind else ""]
    if hashtag:
        group = hashtag.startswith("@")
        parts.append(f"of videos in group {hashtag}" if group else f"of videos with #{normalise_tag(hashtag)}")
    parts.append(f"with sticker {normalise_tag(sticker)}" if sticker else "")
    parts.append(f"in {country.upper()}" if country else "")
    return " ".join(part for part in parts if part)
