"""Latency by offset: each event is charged from its own intended time; void runs and lost events show."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from loadtest.crew import CrewError
from loadtest.latency import latencies, percentiles, sheets
from loadtest.peers.emitter import TICK_S, Share, parcels

SHARE = Share.of(rate=2_000, seconds=1, producers=2, partitions=2, seed=1, index=1)


def batch(offset: int, intended: list[float], partition: int = 0) -> dict[str, Any]:
    return {"topic": "t", "partition": partition, "offset": offset, "intended": intended}


def test_an_event_is_seen_with_the_first_offset_behind_it() -> None:
    seen = {("t", 0): [(2, 10.0), (5, 11.0)], ("t", 1): [(1, 20.0)]}
    found = latencies([batch(0, [9.0, 9.5, 9.75]), batch(3, [10.5, 10.75]), batch(0, [19.0], 1)], seen)
    assert found.tolist() == [1.0, 0.5, 1.25, 0.5, 0.25, 1.0]


def test_an_event_that_was_never_seen_is_an_error() -> None:
    with pytest.raises(CrewError, match=r"offset 2 of t/0 was not seen: the last was \[2\]"):
        latencies([batch(0, [1.0, 2.0, 3.0])], {("t", 0): [(2, 10.0)]})


def test_percentiles() -> None:
    assert percentiles(np.arange(101) / 100) == pytest.approx({"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0})


def test_shares_are_due_between_each_other() -> None:
    other = Share.of(rate=2_000, seconds=1, producers=2, partitions=2, seed=1, index=0)
    due = sorted(share.due_s(number) for share in (SHARE, other) for number in range(share.events))
    assert due == pytest.approx([number / 2_000 for number in range(2_000)])


def test_parcels_hold_every_event_once_and_are_due_behind_their_last() -> None:
    found = parcels(SHARE)
    assert sum(len(parcel.intended) for batches in found.values() for parcel in batches) == SHARE.events == 1_000
    for batches in found.values():
        assert [parcel.due for parcel in batches] == sorted(parcel.due for parcel in batches)
        for parcel in batches:
            assert parcel.builder.record_count() == len(parcel.intended)
            assert parcel.due - TICK_S - 1e-9 <= min(parcel.intended) <= max(parcel.intended) < parcel.due + 1e-9


def test_a_void_run_shows_no_figures() -> None:
    late = {"p50": 0.001, "p90": 0.2, "p99": 0.3, "max": 0.4}
    options = {"rate": 1_000, "producers": 1, "partitions": 4, "broker": "embedded"}
    latency = {"latency_s": late, "target_p99_s": 0.05, "met": False}
    found = {"options": options, "events": 10, "late_s": late, "counted": latency, "visible": latency}
    assert len(sheets(found | {"void": False})[0].rows) == 2
    void = sheets(found | {"void": True})[0]
    assert void.rows == []
    assert "void" in void.title
