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
from loadtest.planner.load import Load, load, row_bound
from sinks.writer import WriterSettings
from streams.settings import Settings

#: Flush intervals to choose from, seconds: the shortest that will do.
INTERVALS_S = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0)
#: Tokens that the tables of the migrations keep (non_replicated_deduplication_window).
DEDUPLICATION_WINDOW = 100_000
#: How many times the tokens of an insert's life a window must hold (docs/protocol.md).
_WINDOW_MARGIN = 10
#: Threads of a worker that read claims when partitions are taken over.
_TAKEOVER_THREADS = 8
#: Reads for each partition: which life of the topic is in force, and where its chain ends.
_TAKEOVER_READS = 2
_ROUNDS = 50
#: Partitions for each worker, where one could not write fast enough.
_MOST_PARTITIONS_A_WORKER = 16


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


@dataclass(frozen=True, kw_only=True)
class Failure:
    """What one failure at the peak costs. Seconds; events."""

    name: str
    pause_s: float
    """Nothing is counted, or nothing lands."""
    claims_s: float
    """To read claims, at the takeover; part of the pause."""
    recount_s: float
    """To count again what had not landed."""
    backlog: float
    """Events that wait when it goes on."""
    drain_s: float
    """Until they are counted while others arrive; infinite where capacity does not do."""

    @property
    def whole_s(self) -> float:
        """From the failure until counts are as fresh as before."""
        return self.pause_s + self.recount_s + self.drain_s


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
    log_limit = demand.utilisation * min(_one_worker(sized.peak), _one_writer(sized.catching_up))
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
        grains=_grains(demand, coefficients, found, servers),
        claims_bytes=average.deltas * DAY_S * _setting("claims_kept_days") * coefficients.stored.claim,
        kafka=_kafka(demand, coefficients, sized.partitions * len(found)),
        failures=_failures(demand, coefficients, sized, servers),
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


def _grains(demand: Demand, coefficients: Coefficients, found: Sequence[Flow], servers: int) -> list[Grain]:
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


def _kafka(demand: Demand, coefficients: Coefficients, logs: int) -> Kafka:
    record = demand.event_bytes / demand.compression + coefficients.kafka_overhead
    return Kafka(
        in_bytes_s=demand.peak * record,
        stored_bytes=demand.average * record * demand.kafka_hours * 3_600 * demand.kafka_replication,
        partitions=logs,
    )


def takeover_s(coefficients: Coefficients, logs_per_worker: float) -> float:
    """Seconds to read the claims of a worker's partitions."""
    return _TAKEOVER_READS * math.ceil(logs_per_worker / _TAKEOVER_THREADS) * coefficients.recovery.claim_read_s


def _failures(demand: Demand, coefficients: Coefficients, sized: _Sized, servers: int) -> list[Failure]:
    claims_s = takeover_s(coefficients, sized.logs / sized.workers)
    # Two deltas of each log are in hand at most: one counted, one being written.
    pending = 2 * sized.peak.events / sized.peak.deltas * sized.logs / sized.workers
    reading = coefficients.reading_s(demand.event_bytes, demand.updates)
    recount_s = pending * reading + coefficients.writing_s(pending * sized.peak.rows_per_event, 0)
    deadline_s = WriterSettings().insert_deadline_s
    most = _most_events(demand, sized, servers)
    outage_s = demand.outage_s
    gives_up = outage_s > deadline_s
    return [
        _failure("a worker dies", demand, demand.session_timeout_s + claims_s, claims_s, recount_s, most),
        _failure(
            f"ClickHouse is away for {outage_s:,.0f} s",
            demand,
            outage_s + (coefficients.recovery.start_s + claims_s if gives_up else 0.0),
            claims_s if gives_up else 0.0,
            recount_s if gives_up else 0.0,
            most,
        ),
    ]


def _most_events(demand: Demand, sized: _Sized, servers: int) -> float:
    """Events per second at full speed, with the deltas of catching up."""
    load = sized.catching_up
    return load.events / max(
        load.worker_cores / sized.workers,
        load.clickhouse_cores / (servers * demand.clickhouse_cores),
        load.writer_busy,
    )


def _one_worker(load: Load) -> float:
    """Events per second that one worker counts."""
    return load.events / load.worker_cores


def _one_writer(load: Load) -> float:
    """Events per second that one log can have written."""
    return load.busiest_log / load.writer_busy


def _failure(
    name: str, demand: Demand, pause_s: float, claims_s: float, recount_s: float, most: float
) -> Failure:  # fmt: skip
    backlog = demand.peak * (pause_s + recount_s)
    spare = most - demand.peak
    return Failure(
        name=name,
        pause_s=pause_s,
        claims_s=claims_s,
        recount_s=recount_s,
        backlog=backlog,
        drain_s=backlog / spare if spare > 0 else math.inf,
    )


def _setting(name: str) -> float:
    return float(Settings.model_fields[name].default)
