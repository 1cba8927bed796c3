"""Which partitions are final, from claims and ends of logs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tagpulse.cli.status import judged

MOMENT = datetime(2026, 5, 1, tzinfo=UTC)


def claims(counted_to: int, *, open_: int = 0) -> dict[str, Any]:
    return {
        "topic": "video-views",
        "partition": 0,
        "counted_to": counted_to,
        "counted_at": MOMENT,
        "open": open_,
        "changed_at": None,
        "as_of": MOMENT,
    }


@pytest.mark.parametrize(
    ("counted", "ends", "ended", "lag", "why"),
    [
        ([claims(7)], {("video-views", 0): 7}, True, 0, ""),
        ([claims(9)], {("video-views", 0): 7}, True, 0, ""),  # counted on after the end was read
        ([claims(5)], {("video-views", 0): 7}, True, 2, "not counted"),
        ([claims(5, open_=1)], {("video-views", 0): 7}, True, 2, "not counted"),
        ([], {("video-views", 0): 7}, True, 7, "not counted"),
        ([], {("video-views", 0): 0}, True, 0, ""),
        ([claims(7)], {("video-views", 0): 7}, False, 0, "has not ended"),
        ([claims(7)], {}, True, None, "no such partition"),
    ],
)
def test_a_partition_is_final_when_all_that_was_in_the_log_is_counted(
    counted: list[dict[str, Any]], ends: dict[tuple[str, int], int], ended: bool, lag: int | None, why: str
) -> None:
    [row] = judged(counted, ends, ended=ended)
    assert row["lag"] == lag
    assert row["final"] is (why == "")
    assert why in row["why"]
