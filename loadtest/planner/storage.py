"""What lies on disks: ClickHouse's tables when they have reached their retention, and Kafka's log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loadtest.planner.coefficients import Coefficients
from loadtest.planner.demand import Demand, Flow


@dataclass(frozen=True, kw_only=True)
class Grain:
    """A table of counts, on all servers of one replica."""

    name: str
    rows_a_day: float
    """After merging."""
    rows: float
    """When it has reached its retention."""
    bytes: float


@dataclass(frozen=True, kw_only=True)
class Kafka:
    """Bytes as they lie in the log."""

    in_bytes_s: float
    """At the peak, from producers."""
    stored_bytes: float
    """All copies, at the average rate."""
    partitions: int
    """Over all topics, without copies."""


def grains(demand: Demand, coefficients: Coefficients, found: Sequence[Flow], servers: int) -> list[Grain]:
    """Rows after merging: distinct keys of each window, on each server. Every window is taken to be an average one."""
    stored = coefficients.stored
    made = []
    for name, windows, days, row_bytes in (
        ("minute", 1440, demand.minute_days, stored.minute_row),
        ("hour", 24, demand.hour_days, stored.hour_row),
        ("day", 1, demand.day_days, stored.day_row),
    ):
        events = demand.events_per_day / windows / servers
        rows = windows * servers * sum(flow.keys.distinct(events * flow.share) for flow in found)
        ids = windows * servers * sum(
            flow.keys.kept_ids(events * flow.share) for flow in found if flow.keeps_ids
        )  # fmt: skip
        size = (rows * row_bytes + ids * stored.video_id) * days
        made.append(Grain(name=name, rows_a_day=rows, rows=rows * days, bytes=size))
    return made


def kafka(demand: Demand, coefficients: Coefficients, logs: int) -> Kafka:
    """Bytes in at the peak and kept, for so many partitions over all topics."""
    record = demand.event_bytes / demand.compression + coefficients.kafka_overhead
    return Kafka(
        in_bytes_s=demand.peak * record,
        stored_bytes=demand.average * record * demand.kafka_hours * 3_600 * demand.kafka_replication,
        partitions=logs,
    )
