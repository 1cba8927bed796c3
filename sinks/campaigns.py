"""Campaigns: named groups of hashtags and stickers, kept in ClickHouse in versions that are never changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID, uuid4

import msgspec
from clickhouse_connect.driver.exceptions import ClickHouseError

from sinks.client import first_line
from sinks.errors import CampaignError, QueryError

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

T = TypeVar("T")
_COLUMNS = "name, version, hashtags, stickers, since, until, countries, removed, defined_by, defined_at"
_NEWEST = f"SELECT {_COLUMNS} FROM campaigns ORDER BY name, version DESC LIMIT 1 BY name"

#: What an open begin and an open end are written as.
OPEN_SINCE, OPEN_UNTIL = datetime(1970, 1, 1, tzinfo=UTC), datetime(2106, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Campaign:
    """One version of a definition. Tags and stickers are normal forms, sorted; the period is [since, until), UTC.

    `version` is 0 before it was kept; `countries` empty means all; `defined_at` is the server's clock.
    """

    name: str
    hashtags: tuple[str, ...] = ()
    stickers: tuple[str, ...] = ()
    since: datetime = OPEN_SINCE
    until: datetime = OPEN_UNTIL
    countries: tuple[str, ...] = ()
    version: int = 0
    removed: bool = False
    defined_by: str = ""
    defined_at: datetime | None = None


class Campaigns:
    """The table `campaigns`. Methods block, and raise QueryError where ClickHouse refuses."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def current(self) -> list[Campaign]:
        """The newest version of each campaign that was not removed, by name."""
        return [campaign for campaign in self._read(_NEWEST) if not campaign.removed]

    def newest(self, name: str) -> Campaign | None:
        """The newest version of one campaign, removed or not; None where the name was never used."""
        found = self.history(name)
        return found[-1] if found else None

    def history(self, name: str) -> list[Campaign]:
        """All versions of one campaign, oldest first."""
        return self._read(f"SELECT {_COLUMNS} FROM campaigns WHERE name = {{n:String}} ORDER BY version", n=name)

    def groups(self) -> dict[str, tuple[str, ...]]:
        """Name -> hashtags of the campaigns that have any, oldest definition first."""
        grouped = [campaign for campaign in self.current() if campaign.hashtags]
        born = dict(self._rows("SELECT name, min(defined_at) FROM campaigns GROUP BY name"))
        return {c.name: c.hashtags for c in sorted(grouped, key=lambda c: (born[c.name], c.name))}

    def foreign_groups(self) -> set[str]:
        """Names of groups that events were counted by and that were never a campaign: those of workers' settings."""
        texts = self._rows("SELECT text FROM rules WHERE version IN (SELECT DISTINCT rules FROM claims)")
        names = {name for (text,) in texts for name in msgspec.json.decode(text).get("tag_groups", {})}
        return names - {name for (name,) in self._rows("SELECT DISTINCT name FROM campaigns")}

    def define(self, campaign: Campaign, after: int) -> Campaign:
        """Keep `campaign` as the version that follows version `after` (0: none). Returns it as it was kept.

        Raises CampaignError where somebody else was faster.
        """
        version, definition_id = after + 1, uuid4()
        values: dict[str, tuple[str, object]] = {
            "name": ("String", campaign.name),
            "version": ("UInt32", version),
            "definition_id": ("UUID", str(definition_id)),
            "hashtags": ("Array(String)", list(campaign.hashtags)),
            "stickers": ("Array(String)", list(campaign.stickers)),
            "since": ("DateTime('UTC')", campaign.since),
            "until": ("DateTime('UTC')", campaign.until),
            "countries": ("Array(String)", list(campaign.countries)),
            "removed": ("UInt8", int(campaign.removed)),
            "defined_by": ("String", campaign.defined_by),
        }
        # The guard refuses whoever is behind, the token decides between two at the same place (as claims do).
        statement = (
            f"INSERT INTO campaigns ({', '.join(values)})"
            f" SELECT {', '.join(f'{{{name}:{kind}}}' for name, (kind, _) in values.items())}"
            " WHERE (SELECT max(version) FROM campaigns WHERE name = {name:String}) = {after:UInt32}"
        )
        parameters = {name: value for name, (_, value) in values.items()} | {"after": after}
        settings = {
            "async_insert": 0,
            "deduplicate_insert": "enable",
            "deduplicate_insert_select": "force_enable",
            "insert_deduplication_token": f"campaign/{campaign.name}/{version}",
        }
        self._asked(lambda: self._client.command(statement, parameters=parameters, settings=settings))
        kept: list[tuple[UUID]] = self._rows(
            "SELECT definition_id FROM campaigns WHERE name = {n:String} AND version = {v:UInt32}",
            n=campaign.name,
            v=version,
        )
        if kept != [(definition_id,)]:
            raise CampaignError(f"campaign {campaign.name!r} was changed by somebody else just now: look at it again")
        found = self.newest(campaign.name)
        assert found is not None
        return found

    def _read(self, query: str, **parameters: object) -> list[Campaign]:
        return [_campaign(row) for row in self._rows(query, **parameters)]

    def _rows(self, query: str, **parameters: object) -> list[Any]:
        return [tuple(row) for row in self._asked(lambda: self._client.query(query, parameters=parameters).result_rows)]

    @staticmethod
    def _asked(question: Callable[[], T]) -> T:
        try:
            return question()
        except ClickHouseError as error:
            raise QueryError(f"ClickHouse refused a question about campaigns: {first_line(error)}") from error


def _campaign(row: tuple[Any, ...]) -> Campaign:
    name, version, hashtags, stickers, since, until, countries, removed, defined_by, defined_at = row
    return Campaign(
        name, tuple(hashtags), tuple(stickers), _utc(since), _utc(until), tuple(countries), version, bool(removed),
        defined_by, _utc(defined_at),
    )  # fmt: skip


def _utc(moment: datetime) -> datetime:
    # The client gives UTC without saying so; the zone of this machine must not be read into it.
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
