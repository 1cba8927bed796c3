"""Coefficients in round numbers, for tests that compute by hand."""

from __future__ import annotations

from loadtest.planner.coefficients import Coefficients, InsertCost, Recovery, Stored, WorkerCost
from loadtest.planner.longtail import Tail

COSTS = Coefficients(
    worker=WorkerCost(event=1e-6, byte=1e-9, update=1e-7, row=5e-7, delta=0.01),
    clickhouse=InsertCost(row=4e-6, delta=0.1),
    merging=0.2,
    write=InsertCost(row=3e-6, delta=0.05),
    stored=Stored(minute_row=10.0, hour_row=12.0, day_row=14.0, video_id=8.0, claim=500.0),
    kafka_overhead=40.0,
    recovery=Recovery(claim_read_s=0.01, start_s=5.0, worker_bytes=5e8),
    tail=Tail(exponent=1.16, offset=35.0, affinity=0.25, tags_per_event=4.37, error=0.04, holdout_error=0.1),
    residual=0.1,
)
