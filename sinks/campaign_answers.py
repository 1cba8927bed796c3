"""Typed questions about campaigns and rising hashtags, to the views of sinks/views."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from clickhouse_connect.driver.exceptions import ClickHouseError

from sinks.client import first_line
from sinks.errors import QueryError

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

    from sinks.analytics import Period

Row = dict[str, Any]
_TYPES = {
    "since": "DateTime('UTC')",
    "until": "DateTime('UTC')",
    "at": "DateTime('UTC')",
    "own_period": "UInt8",
    "limit": "UInt32",
    "days": "UInt16",
    "minimum": "UInt64",
    "z": "Float64",
}


@dataclass(frozen=True)
class Rising:
    """What counts as a rise; the view `rising_hashtags` explains the score.

    `days` before to compare with, at least 2; `minimum` events of a tag in the hour; `z` standard deviations of
    the bound; `grain` minute or hour.
    """

    days: int = 7
    minimum: int = 20
    z: float = 4.0
    grain: str = "minute"


class CampaignAnswers:
    """Answers as rows: mappings from column to value, described in the view of the same name. Raises QueryError."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def states(self) -> list[Row]:
        """All campaigns: sinks/views/campaign_states.sql."""
        return self._ask("campaign_states", {})

    def totals(self, name: str, period: Period, *, own_period: bool = True) -> list[Row]:
        """Creations, sticker uses and views: sinks/views/campaign_totals.sql. False: also outside of its own period."""
        return self._ask("campaign_totals", {"campaign": name} | _bounds(period, own_period))

    def series(self, name: str, period: Period) -> list[Row]:
        """The same, window by window of the period's grain: sinks/views/campaign_series.sql."""
        return self._ask("campaign_series", {"campaign": name} | _bounds(period))

    def countries(
        self, name: str, event: str, period: Period, limit: int = 10, *, own_period: bool = True
    ) -> list[Row]:
        """Countries by one event type: sinks/views/campaign_countries.sql. False: also outside of its own period."""
        given = {"campaign": name, "event": event, "limit": limit}
        return self._ask("campaign_countries", given | _bounds(period, own_period))

    def hashtags(self, name: str, period: Period, limit: int = 10) -> list[Row]:
        """The campaign's hashtags, each for itself: sinks/views/campaign_hashtags.sql."""
        return self._ask("campaign_hashtags", {"campaign": name, "limit": limit} | _bounds(period))

    def rising(
        self, event: str, at: datetime, *, country: str = "", limit: int = 10, by: Rising | None = None
    ) -> list[Row]:
        """Hashtags on the rise in the hour before `at`: sinks/views/rising_hashtags.sql."""
        by = by or Rising()
        return self._ask(
            "rising_hashtags",
            {
                "event": event, "country": country, "at": at, "days": by.days, "minimum": by.minimum, "z": by.z,
                "grain": by.grain, "limit": limit,
            },
        )  # fmt: skip

    def rejects(self, period: Period) -> int:
        """Records that were rejected between the bounds of a period, by the clock of ClickHouse."""
        query = (
            "SELECT count() AS rejects FROM rejected_events FINAL"
            " WHERE rejected_at >= {since:DateTime('UTC')} AND rejected_at < {until:DateTime('UTC')}"
        )
        return int(self._rows(query, {"since": period.since, "until": period.until})[0]["rejects"])

    def _ask(self, view: str, parameters: dict[str, object]) -> list[Row]:
        arguments = ", ".join(f"{name} = {{{name}:{_TYPES.get(name, 'String')}}}" for name in parameters)
        return self._rows(f"SELECT * FROM {view}" + (f"({arguments})" if parameters else ""), parameters)

    def _rows(self, query: str, parameters: dict[str, object]) -> list[Row]:
        try:
            found = self._client.query(query, parameters=parameters)
        except ClickHouseError as error:
            raise QueryError(f"ClickHouse refused a question about campaigns or trends: {first_line(error)}") from error
        return [dict(zip(found.column_names, row, strict=True)) for row in found.result_rows]


def _bounds(period: Period, own_period: bool = True) -> dict[str, object]:
    bounds = {"since": period.since, "until": period.until, "grain": period.grain.value}
    return bounds | {"own_period": int(own_period)}
