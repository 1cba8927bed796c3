"""Typed questions to the views: what analysts ask, without building SQL.

`Analytics` answers with mappings, `FrameAnalytics` with pandas frames, `ArrowAnalytics` with Arrow tables.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from clickhouse_connect.driver.exceptions import ClickHouseError

from sinks.client import first_line
from sinks.errors import QueryError
from sinks.filters import Filter, hashtag_form
from sinks.migrations import shipped_views
from sinks.periods import FOREVER, Grain, Period, Step, ceil

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from clickhouse_connect.driver.client import Client

__all__ = [
    "FOREVER",
    "Analytics",
    "ArrowAnalytics",
    "Dimension",
    "Filter",
    "FrameAnalytics",
    "Grain",
    "Measure",
    "Period",
    "Side",
    "Step",
    "ceil",
    "filled",
    "hashtag_form",
]

_MAX_STEPS = 10_000

Answer = TypeVar("Answer")
Rows = list[dict[str, Any]]
Measure = Literal["events", "videos"]
Dimension = Literal["hashtag", "sticker", "country"]


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison. Both need periods of one grain: `Period.together`."""

    period: Period
    where: Filter = field(default_factory=Filter)

    def parameters(self, side: str) -> dict[str, object]:
        bounds = {"since": self.period.since, "until": self.period.until}
        return {f"{name}_{side}": value for name, value in (bounds | self.where.parameters()).items()}


class _Questions(ABC, Generic[Answer]):
    """The questions. Columns and units of an answer are described in the view of the same name, sinks/views/*.sql.

    All raise QueryError where ClickHouse refuses: no connection, a limit of the login, a view that is not there.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def top_countries(
        self, event: str, period: Period, *, hashtag: str = "", sticker: str = "", limit: int = 10
    ) -> Answer:
        """Countries by events: sinks/views/top_countries.sql. Tags and stickers in normal form."""
        filters = {"event": event, "hashtag": hashtag, "sticker": sticker, "limit": limit}
        return self._ask("top_countries", period, filters)

    def top_hashtags(
        self, event: str, period: Period, *, country: str = "", sticker: str = "", limit: int = 10
    ) -> Answer:
        """Hashtags by events: sinks/views/top_hashtags.sql."""
        filters = {"event": event, "country": country, "sticker": sticker, "limit": limit}
        return self._ask("top_hashtags", period, filters)

    def totals(self, period: Period, *, hashtag: str = "", country: str = "", sticker: str = "") -> Answer:
        """Totals per event type: sinks/views/totals.sql. `hashtag` may be a group of tags, "@name"."""
        return self._ask("totals", period, {"hashtag": hashtag, "country": country, "sticker": sticker})

    def top(
        self,
        of: Dimension,
        event: str,
        period: Period,
        *,
        measure: Measure = "events",
        hashtags: Sequence[str] = (),
        stickers: Sequence[str] = (),
        countries: Sequence[str] = (),
        limit: int = 10,
    ) -> Answer:
        """Hashtags, stickers or countries, ranked by events or by distinct videos.

        `hashtags` compares just these where hashtags are ranked; else it may hold one. Raises ValueError for more.
        """
        if of != "hashtag" and len(hashtags) > 1:
            raise ValueError("hashtags: one at most, unless hashtags are ranked; a video may carry several")
        chosen = Filter(stickers=stickers, countries=countries)
        filters = {
            "of": of,
            "measure": measure,
            "event": event,
            "hashtags": [hashtag_form(hashtag) for hashtag in hashtags],
            "stickers": chosen.stickers,
            "countries": chosen.countries,
            "limit": limit,
        }
        return self._ask("top", period, filters)

    def series(self, event: str, period: Period, step: Step, where: Filter | None = None) -> Answer:
        """Events and distinct videos per step; steps without events have no row: `filled` adds them.

        Raises ValueError where the period is of a coarser grain than the step.
        """
        _check_step(period, step)
        return self._ask("series", period, {"step": step.value, "event": event, **(where or Filter()).parameters()})

    def cumulative(self, event: str, period: Period, step: Step, where: Filter | None = None) -> Answer:
        """Per step, and so far since the begin of the period: year to date. Raises ValueError as `series`."""
        _check_step(period, step)
        return self._ask("cumulative", period, {"step": step.value, "event": event, **(where or Filter()).parameters()})

    def hopping(
        self, event: str, period: Period, size: timedelta, hop: timedelta, where: Filter | None = None
    ) -> Answer:
        """Every window of length `size` within the period, one beginning every `hop`. `hop` = the grain: sliding.

        Raises ValueError unless both are multiples of the grain and hop <= size <= 10,000 hops.
        """
        if hop <= timedelta(0) or size % period.grain.length or hop % period.grain.length:
            raise ValueError(f"size and hop must be multiples of a {period.grain}, the grain of this period")
        if not hop <= size <= 10_000 * hop:
            raise ValueError("size must be at least hop, and at most 10,000 hops")
        lengths = {"size": int(size.total_seconds()), "hop": int(hop.total_seconds())}
        return self._ask("hopping", period, {**lengths, "event": event, **(where or Filter()).parameters()})

    def distinct_videos(
        self,
        period: Period,
        *,
        stickers: Sequence[str] = (),
        hashtags: Sequence[str] = (),
        countries: Sequence[str] = (),
    ) -> Answer:
        """Videos that got one of the stickers while they carried one of the hashtags: one union, one row."""
        chosen = Filter(stickers=stickers, countries=countries)
        tags = [hashtag_form(hashtag) for hashtag in hashtags]
        filters = {"stickers": chosen.stickers, "hashtags": tags, "countries": chosen.countries}
        return self._ask("distinct_videos", period, filters)

    def country_ranking(
        self,
        event: str,
        period: Period,
        before: Period | None = None,
        *,
        measure: Measure = "events",
        hashtag: str = "",
        stickers: Sequence[str] = (),
        limit: int = 10,
    ) -> Answer:
        """Countries with share, and change of rank against `before`. Raises ValueError where the grains differ."""
        _check_grains(period, before or period)
        chosen = Filter(hashtag, stickers)
        filters = {
            "measure": measure,
            "event": event,
            "hashtag": chosen.hashtag,
            "stickers": chosen.stickers,
            "before_since": before.since if before else period.since,
            "before_until": before.until if before else period.since,
            "limit": limit,
        }
        return self._ask("country_ranking", period, filters)

    def region_totals(self, event: str, period: Period, where: Filter | None = None) -> Answer:
        """Regions of the world by events, with share."""
        return self._ask("region_totals", period, {"event": event, **(where or Filter()).parameters()})

    def compare(self, event: str, a: Side, b: Side) -> Answer:
        """Two sides in one row. Raises ValueError where the grains of their periods differ."""
        _check_grains(a.period, b.period)
        parameters = {"event": event, "grain": a.period.grain.value, **a.parameters("a"), **b.parameters("b")}
        return self._fetch("compare", parameters)

    def completeness(self, period: Period) -> Answer:
        """Per partition: counted up to where and when, open claims, latest change of the period's months."""
        return self._fetch("completeness", {"since": period.since, "until": period.until})

    def storage(self) -> Answer:
        """Rows and bytes per table of the cube."""
        return self._fetch("storage", {})

    def _ask(self, view: str, period: Period, filters: Mapping[str, object]) -> Answer:
        bounds = {"since": period.since, "until": period.until, "grain": period.grain.value}
        return self._fetch(view, {**bounds, **filters})

    def _fetch(self, view: str, parameters: Mapping[str, object]) -> Answer:
        # Names and types stand in the view's own text; values travel beside the query.
        types = view_parameters(view)
        arguments = ", ".join(f"{name} = {{{name}:{types[name]}}}" for name in parameters)
        try:
            return self._run(f"SELECT * FROM {view}({arguments})" if arguments else f"SELECT * FROM {view}", parameters)
        except ClickHouseError as error:
            raise QueryError(f"ClickHouse refused the view {view}: {first_line(error)}") from error

    @abstractmethod
    def _run(self, query: str, parameters: Mapping[str, object]) -> Answer: ...


