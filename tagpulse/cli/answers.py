"""Questions: tagpulse top countries, hashtags, stickers, regions; total; videos."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from schemas.topics import EventType
from streams.settings import Settings
from tagpulse.cli.asking import (
    By,
    Countries,
    Country,
    Event,
    Form,
    Hashtag,
    Last,
    Limit,
    Ranked,
    Since,
    Sticker,
    Stickers,
    TagOrGroup,
    Until,
    analytics,
    bounds,
    chosen,
    default_event,
    inexact,
    measure,
    measures,
    period,
    periods,
    tag_filter,
    title,
)
from tagpulse.cli.render import Format, show


def register(cli: typer.Typer) -> None:
    """Add the commands to `cli`."""
    top = typer.Typer(help="Who leads: countries, regions, hashtags or stickers.", no_args_is_help=True)
    top.command("countries")(top_countries)
    top.command("regions")(top_regions)
    top.command("hashtags")(top_hashtags)
    top.command("stickers")(top_stickers)
    cli.add_typer(top, name="top", rich_help_panel="Ask")
    cli.command(rich_help_panel="Ask")(total)
    cli.command(rich_help_panel="Ask")(videos)


def top_countries(
    event: Event = None,
    sticker: Stickers = [],  # noqa: B006
    hashtag: TagOrGroup = "",
    by: Ranked = By.EVENTS,
    change: Annotated[
        bool, typer.Option("--change", help="With share, and change of rank against the period before.")
    ] = False,
    since: Since = "",
    until: Until = "",
    last: Last = "",
    limit: Limit = 10,
    form: Form = Format.TABLE,
) -> None:
    """Countries by events or distinct videos: where was a sticker used most, a hashtag watched most?

    Example: tagpulse top countries --sticker heart --last 1y --change
    """
    settings, kind, where = Settings(), default_event(event, sticker), chosen(hashtag, sticker, [])
    ranked_by, wanted = measure(by, kind), bounds(since, until, last, datetime.now(UTC))
    columns = {"country": "country", "country_name": "name", **measures(kind), "share": "share %"}
    [asked], before = periods(settings, [wanted]), None
    if change:
        try:
            wished = asked.before
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--change") from None
        asked, before = periods(settings, [wanted, wished])
        columns |= {"events_before": "before", "rank_change": "places climbed"}
    ask = analytics(settings)
    rows = ask.country_ranking(
        kind.value, asked, before, measure=ranked_by, hashtag=where.hashtag, stickers=where.stickers, limit=limit
    )
    notes = inexact(settings, asked if before is None else before, where.hashtag)
    show(rows, columns, title("Countries by", kind, where), asked, form, ask.as_of(), notes=notes)


def top_regions(
    event: Event = None,
    sticker: Stickers = [],  # noqa: B006
    hashtag: TagOrGroup = "",
    since: Since = "",
    until: Until = "",
    last: Last = "",
    form: Form = Format.TABLE,
) -> None:
    """Regions of the world by events, with their share.

    Example: tagpulse top regions --hashtag '#BookTok' --last 4w
    """
    kind, where, asked = default_event(event, sticker), chosen(hashtag, sticker, []), period(since, until, last)
    settings = Settings()
    ask = analytics(settings)
    rows = ask.region_totals(kind.value, asked, where)
    columns = {"region": "region", "countries": "countries", **measures(kind), "share": "share %"}
    notes = inexact(settings, asked, where.hashtag)
    show(rows, columns, title("Regions by", kind, where), asked, form, ask.as_of(), notes=notes)


def top_hashtags(
    event: Annotated[EventType, typer.Option(help="What to count.")] = EventType.VIDEO_VIEW,
    country: Country = "",
    sticker: Sticker = "",
    by: Ranked = By.EVENTS,
    since: Since = "",
    until: Until = "",
    last: Last = "",
    limit: Limit = 10,
    form: Form = Format.TABLE,
) -> None:
    """Hashtags by events or distinct videos. A video with several stands in the row of each: do not add them up.

    Example: tagpulse top hashtags --event video_creation --country PH
    """
    asked, where = period(since, until, last), chosen("", _one(sticker), _one(country))
    ranked_by, ask = measure(by, event), analytics(Settings())
    rows = ask.top(
        "hashtag",
        event.value,
        asked,
        measure=ranked_by,
        stickers=where.stickers,
        countries=where.countries,
        limit=limit,
    )
    rows = [{"hashtag": row["name"], **row} for row in rows]
    columns = {"hashtag": "hashtag", "display": "as written", **measures(event)}
    show(rows, columns, title("Hashtags by", event, where), asked, form, ask.as_of())


def top_stickers(
    country: Country = "",
    hashtag: Hashtag = "",
    by: Ranked = By.EVENTS,
    since: Since = "",
    until: Until = "",
    last: Last = "",
    limit: Limit = 10,
    form: Form = Format.TABLE,
) -> None:
    """Stickers by uses or distinct videos, of all videos or of those with a hashtag.

    Example: tagpulse top stickers --hashtag love --by videos --last 4w
    """
    kind, asked, where = EventType.STICKER_USE, period(since, until, last), chosen(hashtag, [], _one(country))
    ask = analytics(Settings())
    rows = ask.top(
        "sticker",
        kind.value,
        asked,
        measure=measure(by, kind),
        hashtags=_one(where.hashtag),
        countries=where.countries,
        limit=limit,
    )
    rows = [{"sticker": row["name"], **row} for row in rows]
    columns = {"sticker": "sticker", **measures(kind)}
    show(rows, columns, title("Stickers by", kind, where), asked, form, ask.as_of())


def total(
    hashtag: TagOrGroup = "",
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
    asked, where = period(since, until, last), chosen(hashtag, _one(sticker), _one(country))
    settings = Settings()
    ask = analytics(settings)
    rows = ask.totals(asked, hashtag=where.hashtag, country="".join(where.countries), sticker="".join(where.stickers))
    for row in rows:  # only sticker uses know their videos; a creation is one
        row["videos"] = row["videos"] or None
    columns = {"event_type": "event type", "events": "events", "videos": "distinct videos"}
    notes = inexact(settings, asked, where.hashtag)
    show(rows, columns, title("Total", None, where), asked, form, ask.as_of(), notes=notes)


def videos(
    sticker: Stickers = [],  # noqa: B006
    hashtag: Annotated[list[str], typer.Option(help="Only videos with this hashtag; repeated: with one of them.")] = [],  # noqa: B006
    country: Countries = [],  # noqa: B006
    since: Since = "",
    until: Until = "",
    last: Last = "",
    form: Form = Format.TABLE,
) -> None:
    """On how many distinct videos were these stickers used? A video that got several of them is one.

    Example: tagpulse videos --sticker heart --sticker sparkles --last 1y
    """
    asked, where, tags = period(since, until, last), chosen("", sticker, country), [tag_filter(tag) for tag in hashtag]
    ask = analytics(Settings())
    rows = ask.distinct_videos(asked, stickers=where.stickers, hashtags=tags, countries=where.countries)
    columns = {
        "videos": "distinct videos",
        "videos_low": "at least (3 standard errors)",
        "videos_high": "at most",
        "uses_at_least": "uses, at least",
        "uses_at_most": "uses, at most",
    }
    heading = title("Videos", None, where) + (f" with {' or '.join('#' + tag for tag in tags)}" if tags else "")
    show(rows, columns, heading, asked, form, ask.as_of())


def _one(value: str) -> list[str]:
    return [value] if value else []
