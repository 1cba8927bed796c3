"""Over time: tagpulse series, tagpulse compare."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from schemas.topics import EventType
from sinks.analytics import Filter, Period, Side, Step, filled
from streams.settings import Settings
from tagpulse.cli.asking import (
    Countries,
    Event,
    Form,
    Last,
    Since,
    Stickers,
    TagOrGroup,
    Until,
    analytics,
    bounds,
    chosen,
    default_event,
    inexact,
    measures,
    period,
    periods,
    title,
)
from tagpulse.cli.moments import moment
from tagpulse.cli.render import Format, caption, show


def register(cli: typer.Typer) -> None:
    """Add the commands to `cli`."""
    cli.command(rich_help_panel="Ask")(series)
    cli.command(rich_help_panel="Ask")(compare)


def series(
    event: Event = None,
    step: Annotated[Step, typer.Option(help="Weeks begin on Monday; all in UTC.")] = Step.DAY,
    hashtag: TagOrGroup = "",
    sticker: Stickers = [],  # noqa: B006
    country: Countries = [],  # noqa: B006
    so_far: Annotated[
        bool, typer.Option("--so-far", help="With the sum since the begin: year to date with --since 2026-01-01.")
    ] = False,
    since: Since = "",
    until: Until = "",
    last: Last = "",
    form: Form = Format.TABLE,
) -> None:
    """Events over time, with bars.

    Example: tagpulse series --hashtag mentalhealth --step week --last 1y
    """
    kind, where = default_event(event, sticker), chosen(hashtag, sticker, country)
    asked, settings = period(since, until, last, step.grain), Settings()
    ask = analytics(settings)
    heading = title(f"By {step.value}:", kind, where)
    columns = {"begins": step.value, **measures(kind)}
    try:
        if so_far:
            rows = ask.cumulative(kind.value, asked, step, where)
            columns |= {f"{name}_so_far": f"{words} so far" for name, words in measures(kind).items()}
        else:
            rows = filled(ask.series(kind.value, asked, step, where), asked, step)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--step") from None
    plot, notes = "events_so_far" if so_far else "events", inexact(settings, asked, where.hashtag)
    show(rows, columns, heading, asked, form, ask.as_of(), plot, notes)


def compare(
    event: Event = None,
    hashtag: TagOrGroup = "",
    sticker: Stickers = [],  # noqa: B006
    country: Countries = [],  # noqa: B006
    since: Since = "",
    until: Until = "",
    last: Last = "",
    with_hashtag: Annotated[str | None, typer.Option(help="Compare with this tag or @group instead.")] = None,
    with_sticker: Annotated[list[str], typer.Option(help="Compare with these stickers instead.")] = [],  # noqa: B006
    with_country: Annotated[list[str], typer.Option(help="Compare with these countries instead.")] = [],  # noqa: B006
    with_since: Annotated[str, typer.Option(help="Compare with the period that begins here, as long if no end.")] = "",
    with_until: Annotated[str, typer.Option(help="End of that period, exclusive.")] = "",
    form: Form = Format.TABLE,
) -> None:
    """One period, tag, sticker or country against another. With nothing to compare with: the period before.

    Example: tagpulse compare --hashtag love --with-hashtag kindness --last 4w
    """
    settings, kind = Settings(), default_event(event, [*sticker, *with_sticker])
    this = chosen(hashtag, sticker, country)
    that = chosen(hashtag if with_hashtag is None else with_hashtag, with_sticker or sticker, with_country or country)
    wanted = bounds(since, until, last, datetime.now(UTC))
    other = _other_bounds(settings, wanted, with_since, with_until, same=this == that)
    here, there = periods(settings, [wanted, other])
    ask = analytics(settings)
    [answer] = ask.compare(kind.value, Side(here, this), Side(there, that))
    rows = [
        {
            "side": _side(side, kind, where, asked),
            "events": answer[f"events_{letter}"],
            "videos": answer[f"videos_{letter}"],
            "difference": answer["difference"] if letter == "a" else None,
            "ratio": answer["ratio"] if letter == "a" else None,
        }
        for letter, side, where, asked in (("a", "this", this, here), ("b", "that", that, there))
    ]
    columns = {"side": "side", **measures(kind), "difference": "difference", "ratio": "ratio"}
    notes = [*inexact(settings, here, this.hashtag), *inexact(settings, there, that.hashtag)]
    heading = f"Compared: {measures(kind)['events']}"
    show(rows, columns, heading, here, form, ask.as_of(), plot="events", notes=list(dict.fromkeys(notes)))


def _other_bounds(
    settings: Settings,
    wanted: tuple[datetime | None, datetime | None],
    with_since: str,
    with_until: str,
    *,
    same: bool,
) -> tuple[datetime | None, datetime | None]:
    begin, end = moment(with_since, "--with-since"), moment(with_until, "--with-until")
    if begin is None and end is None and not same:
        return wanted
    [here] = periods(settings, [wanted])
    try:
        if begin is None and end is None:
            return here.before
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--since / --last") from None
    length = here.until - here.since
    if begin is not None and end is None:
        end = begin + length
    if begin is None and end is not None:
        begin = end - length
    return begin, end


def _side(name: str, kind: EventType, where: Filter, asked: Period) -> str:
    return f"{name}: {title('', kind, where)}, {caption(asked)}"
