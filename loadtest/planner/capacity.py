"""How much of everything a demand needs: partitions, workers, ClickHouse, Kafka, and what failures cost.

Sizes must do for two things: at the peak no more than `utilisation` of the CPU is busy, and after ClickHouse was away
for `outage_s` at the peak, full speed empties the backlog within `recovery_s`, while events keep coming.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from loadtest.planner.coefficients import Coefficients
from loadtest.planner.demand import DAY_S, Demand, Flow, flows
from loadtest.planner.failures import Failure, failures
from loadtest.planner.load import Load, load, row_bound
from loadtest.planner.storage import Grain, Kafka, grains, kafka
from sinks.writer import WriterSettings
from streams.settings import Settings

#: Flush intervals to choose from, seconds: the shortest that will do.
INTERVALS_S = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0)
#: Tokens that the tables of the migrations keep (non_replicated_deduplication_window).
DEDUPLICATION_WINDOW = 100_000
#: How many times the tokens of an insert's life a window must hold (docs/protocol.md).
_WINDOW_MARGIN = 10
_ROUNDS = 50
#: Partitions for each worker, where one could not write fast enough.
_MOST_PARTITIONS_A_WORKER = 16


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """What is needed."""

    demand: Demand
    coefficients: Coefficients
    flows: Sequence[Flow]
    partitions: int
    """Of each topic."""
    workers: int
    """Processes, a core each."""
    interval_s: float
    """Flush interval."""
    servers: int
    """Of ClickHouse, with different rows (shards); times `clickhouse_replicas` in all."""
    average: Load
    peak: Load
    catching_up: Load
    """While the backlog of an outage is worked off in `recovery_s`."""
    grains: Sequence[Grain]
    claims_bytes: float
    kafka: Kafka
    failures: Sequence[Failure]
    hottest_share: float
    """Share of all events that one video may have: its log is one worker's, whatever else the group could do."""

    @property
    def logs(self) -> int:
        """Partitions of all topics together."""
        return self.partitions * len(self.flows)

    @property
    def log_ceiling(self) -> float:
        """Events per second of one log: one worker counts it, and its deltas are written one after the other."""
        return min(_one_worker(self.peak), _one_writer(self.catching_up))

    @property
    def most_rows(self) -> float:
        """Rows at which a delta is written before it is due."""
        return row_bound(self.logs / self.workers)

    @property
    def stored_bytes(self) -> float:
        """Of ClickHouse, all replicas."""
        return (sum(grain.bytes for grain in self.grains) + self.claims_bytes) * self.demand.clickhouse_replicas

    @property
    def window(self) -> float:
        """Tokens that each server's tables must keep at the peak."""
        return tokens(self.peak.deltas) / self.servers


def tokens(deltas_per_s: float) -> float:
    """Deduplication window that so many deltas per second need, as docs/protocol.md has it: one month a delta."""
    settings = WriterSettings()
    return _WINDOW_MARGIN * deltas_per_s * 2 * (settings.insert_deadline_s + settings.insert_timeout_s)


def capacity(demand: Demand, coefficients: Coefficients) -> Capacity:
    """Size everything."""
    found = flows(demand, coefficients)
    intervals = (demand.flush_interval_s,) if demand.flush_interval_s else INTERVALS_S
    for interval_s in intervals:
        sized = _sized(demand, coefficients, found, interval_s)
        if tokens(sized.peak.deltas) / sized.by_cpu <= DEDUPLICATION_WINDOW:
            break
    servers = max(sized.by_cpu, math.ceil(tokens(sized.peak.deltas) / DEDUPLICATION_WINDOW))
    average = load(
        demand.average, demand, found, coefficients,
        partitions=sized.partitions, interval_s=interval_s, most_rows=sized.most_rows,
    )  # fmt: skip
    log_limit = min(_one_worker(sized.peak), _one_writer(sized.catching_up))
    return Capacity(
        demand=demand,
        coefficients=coefficients,
        flows=found,
        partitions=sized.partitions,
        workers=sized.workers,
        interval_s=interval_s,
        servers=servers,
        average=average,
        peak=sized.peak,
        catching_up=sized.catching_up,
        grains=grains(demand, coefficients, found, servers),
        claims_bytes=average.deltas * DAY_S * _setting("claims_kept_days") * coefficients.stored.claim,
        kafka=kafka(demand, coefficients, sized.partitions * len(found)),
        failures=failures(
            demand,
            coefficients,
            sized.peak,
            sized.catching_up,
            logs_per_worker=sized.logs / sized.workers,
            workers=sized.workers,
            servers=servers,
        ),
        hottest_share=max(0.0, min(1.0, (log_limit - sized.peak.busiest_log) / demand.peak)),
    )


@dataclass(frozen=True, kw_only=True)
class _Sized:
    partitions: int
    workers: int
    by_cpu: int
    peak: Load
    catching_up: Load
    logs: int
    most_rows: float


def _sized(demand: Demand, coefficients: Coefficients, found: Sequence[Flow], interval_s: float) -> _Sized:
    """Workers and partitions decide on each other: more partitions make smaller deltas, which cost more."""
    workers, fixed = 1, int(demand.partitions)
    late_s = max(interval_s, _setting("catchup_flush_interval_s"))
    speed_up = 1 + demand.outage_s / demand.recovery_s
    each = 1
    for _ in range(_ROUNDS):
        partitions = fixed or workers * each
        most_rows = row_bound(partitions * len(found) / workers)
        peak = load(
            demand.peak, demand, found, coefficients,
            partitions=partitions, interval_s=interval_s, most_rows=most_rows,
        )  # fmt: skip
        catching_up = load(
            demand.peak * speed_up, demand, found, coefficients,
            partitions=partitions, interval_s=late_s, most_rows=most_rows,
        )  # fmt: skip
        needed = math.ceil(max(peak.worker_cores / demand.utilisation, catching_up.worker_cores) - 1e-9)
        slow_writer = catching_up.writer_busy > 1 and each < _MOST_PARTITIONS_A_WORKER and not fixed
        if needed <= workers and not slow_writer:
            break
        workers, each = max(needed, workers), each + slow_writer
    cores = max(peak.clickhouse_cores / demand.utilisation, catching_up.clickhouse_cores)
    return _Sized(
        partitions=partitions,
        workers=workers,
        by_cpu=max(1, math.ceil(cores / demand.clickhouse_cores)),
        peak=peak,
        catching_up=catching_up,
        logs=partitions * len(found),
        most_rows=most_rows,
    )


def _one_worker(load: Load) -> float:
    """Events per second that one worker counts."""
    return load.events / load.worker_cores


def _one_writer(load: Load) -> float:
    """Events per second that one log can have written."""
    return load.busiest_log / load.writer_busy


def _setting(name: str) -> float:
    return float(Settings.model_fields[name].default)
