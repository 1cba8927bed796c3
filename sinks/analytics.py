"""Typed questions to the views: what analysts ask, without building SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from clickhouse_connect.driver.exceptions import ClickHouseError

from sinks.client import first_line
from sinks.errors import QueryError
from sinks.migrations import Retention

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

#: The bounds of an open range: what fits into ClickHouse's DateTime, at whole days.
FOREVER = (datetime(1970, 1, 1, tzinfo=UTC), datetime(2106, 1, 1, tzinfo=UTC))


class Grain(StrEnum):
    """Length of the windows an answer is added up from. The value is what views take as `grain`."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"

    @property
    def length(self) -> timedelta:
        return {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}[self.value]


@dataclass(frozen=True, slots=True)
class Period:
    """Windows [since, until) of one grain, UTC. `widened`: the wish was finer than what is still kept."""

    since: datetime
    until: datetime
    grain: Grain
    widened: bool = False

    @classmethod
    def of(cls, since: datetime | None, until: datetime | None, now: datetime, retention: Retention) -> Period:
        """The windows that answer for [since, until) exactly; None leaves an end open.

        The coarsest grain whose windows begin and end at both bounds. Where that grain is past its retention
        at `since`, the period is widened to whole windows of the next grain that is kept. Seconds are rounded
        outwards to minutes. Raises ValueError for an empty period or bounds outside 1970 to 2105.
        """
        begin, end = since or FOREVER[0], until or FOREVER[1]
        if not FOREVER[0] <= begin < end <= FOREVER[1]:
            raise ValueError(f"the period from {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} is empty or out of range")
        begin, end = _floor(begin, Grain.MINUTE), ceil(end, Grain.MINUTE)
        kept_days = {Grain.MINUTE: retention.minute_days, Grain.HOUR: retention.hour_days}
        for grain in (Grain.DAY, Grain.HOUR, Grain.MINUTE):
            if _floor(begin, grain) == begin and _floor(end, grain) == end:
                break
        wished = grain
        # A day of margin: a TTL takes whole rows at a time of its own choosing.
        while grain in kept_days and begin < now - timedelta(days=kept_days[grain] - 1):
            grain = Grain.HOUR if grain is Grain.MINUTE else Grain.DAY
        return cls(_floor(begin, grain), ceil(end, grain), grain, grain is not wished and (
            _floor(begin, grain) != begin or ceil(end, grain) != end
        ))  # fmt: skip


def _floor(moment: datetime, grain: Grain) -> datetime:
    return moment - (moment - FOREVER[0]) % grain.length


def ceil(moment: datetime, grain: Grain) -> datetime:
    """The end of the window that `moment` lies in; a moment between two windows is such an end itself."""
    return _floor(moment + grain.length - timedelta(microseconds=1), grain)


class Analytics:
    """Answers from the views. Rows are mappings from column to value; columns are described in each view."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def top_countries(
        self, event: str, period: Period, *, hashtag: str = "", sticker: str = "", limit: int = 10
    ) -> list[dict[str, Any]]:
        """Countries by events: sinks/views/top_countries.sql. Tags and stickers in normal form."""
        filters = {"event": event, "hashtag": hashtag, "sticker": sticker, "limit": limit}
        return self._ask("top_countries", period, filters)

    def top_hashtags(
        self, event: str, period: Period, *, country: str = "", sticker: str = "", limit: int = 10
    ) -> list[dict[str, Any]]:
        """Hashtags by events: sinks/views/top_hashtags.sql."""
        filters = {"event": event, "country": country, "sticker": sticker, "limit": limit}
        return self._ask("top_hashtags", period, filters)

    def totals(
        self, period: Period, *, hashtag: str = "", country: str = "", sticker: str = ""
    ) -> list[dict[str, Any]]:
        """Totals per event type: sinks/views/totals.sql. `hashtag` may be a group of tags, "@name"."""
        return self._ask("totals", period, {"hashtag": hashtag, "country": country, "sticker": sticker})

    def _ask(self, view: str, period: Period, filters: Mapping[str, object]) -> list[dict[str, Any]]:
        parameters = {"since": period.since, "until": period.until, "grain": period.grain.value, **filters}
        types = {"since": "DateTime('UTC')", "until": "DateTime('UTC')", "limit": "UInt32"}
        arguments = ", ".join(f"{name} = {{{name}:{types.get(name, 'String')}}}" for name in parameters)
        try:
            found = self._client.query(f"SELECT * FROM {view}({arguments})", parameters=parameters)
        except ClickHouseError as error:
            raise QueryError(f"ClickHouse refused the view {view}: {first_line(error)}") from error
        return [dict(zip(found.column_names, row, strict=True)) for row in found.result_rows]
