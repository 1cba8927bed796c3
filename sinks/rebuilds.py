"""Rebuild a grain of the cube from a finer one, partition by partition (docs/operations.md, rebuild a grain).

A partition is put together in a table of its own and takes the place of the old one at a stroke: whoever reads,
and whoever is interrupted, finds the old or the new one. What workers write meanwhile would be lost with the old
one. No row lands without a claim that was made before: so a rebuild refuses while a claim is open, replaces
nothing once another claim was made, and where one slipped in at the last moment it rebuilds that partition again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from clickhouse_connect.driver.exceptions import ClickHouseError

from sinks.claims import IN_FORCE
from sinks.client import first_line
from sinks.delta import RECEIPT, month_begin, next_month
from sinks.errors import QueryError, RebuildError
from sinks.migrations import Retention
from sinks.periods import FOREVER, Grain, ceil, floor

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

T = TypeVar("T")
_ATTEMPTS = 5
_PATIENCE_S = 30.0
_FLOORS = {
    Grain.HOUR: "toStartOfHour(window_start)",
    Grain.DAY: "toDateTime(toStartOfDay(window_start), 'UTC')",
}
_CLAIMS = f"""
SELECT count(), countIf(NOT finished AND {IN_FORCE}), max(newest), dateDiff('millisecond', max(newest), now64(3)) / 1000
FROM
(
    SELECT topic, incarnation, partition, first, next, max(done) AS finished, max(claimed_at) AS newest
    FROM (SELECT * FROM claims UNION ALL SELECT * FROM backfill_claims)
    GROUP BY topic, incarnation, partition, first, next
)
"""
_BEHIND = """
SELECT hashtag, toYYYYMM(window_start) AS month, maxIf(landed, finer) AS has, max(landed) AS wanted
FROM
(
    SELECT hashtag, window_start, landed, 1 AS finer FROM {finer:Identifier} WHERE event_type = {receipt:String}
    UNION ALL
    SELECT hashtag, window_start, landed, 0 FROM {coarser:Identifier} WHERE event_type = {receipt:String}
    UNION ALL
    SELECT concat(topic, '/', toString(incarnation), '/', toString(partition)),
        toDateTime(toDate(parseDateTime(toString(arrayJoin(months)), '%Y%m')), 'UTC'), next, 0
    FROM (SELECT * FROM claims UNION ALL SELECT * FROM backfill_claims) WHERE done
)
WHERE month >= {kept:UInt32}
  AND month BETWEEN toYYYYMM({since:DateTime('UTC')}) AND toYYYYMM({until:DateTime('UTC')} - 1)
GROUP BY hashtag, month HAVING has < wanted ORDER BY hashtag, month LIMIT 5
"""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A partition that was replaced: its id, and rows before and after (as they lie in parts, not merged)."""

    partition: str
    rows_before: int
    rows_after: int


