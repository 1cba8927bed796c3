"""The same plan at many times what one core does here: what each scale takes, and what limits it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from loadtest.document import Document
from loadtest.planner.capacity import capacity
from loadtest.planner.coefficients import Coefficients
from loadtest.planner.demand import DAY_S, Demand
from loadtest.planner.figures import short, size
from loadtest.planner.limits import limits
from loadtest.sheets import Sheet

FACTORS = (1.0, 10.0, 1_000.0, 100_000.0)
#: Hashtags in use grow with the traffic, up to as many as there may well be.
_HASHTAGS_A_CORE, _MOST_HASHTAGS = 1e5, 1e9


@dataclass(frozen=True, kw_only=True)
class Options:
    """`factors`: multiples of what one core does, as average over the day."""

    factors: Sequence[float] = FACTORS
    peak_factor: float = 3.0


def one_core(coefficients: Coefficients) -> float:
    """Events per second that one core counts and stores: worker and ClickHouse, small scale, large deltas.

    A delta holds as many rows as it may; the traffic is the default of a plan.
    """
    demand = Demand(events_per_day=DAY_S, hashtags=_HASHTAGS_A_CORE, peak_factor=1, flush_interval_s=10, partitions=4)
    rate = 1.0
    for _ in range(30):
        found = capacity(replace(demand, events_per_day=rate * DAY_S), coefficients).peak
        rate *= 1 / (found.worker_cores + found.clickhouse_cores)
    return rate


def scales(options: Options, coefficients: Coefficients) -> Document:
    """A plan for each factor."""
    base, found = one_core(coefficients), []
    for factor in options.factors:
        demand = Demand(
            events_per_day=base * DAY_S * factor,
            peak_factor=options.peak_factor,
            hashtags=float(round(min(_MOST_HASHTAGS, max(1e3, _HASHTAGS_A_CORE * factor)))),
        )
        made = capacity(demand, coefficients)
        first, second, *_ = limits(made)
        found.append(
            {
                "factor": factor,
                "events_per_day": demand.events_per_day,
                "hashtags": demand.hashtags,
                "peak": asdict(made.peak) | {"rows_per_event": made.peak.rows_per_event},
                "partitions": made.partitions,
                "workers": made.workers,
                "flush_interval_s": made.interval_s,
                "servers": made.servers,
                "replicas": demand.clickhouse_replicas,
                "stored_bytes": made.stored_bytes,
                "kafka": asdict(made.kafka),
                "kafka_copies": made.kafka.partitions * demand.kafka_replication,
                "hottest_share": made.hottest_share,
                "limits": [first.name, second.name],
                "window": made.window,
            }
        )
    return {"options": asdict(options), "one_core": base, "scales": found}


def sheets(document: Document) -> list[Sheet]:
    """One column a scale."""
    found = document["scales"]

    def row(name: str, text: Any) -> list[str]:
        return [name, *(text(one) for one in found)]

    rows = [
        row("events a day", lambda one: short(one["events_per_day"])),
        row("events/s at the peak", lambda one: short(one["peak"]["events"])),
        row("hashtags in use", lambda one: short(one["hashtags"])),
        row("partitions of each topic", lambda one: f"{one['partitions']:,}"),
        row("workers, a core each", lambda one: f"{one['workers']:,}"),
        row("flush interval", lambda one: f"{one['flush_interval_s']:,.0f} s"),
        row("inserts/s at the peak", lambda one: short(one["peak"]["deltas"])),
        row("rows per event", lambda one: f"{one['peak']['rows_per_event']:.2f}"),
        row("rows/s at the peak", lambda one: short(one["peak"]["rows"])),
        row("ClickHouse cores at the peak, one replica", lambda one: short(one["peak"]["clickhouse_cores"])),
        row("ClickHouse servers of 32 cores", lambda one: f"{one['servers']:,} x {one['replicas']:.0f}"),
        row("ClickHouse's disks, all replicas", lambda one: size(one["stored_bytes"])),
        row("into Kafka at the peak", lambda one: f"{size(one['kafka']['in_bytes_s'])}/s"),
        row("Kafka's disks, all copies", lambda one: size(one["kafka"]["stored_bytes"])),
        row("Kafka's partitions, all copies", lambda one: short(one["kafka_copies"])),
        row("most that one video may have", lambda one: f"{one['hottest_share']:.2g} of all"),
        row("first limit", lambda one: one["limits"][0]),
        row("second", lambda one: one["limits"][1]),
    ]
    caption = (
        f"1x is what one core of the machine of the calibration counts and stores: {document['one_core']:,.0f} events "
        f"per second as average over the day, the peak {document['options']['peak_factor']:g} times that; other "
        "options of `tagpulse plan` at their defaults. Computed, not run."
    )
    headings = ("", *(f"{one['factor']:,.0f}x" for one in found))
    return [Sheet("Many times what one core does", headings, rows, caption)]
