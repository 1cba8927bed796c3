"""What is simulated, what fails meanwhile, and what it comes to. Times in seconds; numbers are events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from loadtest.planner.coefficients import InsertCost

_MINUTE_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Source:
    """One log: events per second, and rows of so many events of one delta in so many minutes."""

    rate: float
    rows: Callable[[float, float], float]
    backlog: float = 0.0
    """Events that lie there at the beginning."""
    event_time_rate: float = 0.0
    """Events per second of event time, where that is not `rate`."""

    def rows_of(self, events: float) -> float:
        """Of a delta: its events lie in one minute, and in one more for each that they take to arrive."""
        rate = self.event_time_rate or self.rate
        return self.rows(events, 1 + events / (rate * _MINUTE_S) if rate else 1.0)


@dataclass(frozen=True, kw_only=True)
class System:
    """What is simulated. Times in seconds."""

    sources: Sequence[Source]
    workers: int
    read_s: float
    """CPU of a worker for an event."""
    worker_write: InsertCost
    """CPU of a worker to write."""
    clickhouse_cores: int
    insert: InsertCost
    """Of ClickHouse, from claim to done."""
    merge: InsertCost
    """Of ClickHouse, afterwards."""
    flush_interval_s: float = 1.0
    catchup_flush_interval_s: float = 10.0
    max_delta_rows: float = 200_000
    batch_events: int = 5_000
    chunk_events: int = 1
    """Events come in chunks of so many."""
    arrivals: Literal["poisson", "even"] = "poisson"
    session_timeout_s: float = 10.0
    takeover_s: float = 0.1
    """From assignment to the first batch: claims are read."""
    start_s: float = 5.0
    """Of a worker's process, until it joins the group."""
    insert_deadline_s: float = 120.0


@dataclass(frozen=True, kw_only=True)
class Faults:
    """At most one of them. A crashed worker is started again at once."""

    at_s: float = 0.0
    crash: bool = False
    outage_s: float = 0.0
    """ClickHouse is away so long."""


@dataclass(frozen=True, kw_only=True)
class Freshness:
    """Seconds from an event's arrival in Kafka until it is visible; of events that became visible."""

    p50: float
    p99: float
    most: float

    @classmethod
    def of(cls, seconds: Sequence[float], events: Sequence[float]) -> Freshness | None:
        """Weighted by events; None where there are none."""
        if not len(seconds):
            return None
        order = np.argsort(seconds)
        values, reached = np.asarray(seconds)[order], np.cumsum(np.asarray(events)[order])
        p50, p99 = (float(values[np.searchsorted(reached, share * reached[-1])]) for share in (0.5, 0.99))
        return cls(p50=p50, p99=p99, most=float(values[-1]))


@dataclass(frozen=True, kw_only=True)
class Result:
    """Numbers are events unless said otherwise."""

    arrived: float
    visible: float
    pending: float
    """Counted, not yet visible."""
    queued: float
    """In Kafka, not counted."""
    deltas: int
    rows: float
    counted_s: float
    """Mean time from arrival until an event is counted."""
    fresh: Freshness | None
    """Of events that became visible before the fault."""
    fresh_after: Freshness | None
    """Of events that became visible later."""
    backlog_normal: float
    """The most that waited (not visible yet) before the fault."""
    backlog_peak: float
    recovered_s: float | None
    """From the fault until no more waited than is normal; None: not within the simulated time."""
    ended_s: float
    """When the last event became visible."""
    worker_busy: float
    """Share of the time, over all workers."""
    clickhouse_busy: float
    merge_backlog_s: float
    """Work that merges were behind at the end, in core seconds."""
