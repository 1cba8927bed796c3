"""Campaigns: tagpulse campaign add, edit, remove, list, show, backfill."""

from __future__ import annotations

import getpass
import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.markup import escape

from sinks.campaigns import OPEN_SINCE, OPEN_UNTIL, Campaign, Campaigns
from sinks.errors import CampaignError
from streams.rules import MAX_GROUPS
from streams.settings import Settings
from tagpulse.campaigns.answer import word_for
from tagpulse.campaigns.definition import changed, check_new, name_of
from tagpulse.campaigns.periods import period_of
from tagpulse.cli import backfill
from tagpulse.cli.asking import campaign_answers
from tagpulse.cli.defined import Ending, Name, Since, open_campaigns, present
from tagpulse.cli.moments import moment
from tagpulse.cli.render import draw
from tagpulse.cli.report_format import ReportFormat

Hashtags = Annotated[str | None, typer.Option(help="By comma. An event with several of them counts once.")]
Stickers = Annotated[str | None, typer.Option(help="By comma. Sticker uses are those of any of them, on any video.")]
Countries = Annotated[str | None, typer.Option(help="By comma, two letters each. Without: all.")]
From = Annotated[
    str | None, typer.Option("--from", help="Begin of the campaign, as 2026-05-01 or 2026-05-01T12:30 (UTC).")
]
Until = Annotated[str | None, typer.Option(help="Its end, exclusive, written like --from.")]
Form = Annotated[ReportFormat, typer.Option("--format", help="For people or for programs.")]


def register(cli: typer.Typer) -> None:
    """Add the commands to `cli`."""
    campaign = typer.Typer(help="Groups of hashtags and stickers that are counted as one.", no_args_is_help=True)
    campaign.command("add")(add)
    campaign.command("edit")(edit)
    campaign.command("remove")(remove)
    campaign.command("list")(list_)
    campaign.command("show")(show)
    backfill.register(campaign)
    cli.add_typer(campaign, name="campaign", rich_help_panel="Ask")


def add(
    name: Name,
    hashtags: Hashtags = None,
    stickers: Stickers = None,
    from_: From = None,
    until: Until = None,
    countries: Countries = None,
) -> None:
    """Define a campaign. From now on an event with any of its hashtags counts once, as @NAME.

    Workers take it up within about ten seconds. Period and countries are applied when it is read, for any time; so
    are stickers, whose union is exact at any time.

    Example: tagpulse campaign add createkindness --hashtags CreateKindness,love,kindness --stickers heart
    """
    settings, campaigns = open_campaigns()
    wanted = name_of(name)
    newest = campaigns.newest(wanted)
    if newest and not newest.removed:
        raise CampaignError(f"campaign {wanted!r} is there already: `tagpulse campaign edit {wanted}` changes it")
    found = _with(Campaign(wanted), hashtags, stickers, from_, until, countries, settings)
    _keep(campaigns, found, newest.version if newest else 0, settings)


def edit(
    name: Name,
    hashtags: Hashtags = None,
    stickers: Stickers = None,
    from_: From = None,
    until: Until = None,
    countries: Countries = None,
) -> None:
    """Change a campaign: what is given replaces what was, "" empties it. What was counted stays as it was counted.

    Other hashtags are counted from now on; for the time before there are bounds, and no backfill: what was counted
    as @NAME is of the old ones. For exact counts of that time give the new list a name of its own.
    """
    settings, campaigns = open_campaigns()
    newest = present(campaigns, name)
    found = _with(newest, hashtags, stickers, from_, until, countries, settings)
    _keep(campaigns, found, newest.version, settings)


