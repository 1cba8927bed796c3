"""Windows, keys, and which of them a comparison takes in. Pure; times are unix seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from sinks.analytics import Grain
from sinks.migrations import Retention

LENGTHS_S: Mapping[Grain, int] = {Grain.MINUTE: 60, Grain.HOUR: 3600, Grain.DAY: 86_400}
#: After the last window that ClickHouse's DateTime can hold.
END_OF_TIME = 2**32
_DAY_S = 86_400


class Key(NamedTuple):
    """A row of the cube, within one event type. `window` is where it begins."""

    country: str
    hashtag: str
    sticker: str
    window: int


def floor(second: int, grain: Grain) -> int:
    """Begin of the window that `second` lies in."""
    return second - second % LENGTHS_S[grain]


def month_of(second: int) -> int:
    """YYYYMM, UTC."""
    moment = datetime.fromtimestamp(second, UTC)
    return moment.year * 100 + moment.month


@dataclass(frozen=True, slots=True)
class Span:
    """Windows that begin in [since, until)."""

    since: int
    until: int

    def __contains__(self, window: int) -> bool:
        return self.since <= window < self.until


def spans(since: int | None, until: int | None, retention: Retention, now_s: float) -> dict[Grain, Span]:
    """The windows of each grain that lie in [since, until) as a whole and that no TTL takes while we look."""
    kept_days = {Grain.MINUTE: retention.minute_days, Grain.HOUR: retention.hour_days}
    found = {}
    for grain, length in LENGTHS_S.items():
        begin = since or 0
        if grain in kept_days:
            begin = max(begin, int(now_s) - (kept_days[grain] - 1) * _DAY_S)
        end = END_OF_TIME if until is None else min(until, END_OF_TIME)
        found[grain] = Span(max(0, -(-begin // length) * length), end // length * length)
    return found
