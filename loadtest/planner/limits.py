"""Which resource of a plan gives out first when the traffic grows, and what takes over there."""

from __future__ import annotations

from dataclasses import dataclass, replace

from loadtest.planner.capacity import DEDUPLICATION_WINDOW, Capacity, capacity
from loadtest.planner.demand import MOST_EVENTS
from loadtest.planner.figures import short

#: A rule of thumb of Kafka's makers (KIP-578), copies counted; not a limit that Kafka enforces.
KAFKA_PARTITIONS = 200_000
#: The migrations of this build make tables on one server.
_SERVERS = 1
_STEPS = 50


@dataclass(frozen=True, kw_only=True)
class Limit:
    """`used` of `most` at the peak. `basis` says where `most` comes from."""

    name: str
    used: float
    most: float
    unit: str
    basis: str
    remedy: str
    soft: bool = False
    """Past it things cost more, but go on."""

    @property
    def share(self) -> float:
        """1: it gives out."""
        return self.used / self.most


def limits(found: Capacity) -> list[Limit]:
    """The fullest first, soft ones last."""
    demand, peak = found.demand, found.peak
    return sorted(
        [
            Limit(
                name="workers' CPU",
                used=peak.worker_cores,
                most=found.workers,
                unit="cores",
                basis="as many as are planned",
                remedy="start more workers, up to the number of partitions",
            ),
            Limit(
                name="ClickHouse's CPU",
                used=peak.clickhouse_cores,
                most=found.servers * demand.clickhouse_cores,
                unit="cores",
                basis="as many as are planned",
                remedy="a longer flush interval, larger servers, or more of them",
            ),
            Limit(
                name="deduplication window",
                used=found.window,
                most=DEDUPLICATION_WINDOW,
                unit="tokens a table",
                basis="migrations; margin of docs/protocol.md",
                remedy="a longer flush interval, fewer partitions, or a larger window",
            ),
            Limit(
                name="the busiest partition",
                used=peak.busiest_log,
                most=found.log_ceiling,
                unit="events/s",
                basis="what one worker counts, and writes one after the other",
                remedy="more partitions: a log is one worker's",
            ),
            Limit(
                name="rows of a delta",
                used=peak.rows_per_delta,
                most=found.most_rows,
                unit="rows",
                basis="max_delta_rows, max_pending_rows",
                remedy="raise them and the worker's memory, or more partitions; until then deltas are written early",
                soft=True,
            ),
            Limit(
                name="Kafka's partitions",
                used=found.kafka.partitions * demand.kafka_replication,
                most=KAFKA_PARTITIONS,
                unit="copies",
                basis="rule of thumb, not tried",
                remedy="several clusters",
            ),
        ],
        key=lambda limit: (limit.soft, -limit.share),
    )


def one_server(found: Capacity) -> float:
    """Events per day at which one ClickHouse server is as busy as it may be, all else being equal.

    Flush interval and kind of traffic stay; workers and partitions follow the events.
    """
    demand = replace(found.demand, flush_interval_s=found.interval_s)
    allowed = demand.clickhouse_cores * demand.utilisation
    low, high = 1.0, MOST_EVENTS
    for _ in range(_STEPS):
        middle = (low * high) ** 0.5
        asked = capacity(replace(demand, events_per_day=middle), found.coefficients).peak
        low, high = (middle, high) if asked.clickhouse_cores < allowed else (low, middle)
    return low


def words(found: Capacity) -> list[str]:
    """What a person should take from a plan, a sentence each."""
    first, *others = limits(found)
    demand, peak = found.demand, found.peak
    cores = peak.worker_cores + peak.clickhouse_cores
    said = [
        f"First limit: {first.name}, {first.share:,.0%} used at the peak ({short(first.used)} of {short(first.most)} "
        f"{first.unit}; {first.basis}). Then: {first.remedy}.",
        f"Next: {others[0].name}, {others[0].share:.0%}; {others[1].name}, {others[1].share:.0%}.",
        f"Of the CPU at the peak, ClickHouse takes {peak.clickhouse_cores / cores:.0%} (one replica), the workers "
        f"{peak.worker_cores / cores:.0%}.",
        f"One ClickHouse server of {demand.clickhouse_cores:,.0f} cores takes this traffic up to "
        f"{short(one_server(found))} events a day.",
    ]
    if found.servers > _SERVERS or demand.clickhouse_replicas > 1:
        said.append(
            f"{found.servers:,} x {demand.clickhouse_replicas:.0f} ClickHouse servers: this build's migrations make "
            "tables on one server without replicas. What takes over is in docs/scaling.md; it was not tried."
        )
    if found.hottest_share < 1:
        said.append(
            f"Records are keyed by video: one that gets more than {found.hottest_share * 100:.2g}% of all events "
            "overloads its partition, however many workers there are."
        )
    late = [failure.name for failure in found.failures if failure.whole_s - failure.pause_s > demand.recovery_s * 1.001]
    if late:
        said.append(f"Not recovered within {demand.recovery_s:,.0f} s: {', '.join(late)}.")
    return said