class Analytics(_Questions[Rows]):
    """Answers as rows: mappings from column to value. Moments are aware, UTC."""

    def as_of(self) -> datetime | None:
        """When the newest finished claim was made: what was in the log by then is counted, or lags. None: no claim."""
        return max((row["counted_at"] for row in self.completeness(Period(*FOREVER, Grain.DAY))), default=None)

    def _run(self, query: str, parameters: Mapping[str, object]) -> Rows:
        found = self._client.query(query, parameters=dict(parameters))
        return [
            {name: _aware(value) for name, value in zip(found.column_names, row, strict=True)}
            for row in found.result_rows
        ]


class FrameAnalytics(_Questions["pd.DataFrame"]):
    """Answers as pandas frames. Needs pandas."""

    def _run(self, query: str, parameters: Mapping[str, object]) -> pd.DataFrame:
        return self._client.query_df(query, parameters=dict(parameters))


class ArrowAnalytics(_Questions["pa.Table"]):
    """Answers as Arrow tables. Needs pyarrow."""

    def _run(self, query: str, parameters: Mapping[str, object]) -> pa.Table:
        import pyarrow as pa

        table = self._client.query_arrow(query, parameters=dict(parameters), use_strings=True)
        # ClickHouse writes a DateTime as a bare number of seconds.
        for index, name in enumerate(table.column_names):
            if name in ("begins", "ends", "since", "until"):
                moments = table.column(index).cast(pa.int64()).cast(pa.timestamp("s", "UTC"))
                table = table.set_column(index, name, moments)
        return table


@cache
def view_parameters(view: str) -> dict[str, str]:
    """Parameters of a shipped view: name -> type in ClickHouse."""
    return dict(re.findall(r"\{(\w+):([^}]+)\}", shipped_views()[view]))


def filled(rows: Sequence[Mapping[str, Any]], period: Period, step: Step) -> Rows:
    """A series with zeros for steps without events: of the whole period, or where it is open, of what has rows.

    For rows of `series`, of one period and step. Empty where `rows` is. Raises ValueError for more than 10,000 steps.
    """
    if not rows:
        return []
    begin = rows[0]["begins"] if period.since == FOREVER[0] else step.begin(period.since)
    end = step.next(rows[-1]["begins"]) if period.until == FOREVER[1] else period.until
    known = {row["begins"]: dict(row) for row in rows}
    found: Rows = []
    while begin < end:
        if len(found) == _MAX_STEPS:
            raise ValueError(f"more than {_MAX_STEPS:,} steps of a {step}: choose a longer step or a shorter period")
        found.append(known.get(begin, {"begins": begin, "events": 0, "videos": 0}))
        begin = step.next(begin)
    return found


def _check_step(period: Period, step: Step) -> None:
    grains = list(Grain)
    if grains.index(period.grain) > grains.index(step.grain):
        raise ValueError(
            f"the period is counted by {period.grain}s, too coarse for steps of a {step}: "
            "finer counts of that time are no longer kept, or the period was made for longer steps"
        )


def _check_grains(one: Period, other: Period) -> None:
    if one.grain is not other.grain:
        raise ValueError(f"the periods are of two grains, {one.grain} and {other.grain}: make them by Period.together")


def _aware(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value
