"""Which windows an answer about a campaign covers. No I/O."""

from __future__ import annotations

from datetime import datetime, timedelta

from sinks.analytics import FOREVER, Grain, Period, ceil
from sinks.campaigns import OPEN_SINCE, OPEN_UNTIL, Campaign
from sinks.errors import CampaignError
from sinks.migrations import Retention

#: A period is cut to whole hours, or days, from this length on: minutes of it would tell nobody more.
_BY_HOURS, _BY_DAYS = timedelta(days=2), timedelta(days=60)


def period_of(
    campaign: Campaign, born: datetime, since: datetime | None, until: datetime | None, now: datetime, kept: Retention
) -> Period:
    """The windows from `since` to `until`, which stand for the begin of the campaign and its end or now.

    A campaign without a begin begins where it was first defined, `born`. Longer periods are widened to whole hours
    or days. Raises CampaignError for a period that is empty or in the future.
    """
    begin = since or (campaign.since if campaign.since > OPEN_SINCE else born)
    end = until or (
        min(campaign.until, ceil(now, Grain.MINUTE)) if campaign.until < OPEN_UNTIL else ceil(now, Grain.MINUTE)
    )
    if end <= begin:
        raise CampaignError(
            f"from {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} there is nothing yet: give --since and --until"
        )
    length = end - begin
    grain = Grain.DAY if length >= _BY_DAYS else Grain.HOUR if length >= _BY_HOURS else Grain.MINUTE
    try:
        return Period.of(_floor(begin, grain), ceil(end, grain), now, kept)
    except ValueError as error:
        raise CampaignError(f"--since / --until: {error}") from None


def before(period: Period, now: datetime, kept: Retention) -> Period | None:
    """The period of the same length that ends where `period` begins; None where it would begin before all time."""
    begin = period.since - (period.until - period.since)
    if begin <= FOREVER[0]:
        return None
    return Period.of(begin, period.since, now, kept)


def _floor(moment: datetime, grain: Grain) -> datetime:
    return moment - (moment - FOREVER[0]) % grain.length
