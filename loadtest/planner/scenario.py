"""A plan as a system to simulate: all of it, or a slice where it is large."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from loadtest.document import Document
from loadtest.planner.capacity import Capacity
from loadtest.planner.coefficients import Coefficients, InsertCost
from loadtest.planner.failures import takeover_s
from loadtest.planner.simulation import Simulation
from loadtest.planner.system import Faults, Result, Source, System

#: More than these are simulated as a slice: their share of the logs and of ClickHouse.
_MOST_WORKERS = 6
_WARM_UP_INTERVALS, _WARM_UP_S = 6, 30.0
#: Chunks of events that a run may take: seconds of our own time.
_CHUNKS = 30_000
_CHUNKS_A_DELTA = 4


@dataclass(frozen=True, kw_only=True)
class Slice:
    """What is simulated of a plan."""

    system: System
    share: float
    """Of the whole: 1 where all of it is simulated."""
    warm_up_s: float
    seconds: float


def split(coefficients: Coefficients) -> tuple[InsertCost, InsertCost]:
    """ClickHouse's cost as the time a delta waits for (from claim to done), and the work that follows (merges)."""
    write, whole = coefficients.write, coefficients.clickhouse
    insert = InsertCost(row=min(write.row, whole.row), delta=min(write.delta, whole.delta))
    return insert, InsertCost(row=whole.row - insert.row, delta=whole.delta - insert.delta)


def slice_of(found: Capacity, pause_s: float) -> Slice:
    """At the peak, with time for a fault of `pause_s` and twice the recovery that is asked for."""
    demand, coefficients = found.demand, found.coefficients
    workers = min(found.workers, _MOST_WORKERS)
    share = workers / found.workers
    partitions = max(1, round(found.partitions * share))
    warm_up_s = max(_WARM_UP_S, _WARM_UP_INTERVALS * found.interval_s)
    seconds = warm_up_s + pause_s + 2 * demand.recovery_s
    rate = demand.peak * share
    logs = partitions * len(found.flows)
    # Fine enough that a flush sees several chunks, coarse enough to end soon.
    chunk = max(1, round(rate * seconds / _CHUNKS))
    chunk = max(1, min(chunk, round(rate / logs * found.interval_s / _CHUNKS_A_DELTA)))
    insert, merge = split(coefficients)
    cores = found.servers * demand.clickhouse_cores * share
    system = System(
        sources=[
            Source(rate=rate * flow.share / partitions, rows=flow.rows)
            for flow in found.flows
            for _ in range(partitions)
        ],
        workers=workers,
        read_s=coefficients.reading_s(demand.event_bytes, demand.updates),
        worker_write=InsertCost(row=coefficients.worker.row, delta=coefficients.worker.delta),
        clickhouse_cores=max(1, round(cores)),
        insert=insert,
        merge=merge,
        flush_interval_s=found.interval_s,
        catchup_flush_interval_s=max(10.0, found.interval_s),
        max_delta_rows=found.most_rows,
        chunk_events=chunk,
        session_timeout_s=demand.session_timeout_s,
        takeover_s=takeover_s(coefficients, logs / workers),
        start_s=coefficients.recovery.start_s,
    )
    return Slice(system=system, share=share, warm_up_s=warm_up_s, seconds=seconds)


def simulate(found: Capacity, seed: int = 1, tell: Callable[[str], None] = lambda _: None) -> list[Document]:
    """Nothing fails, a worker dies, ClickHouse is away: what becomes of freshness and backlog."""
    demand = found.demand
    scenes: list[tuple[str, Faults | None, float]] = [
        ("nothing fails", None, 0.0),
        ("a worker dies", Faults(crash=True), demand.session_timeout_s + found.coefficients.recovery.start_s),
        *([(f"ClickHouse is away for {demand.outage_s:,.0f} s", Faults(outage_s=demand.outage_s), demand.outage_s)]
          if demand.outage_s else []),
    ]  # fmt: skip
    made = []
    for name, faults, pause_s in scenes:
        tell(name)
        part = slice_of(found, pause_s)
        at = Faults(**asdict(faults) | {"at_s": part.warm_up_s}) if faults else None
        seconds = part.seconds if faults else 4 * part.warm_up_s
        result = Simulation(part.system, at, seed).run(seconds)
        made.append({"name": name, "share": part.share, "seed": seed, "seconds": seconds, **described(result)})
    return made


def described(result: Result) -> dict[str, Any]:
    """As part of a document."""
    return asdict(result)
