"""From what a person wrote to a definition, with errors that name the option and the remedy. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime

from schemas.countries import normalise_country
from schemas.tags import normalise_tag
from sinks.campaigns import OPEN_SINCE, OPEN_UNTIL, Campaign
from sinks.errors import CampaignError

#: A campaign is a list that a person wrote, and its name a column heading.
MAX_NAME_BYTES = 64
MAX_TAGS = 256


def name_of(text: str) -> str:
    """The normal form of a campaign's name; a leading @ may be written. Raises CampaignError."""
    name = normalise_tag(text)
    if not name or len(name.encode("utf-8", "surrogatepass")) > MAX_NAME_BYTES or "," in name:
        raise CampaignError(f"NAME is {text!r}: it needs 1 to {MAX_NAME_BYTES} bytes in normal form, and no comma")
    return name


def changed(
    campaign: Campaign,
    *,
    hashtags: str | None = None,
    stickers: str | None = None,
    countries: str | None = None,
    since: datetime | str | None = None,
    until: datetime | str | None = None,
    max_tag_bytes: int,
) -> Campaign:
    """`campaign` with what was given; None leaves a part as it is, "" empties or opens it. Lists are written a,b,c.

    Raises CampaignError for what cannot be a campaign.
    """
    found = replace(
        campaign,
        hashtags=campaign.hashtags if hashtags is None else _forms(hashtags, "--hashtags", max_tag_bytes),
        stickers=campaign.stickers if stickers is None else _forms(stickers, "--stickers", max_tag_bytes),
        countries=campaign.countries if countries is None else _countries(countries),
        since=campaign.since if since is None else OPEN_SINCE if isinstance(since, str) else since,
        until=campaign.until if until is None else OPEN_UNTIL if isinstance(until, str) else until,
        removed=False,
    )
    if not found.hashtags and not found.stickers:
        raise CampaignError(
            f"campaign {campaign.name!r} has neither hashtags nor stickers: give --hashtags or --stickers"
        )
    if not OPEN_SINCE <= found.since < found.until <= OPEN_UNTIL:
        raise CampaignError(
            f"--from {found.since:%Y-%m-%d %H:%M} and --until {found.until:%Y-%m-%d %H:%M}: the period is empty, "
            "or outside 1970 to 2105"
        )
    return found


def check_new(name: str, grouped: Collection[str], static: Collection[str], limit: int) -> None:
    """Whether a campaign with hashtags may take `name`.

    `grouped` are the campaigns that have hashtags, `static` the groups of workers' settings. Raises CampaignError
    where a static group has the name, or there are `limit` groups already.
    """
    if name in static:
        raise CampaignError(
            f"NAME is {name!r}, which a group of TAGPULSE_TAG_GROUPS has: take another name, or remove it from the "
            "settings of all workers"
        )
    others = {*grouped, *static} - {name}
    if len(others) >= limit:
        raise CampaignError(
            f"there are {len(others)} groups of hashtags ({len(set(static))} of them in TAGPULSE_TAG_GROUPS), "
            f"and the limit is {limit}: remove a campaign first (`tagpulse campaign list` shows them)"
        )


def _forms(text: str, option: str, max_tag_bytes: int) -> tuple[str, ...]:
    forms = set()
    for part in _parts(text):
        form = normalise_tag(part)
        if not form:
            raise CampaignError(f"{option}: {part!r} is empty in normal form: leave it out")
        if len(form.encode("utf-8", "surrogatepass")) > max_tag_bytes:
            raise CampaignError(
                f"{option}: {part[:40]!r}... is longer than max_tag_bytes ({max_tag_bytes}): never counted"
            )
        forms.add(form)
    if len(forms) > MAX_TAGS:
        raise CampaignError(f"{option}: {len(forms)} are too many, the limit is {MAX_TAGS}")
    return tuple(sorted(forms))


def _countries(text: str) -> tuple[str, ...]:
    try:
        return tuple(sorted({normalise_country(part) for part in _parts(text)}))
    except ValueError as error:
        raise CampaignError(f"--countries: {error}") from None


def _parts(text: str) -> Iterable[str]:
    return (part.strip() for part in text.split(",") if part.strip())