def remove(name: Name, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Count a campaign no longer. What was counted stays, as the hashtag @NAME."""
    _, campaigns = open_campaigns()
    newest = present(campaigns, name)
    if not yes:
        typer.confirm(f"Count campaign {newest.name!r} no longer?", abort=True)
    campaigns.define(replace(newest, removed=True, defined_by=getpass.getuser()), newest.version)
    Console().print(
        escape(f"campaign {newest.name!r} is removed; @{newest.name} keeps what was counted"), highlight=False
    )


def list_(form: Form = ReportFormat.TABLE) -> None:
    """All campaigns, and from which event time on each is counted exactly."""
    rows = [_described(row) for row in campaign_answers(Settings()).states()]
    if form is ReportFormat.JSON:
        _json(rows)
    elif rows:
        columns = {
            "name": "campaign", "hashtags": "hashtags", "stickers": "stickers", "countries": "countries",
            "since": "from", "until": "until", "exact_from": "exact from", "version": "version",
        }  # fmt: skip
        draw(Console(), [_flat(row) for row in rows], columns, "Campaigns")
    else:
        Console().print("there are no campaigns; `tagpulse campaign add` defines one", highlight=False)


def show(name: Name, since: Since = "", until: Ending = "", form: Form = ReportFormat.TABLE) -> None:
    """A campaign: its definition, its versions, and how much it brought, exactly or within bounds.

    An answer is exact from ten minutes (max_future_s) after the last claim that was counted without this very
    definition; `tagpulse campaign backfill` moves that back. For the time before, an event with two of its hashtags
    stands in both: the answer lies between the greatest of them, by window and country, and their sum.
    """
    settings, campaigns = open_campaigns()
    wanted = present(campaigns, name)
    history = campaigns.history(wanted.name)
    born = history[0].defined_at
    assert born is not None
    now = datetime.now(UTC)
    period = period_of(wanted, born, moment(since, "--since"), moment(until, "--until"), now, settings.retention())
    answers = campaign_answers(settings)
    state = next((_described(row) for row in answers.states() if row["name"] == wanted.name), None)
    if state is None:
        raise CampaignError(f"campaign {wanted.name!r} was removed just now")
    exact_from = state["exact_from"]
    rows = [row | {"answer": word_for(row, exact_from, period)} for row in answers.totals(wanted.name, period)]
    versions = [_described(_row(campaign)) for campaign in history]
    if form is ReportFormat.JSON:
        _json(
            state
            | {
                "period": {"since": period.since, "until": period.until, "grain": period.grain.value},
                "totals": [{**row, "exact": bool(row["exact"])} for row in rows],
                "versions": versions,
            }
        )
        return
    console = Console()
    for key, value in _flat(state).items():
        console.print(escape(f"{key:>12}: {value}"), highlight=False)
    columns = {
        "event_type": "event type", "at_least": "at least", "at_most": "at most", "videos": "distinct videos",
        "answer": "answer",
    }  # fmt: skip
    title = f"@{wanted.name} from {period.since:%Y-%m-%d %H:%M} to {period.until:%Y-%m-%d %H:%M} UTC"
    draw(console, [row | {"videos": row["videos"] or None} for row in rows], columns, title)
    columns = {"version": "version", "defined_at": "defined at", "defined_by": "by", "hashtags": "hashtags",
               "stickers": "stickers", "removed": "removed"}  # fmt: skip
    draw(console, [_flat(row) for row in versions], columns, "Versions")


def _with(
    campaign: Campaign, hashtags: str | None, stickers: str | None, from_: str | None, until: str | None,
    countries: str | None, settings: Settings,
) -> Campaign:  # fmt: skip
    return changed(
        campaign,
        hashtags=hashtags,
        stickers=stickers,
        countries=countries,
        since=(moment(from_, "--from") or "") if from_ is not None else None,
        until=(moment(until, "--until") or "") if until is not None else None,
        max_tag_bytes=settings.max_tag_bytes,
    )


def _keep(campaigns: Campaigns, found: Campaign, after: int, settings: Settings) -> None:
    static = {*settings.tag_groups, *campaigns.foreign_groups()}
    if found.hashtags:
        check_new(found.name, campaigns.groups().keys(), static, MAX_GROUPS)
    kept = campaigns.define(replace(found, defined_by=getpass.getuser()), after)
    said = f"campaign {kept.name!r}, version {kept.version}"
    said += (
        f": {', '.join('#' + tag for tag in kept.hashtags)} count as @{kept.name} from now on" if kept.hashtags else ""
    )
    Console().print(escape(said), highlight=False, soft_wrap=True)


def _row(campaign: Campaign) -> dict[str, Any]:
    names = ("version", "defined_at", "defined_by", "hashtags", "stickers", "countries", "since", "until", "removed")
    return {name: getattr(campaign, name) for name in names}


def _described(row: dict[str, Any]) -> dict[str, Any]:
    """Open ends become None, moments say that they are UTC."""
    moments = {key: value.replace(tzinfo=UTC) for key, value in row.items() if isinstance(value, datetime)}
    return row | {
        key: None if value in (OPEN_SINCE, OPEN_UNTIL) and key != "defined_at" else value
        for key, value in moments.items()
    }


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """A row for people: lists by comma, moments in short, open ends as such."""
    words = {"since": "open", "until": "open", "exact_from": "always"}

    def text(key: str, value: Any) -> Any:
        if isinstance(value, datetime):
            return f"{value:%Y-%m-%d %H:%M}"
        if isinstance(value, list | tuple):
            return ", ".join(value) or "-"
        return words.get(key, "-") if value is None else value

    return {key: text(key, value) for key, value in row.items()}


def _json(value: object) -> None:
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")
