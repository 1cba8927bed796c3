"""What commands about a campaign have in common: its name, the period of an answer, the campaign that is meant."""

from __future__ import annotations

from typing import Annotated

import typer

from sinks.campaigns import Campaign, Campaigns
from sinks.client import connect
from sinks.errors import CampaignError
from streams.settings import Settings
from tagpulse.campaigns.definition import name_of

Name = Annotated[str, typer.Argument(help="Name of the campaign, with or without its @.")]
Since = Annotated[
    str, typer.Option(help="Begin of the answer. Default: begin of the campaign, or its first definition.")
]
Ending = Annotated[str, typer.Option("--until", help="End of the answer, exclusive. Default: its end, or now.")]


def open_campaigns() -> tuple[Settings, Campaigns]:
    """The settings, and the campaigns by the login that may write."""
    settings = Settings()
    return settings, Campaigns(
        connect(
            settings.clickhouse_url,
            settings.clickhouse_user,
            settings.clickhouse_password.get_secret_value(),
            settings.clickhouse_database,
        )
    )


def present(campaigns: Campaigns, name: str) -> Campaign:
    """The campaign that a person means by `name`. Raises CampaignError where it is not there."""
    wanted = name_of(name)
    newest = campaigns.newest(wanted)
    if newest is None or newest.removed:
        what = f"was removed; `tagpulse total --hashtag @{wanted}` shows what was counted" if newest else "is not there"
        raise CampaignError(f"campaign {wanted!r} {what}. `tagpulse campaign list` shows all")
    return newest
