"""Which windows answer for a period."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sinks.analytics import FOREVER, Grain, Period
from sinks.migrations import Retention

NOW = datetime(2026, 5, 20, 12, 34, 56, tzinfo=UTC)
KEPT = Retention()


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("since", "until", "period"),
    [
        (None, None, Period(*FOREVER, Grain.DAY)),
        (at("2026-05-01"), at("2026-05-02"), Period(at("2026-05-01"), at("2026-05-02"), Grain.DAY)),
        (at("2026-05-01T05:00"), None, Period(at("2026-05-01T05:00"), FOREVER[1], Grain.HOUR)),
        (at("2026-05-01T05:07"), None, Period(at("2026-05-01T05:07"), FOREVER[1], Grain.MINUTE)),
        (at("2026-05-01T05:07:30"), None, Period(at("2026-05-01T05:07"), FOREVER[1], Grain.MINUTE)),
        (
            at("2026-05-01T05:07"),
            at("2026-05-01T05:07:30"),
            Period(at("2026-05-01T05:07"), at("2026-05-01T05:08"), Grain.MINUTE),
        ),
        # minutes are kept 30 days, hours 400
        (
            at("2026-03-01T05:07"),
            at("2026-03-01T06:01"),
            Period(at("2026-03-01T05:00"), at("2026-03-01T07:00"), Grain.HOUR, True),
        ),
        (at("2024-03-01T05:00"), at("2024-03-01T06:00"), Period(at("2024-03-01"), at("2024-03-02"), Grain.DAY, True)),
        (at("2024-03-01T05:07"), at("2024-03-03"), Period(at("2024-03-01"), at("2024-03-03"), Grain.DAY, True)),
    ],
)
def test_the_coarsest_exact_grain_is_chosen(since: datetime | None, until: datetime | None, period: Period) -> None:
    assert Period.of(since, until, NOW, KEPT) == period


@pytest.mark.parametrize(
    ("since", "until"), [(NOW, NOW), (NOW, NOW - timedelta(days=1)), (at("1969-01-01"), NOW), (NOW, at("2200-01-01"))]
)
def test_empty_periods_are_refused(since: datetime, until: datetime) -> None:
    with pytest.raises(ValueError, match="empty or out of range"):
        Period.of(since, until, NOW, KEPT)