class Rebuild:
    """Rebuilds windows [since, until) of `coarser` from `finer`. None leaves an end as wide as `finer` is kept.

    `quiet_s`: seconds that an insert may run on the server, and so how long ago the newest claim must have been
    finished. `at` is called with the name of each step as it is reached, for tests that stop it there. Methods block.
    Raises RebuildError for a period that is not one of whole windows or that the TTL of `finer` has reached, and
    QueryError.
    """

    def __init__(
        self, client: Client, coarser: Grain, finer: Grain, since: datetime | None, until: datetime | None,
        retention: Retention, now: datetime, quiet_s: float, at: Callable[[str], None] = lambda _: None,
    ) -> None:  # fmt: skip
        if coarser not in _FLOORS or finer.length >= coarser.length:
            raise RebuildError(
                f"a {coarser} cannot be added up from a {finer}: rebuild hours or days from a finer grain"
            )
        self._client, self._quiet_s, self._at = client, quiet_s, at
        self._coarser, self._finer, self._floor = f"engagement_{coarser}", f"engagement_{finer}", _FLOORS[coarser]
        # A day of margin: a TTL takes whole rows at a time of its own choosing.
        days = {Grain.MINUTE: retention.minute_days, Grain.HOUR: retention.hour_days}[finer]
        kept = max(FOREVER[0], now - timedelta(days=days - 1)) if days < _days_since_1970(now) else FOREVER[0]
        self.since = ceil(kept, coarser) if since is None else since
        self.until = FOREVER[1] if until is None else until
        for name, bound in (("since", self.since), ("until", self.until)):
            if floor(bound, coarser) != bound:
                raise RebuildError(f"{name} is {bound:%Y-%m-%d %H:%M:%S}: give the begin of a {coarser} (UTC)")
        if self.since >= self.until:
            raise RebuildError(f"from {self.since:%Y-%m-%d %H:%M} to {self.until:%Y-%m-%d %H:%M} there is no {coarser}")
        if self.since < kept:
            raise RebuildError(
                f"{self._finer} is kept {days} days: windows before {ceil(kept, coarser):%Y-%m-%d %H:%M} may be gone "
                "there. Give a later --since; what is older stays as it is"
            )
        self._kept = kept.year * 100 + kept.month

    def run(self) -> Iterator[Rebuilt]:
        """Replace partition after partition, each whole; yields each when it is in its place."""
        self._drop_leftovers()
        self._refuse_what_is_behind()
        for partition in self._partitions():
            yield self._replace(partition)

    def _replace(self, partition: str) -> Rebuilt:
        before = self._rows_in(self._coarser, partition)
        for _ in range(_ATTEMPTS):
            claims = self._settled()
            staging = f"rebuild_{uuid4().hex}"
            try:
                self._command(f"CREATE TABLE {staging} AS {self._coarser}")
                self._fill(staging, partition)
                self._at("built")
                if self._claims() != claims:
                    continue
                rows = self._rows_in(staging, partition)
                self._at("before-replace")
                self._command(f"ALTER TABLE {self._coarser} REPLACE PARTITION ID '{partition}' FROM {staging}")
                self._at("replaced")
            finally:
                self._command(f"DROP TABLE IF EXISTS {staging} SYNC")
            if self._claims() == claims:
                return Rebuilt(partition, before, rows)
        raise RebuildError(
            f"workers keep counting while partition {partition} of {self._coarser} is rebuilt, and it may lack what "
            "they wrote just now: stop them and run this command again"
        )

    def _fill(self, staging: str, partition: str) -> None:
        begin, end = _bounds(partition)
        text = "\n".join(
            line
            for line in files("sinks").joinpath("rebuild.sql").read_text().splitlines()
            if not line.startswith("--")
        )
        names = {"staging": staging, "finer": self._finer, "coarser": self._coarser, "floor": self._floor}
        for name, value in names.items():
            text = text.replace(f"{{{name}}}", value)
        self._command(
            text,
            {"since": self.since, "until": self.until, "begin": begin, "last": end - timedelta(seconds=1),
             "kept": self._kept},
            {"max_execution_time": 0, "max_partitions_per_insert_block": 0, "async_insert": 0,
             "max_bytes_before_external_group_by": 2_000_000_000},
        )  # fmt: skip

    def _partitions(self) -> list[str]:
        """Ids of the partitions that the period touches, in either table, oldest first."""
        rows = self._query(
            "SELECT DISTINCT partition_id FROM system.parts WHERE database = {database:String} AND active"
            " AND table IN ({finer:String}, {coarser:String})",
            {"database": self._client.database, "finer": self._finer, "coarser": self._coarser},
        )
        yearly = self._coarser == "engagement_day"
        ids = sorted({str(name)[:4] if yearly else str(name) for (name,) in rows})
        return [name for name in ids if _bounds(name)[0] < self.until and _bounds(name)[1] > self.since]

    def _settled(self) -> tuple[Any, ...]:
        """The claims, once none is open and no insert can be under way. Raises RebuildError."""
        deadline = time.monotonic() + self._quiet_s + _PATIENCE_S
        while True:
            ((number, opened, newest, age_s),) = self._query(_CLAIMS)
            if not opened and (not number or age_s >= self._quiet_s):
                return number, opened, newest
            if time.monotonic() > deadline:
                break
            time.sleep(0.2)
        what = f"{opened} claims are open" if opened else f"workers count: the newest claim is {age_s:.0f} s old"
        raise RebuildError(
            f"{what}. Let workers (or `tagpulse campaign backfill`) finish what they have, stop them, then rebuild"
        )

    def _claims(self) -> tuple[Any, ...]:
        return tuple(self._query(_CLAIMS)[0][:3])

    def _refuse_what_is_behind(self) -> None:
        names = {"finer": self._finer, "coarser": self._coarser, "receipt": RECEIPT, "kept": self._kept}
        behind = self._query(_BEHIND, names | {"since": self.since, "until": self.until})
        if behind:
            named = "; ".join(f"{log} in {month}: up to {has}, not {wanted}" for log, month, has, wanted in behind)
            raise RebuildError(
                f"{self._finer} lacks rows itself ({named}): it is no source. `tagpulse verify` names what is missing"
            )

    def _drop_leftovers(self) -> None:
        """Tables of rebuilds that were interrupted. A younger one may be at work."""
        rows = self._query(
            "SELECT name FROM system.tables WHERE database = {database:String}"
            " AND match(name, '^rebuild_[0-9a-f]{32}$') AND metadata_modification_time < now() - INTERVAL 1 DAY",
            {"database": self._client.database},
        )
        for (name,) in rows:
            self._command(f"DROP TABLE IF EXISTS {name} SYNC")

    def _rows_in(self, table: str, partition: str) -> int:
        ((rows,),) = self._query(
            "SELECT sum(rows) FROM system.parts WHERE database = {database:String} AND table = {table:String}"
            " AND partition_id = {partition:String} AND active",
            {"database": self._client.database, "table": table, "partition": partition},
        )
        return int(rows)

    def _query(self, query: str, parameters: dict[str, Any] | None = None) -> list[Any]:
        return _asked(lambda: list(self._client.query(query, parameters=parameters).result_rows))

    def _command(
        self, statement: str, parameters: dict[str, Any] | None = None, settings: dict[str, Any] | None = None
    ) -> None:
        _asked(lambda: self._client.command(statement, parameters=parameters, settings=settings))


def _bounds(partition: str) -> tuple[datetime, datetime]:
    """Begin and end of a partition, YYYY or YYYYMM."""
    if len(partition) == 4:
        year = int(partition)
        return datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    return month_begin(int(partition)), month_begin(next_month(int(partition)))


def _days_since_1970(now: datetime) -> int:
    return (now - FOREVER[0]).days


def _asked(question: Callable[[], T]) -> T:
    try:
        return question()
    except ClickHouseError as error:
        raise QueryError(f"ClickHouse refused to rebuild: {first_line(error)}") from error
