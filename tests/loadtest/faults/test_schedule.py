"""A schedule is a function of its seed."""

from __future__ import annotations

import pytest

from loadtest.faults.schedule import plan

KINDS = ("kill", "cut", "hang")


def test_the_same_seed_gives_the_same_schedule() -> None:
    assert plan(1, KINDS, 20, 1_000, 5.0) == plan(1, KINDS, 20, 1_000, 5.0)
    assert plan(1, KINDS, 20, 1_000, 5.0) != plan(2, KINDS, 20, 1_000, 5.0)


def test_faults_come_in_order_each_about_as_often() -> None:
    found = plan(3, KINDS, 31, 1_000, 5.0, after_records=500)
    points = [planned.at_records for planned in found]
    assert points == sorted(points)
    assert 500 <= points[0] <= points[-1] < 1_500
    assert {sum(planned.fault == kind for planned in found) for kind in KINDS} == {10, 11}
    assert all(0 <= planned.seconds <= 5.0 for planned in found)


@pytest.mark.parametrize(("kinds", "number", "records"), [((), 1, 1), (KINDS, 0, 1), (KINDS, 1, 0)])
def test_an_empty_schedule_is_refused(kinds: tuple[str, ...], number: int, records: int) -> None:
    with pytest.raises(ValueError, match="no plan"):
        plan(1, kinds, number, records, 1.0)
