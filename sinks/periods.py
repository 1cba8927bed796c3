"""Time as the tables keep it: grains, steps, and the windows that answer for a period exactly. All UTC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from sinks.migrations import Retention

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


class Step(StrEnum):
    """Length of the steps of a series. The value is what views take as `step`. Weeks begin on Monday (ISO 8601)."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"

    @property
    def grain(self) -> Grain:
        """The coarsest grain that the step can be added up from."""
        return {"minute": Grain.MINUTE, "hour": Grain.HOUR}.get(self.value, Grain.DAY)

    def begin(self, moment: datetime) -> datetime:
        """Begin of the step that `moment` (UTC) lies in."""
        day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        if self is Step.MONTH:
            return day.replace(day=1)
        if self is Step.WEEK:
            return day - timedelta(days=day.weekday())
        return floor(moment, self.grain)

    def next(self, begin: datetime) -> datetime:
        """Begin of the step after the one that begins at `begin`."""
        if self is Step.MONTH:
            return (begin + timedelta(days=31)).replace(day=1)
        return begin + (timedelta(days=7) if self is Step.WEEK else self.grain.length)


@dataclass(frozen=True, slots=True)
class Period:
    """Windows [since, until) of one grain, UTC. `widened`: the wish was finer than what is still kept."""

    since: datetime
    until: datetime
    grain: Grain
    widened: bool = False

    @classmethod
    def of(
        cls,
        since: datetime | None,
        until: datetime | None,
        now: datetime,
        retention: Retention,
        coarsest: Grain = Grain.DAY,
    ) -> Period:
        """The windows that answer for [since, until) exactly; None leaves an end open.

        The coarsest grain, but not coarser than `coarsest`, whose windows begin and end at both bounds. Where that
        grain is past its retention at `since`, the period is widened to whole windows of the next grain that is
        kept. Seconds are rounded outwards to minutes. Raises ValueError for an empty period or bounds outside 1970
        to 2105.
        """
        return cls.together([(since, until)], now, retention, coarsest)[0]

    @classmethod
    def together(
        cls,
        bounds: Sequence[tuple[datetime | None, datetime | None]],
        now: datetime,
        retention: Retention,
        coarsest: Grain = Grain.DAY,
    ) -> list[Period]:
        """Periods to compare, all at one grain: as `of`, and the coarsest that any of them needs."""
        minutes = [_whole_minutes(since or FOREVER[0], until or FOREVER[1]) for since, until in bounds]
        kept_days = retention.certain_days
        grain = coarsest
        while any(floor(moment, grain) != moment for pair in minutes for moment in pair):
            grain = Grain.HOUR if grain is Grain.DAY else Grain.MINUTE
        wished, first = grain, min(begin for begin, _ in minutes)
        while grain in kept_days and first < now - timedelta(days=kept_days[grain]):
            grain = Grain.HOUR if grain is Grain.MINUTE else Grain.DAY
        return [
            cls(*wide, grain, grain is not wished and wide != (begin, end))
            for begin, end in minutes
            for wide in [(floor(begin, grain), ceil(end, grain))]
        ]

    @property
    def before(self) -> tuple[datetime, datetime]:
        """The bounds of the period before: as long, ending where this one begins. ValueError for an open period."""
        if self.since - FOREVER[0] < self.until - self.since:
            raise ValueError("there is no period before one that has no begin: give --since or --last")
        return self.since - (self.until - self.since), self.since


def _whole_minutes(begin: datetime, end: datetime) -> tuple[datetime, datetime]:
    if not FOREVER[0] <= begin < end <= FOREVER[1]:
        raise ValueError(f"the period from {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} is empty or out of range")
    return floor(begin, Grain.MINUTE), ceil(end, Grain.MINUTE)


def floor(moment: datetime, grain: Grain) -> datetime:
    """The begin of the window that `moment` lies in."""
    return moment - (moment - FOREVER[0]) % grain.length


def ceil(moment: datetime, grain: Grain) -> datetime:
    """The end of the window that `moment` lies in; a moment between two windows is such an end itself."""
    return floor(moment + grain.length - timedelta(microseconds=1), grain)
