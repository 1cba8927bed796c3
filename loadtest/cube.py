"""Fills the cube's tables with synthetic rows, straight into them: a year of hours and of days, a month of minutes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

#: Sixty countries, the most frequent first.
# fmt: off
COUNTRIES = (
    "US", "PH", "ID", "BR", "MX", "GB", "DE", "FR", "ES", "IT", "VN", "TH", "MY", "PK", "EG",
    "SA", "TR", "RU", "UA", "PL", "NG", "ZA", "KE", "MA", "AE", "IQ", "CO", "AR", "CL", "PE",
    "EC", "VE", "CA", "AU", "NZ", "JP", "KR", "TW", "SG", "IN", "BD", "LK", "NP", "KH", "MM",
    "RO", "CZ", "HU", "GR", "PT", "NL", "BE", "SE", "NO", "DK", "FI", "IE", "AT", "CH", "ZZ",
)
# fmt: on
_TABLES = {
    "engagement_minute": "window_start + 60 * (cityHash64(window_start, country, hashtag, events) % 60)",
    "engagement_hour": "window_start",
    "engagement_day": "toDateTime(toStartOfDay(window_start), 'UTC')",
}
#: As large as memory allows: fewer parts to merge.
_SETTINGS = {
    "max_insert_threads": 1,
    "max_block_size": 262_144,
    "min_insert_block_size_rows": 2_000_000,
    "min_insert_block_size_bytes": 0,
    "max_execution_time": 0,
}


@dataclass(frozen=True)
class Cube:
    """`rows` rows over the twelve months of `year`, equally many in each."""

    rows: int
    year: int = 2025
    tags: int = 100_000
    stickers: int = 200

    def months(self) -> Iterator[dict[str, Any]]:
        """The parameters of cube.sql for each month."""
        for month in range(12):
            since = datetime(self.year, month + 1, 1, tzinfo=UTC)
            until = datetime(self.year + (month == 11), (month + 1) % 12 + 1, 1, tzinfo=UTC)
            first, end = self.rows * month // 12, self.rows * (month + 1) // 12
            yield {
                "first": first,
                "rows": end - first,
                "since": since,
                "hours": (until - since).days * 24,
                "countries": list(COUNTRIES),
                "tags": self.tags,
                "stickers": self.stickers,
            }

    def fill(self, client: Client) -> Iterator[str]:
        """Insert month by month, then merge. Yields what was done."""
        for number, parameters in enumerate(self.months(), 1):
            for table, window in _TABLES.items():
                if table == "engagement_minute" and number < 12:
                    continue  # minutes are kept for 30 days
                client.command(
                    f"INSERT INTO {table} SELECT {window} AS window_start, event_type, country, hashtag, sticker,"  # noqa: S608
                    f" events, arrayReduce('uniqCombined64State(14)', ids) AS videos, 0 AS landed FROM ({generator()})",
                    parameters=parameters,
                    settings=_SETTINGS,
                )
            yield f"month {number} of 12: {parameters['rows']:,} rows"
        for table in _TABLES:
            client.command(f"OPTIMIZE TABLE {table} FINAL", settings={"max_execution_time": 0})
            yield f"merged {table}"


def generator() -> str:
    """The query that makes the rows."""
    lines = files("loadtest").joinpath("cube.sql").read_text().splitlines()
    return "\n".join(line for line in lines if not line.startswith("--"))
