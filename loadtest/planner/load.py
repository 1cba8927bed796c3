"""What a rate of events asks of workers and ClickHouse, by partitions and flush interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loadtest.planner.coefficients import Coefficients
from loadtest.planner.demand import Demand, Flow
from streams.settings import Settings

_MINUTE_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Load:
    """Per second, over the whole system."""

    events: float
    rows: float
    """Inserted."""
    deltas: float
    worker_cores: float
    clickhouse_cores: float
    """Of one replica, merges included."""
    busiest_log: float
    """Events of the log that has most."""
    rows_per_delta: float
    """Of the log that has most."""
    largest_delta: float
    """Events of it."""
    writer_busy: float
    """Of that log: share of the time that its deltas are being written, one after the other. Past 1 it falls behind,
    whatever CPU there is."""

    @property
    def rows_per_event(self) -> float:
        """Inserted."""
        return self.rows / self.events


def write_s(coefficients: Coefficients, rows: float) -> float:
    """Seconds to write a delta: rows to a block in the worker, then from claim to done."""
    return coefficients.writing_s(rows) + min(coefficients.write.of(rows), coefficients.clickhouse.of(rows))


def row_bound(logs_per_worker: float) -> float:
    """Rows at which a delta is written at once, by default: `max_delta_rows`, or its share of `max_pending_rows`."""
    settings = Settings.model_fields
    most, pending = settings["max_delta_rows"].default, settings["max_pending_rows"].default
    return float(max(1.0, min(most, pending / (2 * max(1.0, logs_per_worker)))))


def load(
    events: float,
    demand: Demand,
    flows: Sequence[Flow],
    coefficients: Coefficients,
    *,
    partitions: int,
    interval_s: float,
    most_rows: float,
) -> Load:
    """Of `events` per second on `partitions` per topic, each flushed every `interval_s`, or at `most_rows` rows.

    Assumes that load is even over the partitions of a topic, and that events arrive within their minute.
    """
    rows = deltas = busiest = busiest_rows = largest = 0.0
    for flow in flows:
        rate = events * flow.share / partitions
        # A log in which less than one event falls due makes a delta of each.
        size = max(1.0, rate * interval_s)
        made = _rows(flow, rate, size)
        if made > most_rows:
            size = _events_of(flow, rate, most_rows, size)
            made = most_rows
        deltas += partitions * rate / size
        rows += partitions * rate / size * made
        if rate > busiest:
            busiest, busiest_rows, largest = rate, made, size
    reading = coefficients.reading_s(demand.event_bytes, demand.updates)
    return Load(
        events=events,
        rows=rows,
        deltas=deltas,
        worker_cores=events * reading + coefficients.writing_s(rows, deltas),
        clickhouse_cores=coefficients.clickhouse.of(rows, deltas),
        busiest_log=busiest,
        rows_per_delta=busiest_rows,
        largest_delta=largest,
        writer_busy=write_s(coefficients, busiest_rows) * busiest / largest,
    )


def _rows(flow: Flow, rate: float, events: float) -> float:
    return flow.rows(events, 1 + events / rate / _MINUTE_S)


def _events_of(flow: Flow, rate: float, rows: float, most: float) -> float:
    """Events that come to so many rows."""
    low, high = 1.0, most
    for _ in range(60):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if _rows(flow, rate, middle) < rows else (low, middle)
    return high
