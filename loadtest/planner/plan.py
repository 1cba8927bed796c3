"""A plan as a document, and as tables and sentences for people."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

from loadtest.document import Document
from loadtest.planner.capacity import INTERVALS_S, Capacity, capacity
from loadtest.planner.coefficients import Coefficients
from loadtest.planner.demand import Demand
from loadtest.planner.figures import seconds, short, size
from loadtest.planner.limits import limits, words
from loadtest.planner.load import Load
from loadtest.planner.scenario import simulate
from loadtest.sheets import Sheet


def plan(
    demand: Demand,
    coefficients: Coefficients,
    *,
    simulated: bool = True,
    seed: int = 1,
    tell: Callable[[str], None] = lambda _: None,
) -> Document:
    """Size everything, and simulate it."""
    found = capacity(demand, coefficients)
    return {
        "demand": asdict(demand),
        "capacity": _described(found),
        "intervals": [_interval(demand, coefficients, interval_s) for interval_s in INTERVALS_S],
        "limits": [asdict(limit) | {"share": limit.share} for limit in limits(found)],
        "words": words(found),
        "simulated": simulate(found, seed, tell) if simulated else [],
    }


def _described(found: Capacity) -> dict[str, Any]:
    return {
        "partitions": found.partitions,
        "workers": found.workers,
        "workers_bytes": found.workers * found.coefficients.recovery.worker_bytes,
        "flush_interval_s": found.interval_s,
        "clickhouse_servers": found.servers,
        "most_rows_of_a_delta": found.most_rows,
        "deduplication_window": found.window,
        "average": _load(found.average),
        "peak": _load(found.peak),
        "catching_up": _load(found.catching_up),
        "grains": [asdict(grain) for grain in found.grains],
        "claims_bytes": found.claims_bytes,
        "stored_bytes": found.stored_bytes,
        "kafka": asdict(found.kafka),
        # JSON knows no infinity.
        "failures": [
            {name: value if value != math.inf else None for name, value in asdict(failure).items()}
            | {"whole_s": failure.whole_s if failure.whole_s != math.inf else None}
            for failure in found.failures
        ],
        "hottest_share": found.hottest_share,
    }


def _load(load: Load) -> dict[str, float]:
    return asdict(load) | {"rows_per_event": load.rows_per_event}


def _interval(demand: Demand, coefficients: Coefficients, interval_s: float) -> dict[str, float]:
    found = capacity(replace(demand, flush_interval_s=interval_s), coefficients)
    return {
        "flush_interval_s": interval_s,
        "rows_per_event": found.peak.rows_per_event,
        "inserts_per_s": found.peak.deltas,
        "workers": found.workers,
        "clickhouse_cores": found.peak.clickhouse_cores,
        "servers": found.servers,
    }


def sheets(document: Document) -> list[Sheet]:
    """Of a plan."""
    asked, found = document["demand"], document["capacity"]
    return [
        _sizes(asked, found),
        Sheet("In words", ("",), [[sentence] for sentence in document["words"]]),
        _limits(document["limits"]),
        _storage(asked, found),
        _failures(found["failures"]),
        _intervals(document["intervals"], found["flush_interval_s"]),
        *([_simulated(document["simulated"])] if document["simulated"] else []),
    ]


def _sizes(asked: Document, found: Document) -> Sheet:
    average, peak = found["average"], found["peak"]
    kafka, replicas = found["kafka"], asked["clickhouse_replicas"]
    rows = [
        ["events", f"{short(average['events'])}/s", f"{short(peak['events'])}/s"],
        ["rows inserted", f"{short(average['rows'])}/s", f"{short(peak['rows'])}/s"],
        ["rows per event", f"{average['rows_per_event']:.2f}", f"{peak['rows_per_event']:.2f}"],
        ["inserts (deltas)", f"{average['deltas']:,.1f}/s", f"{peak['deltas']:,.1f}/s"],
        ["workers' CPU, cores", f"{average['worker_cores']:,.1f}", f"{peak['worker_cores']:,.1f}"],
        ["ClickHouse's CPU, cores", f"{average['clickhouse_cores']:,.1f}", f"{peak['clickhouse_cores']:,.1f}"],
        ["into Kafka", "", f"{size(kafka['in_bytes_s'])}/s"],
        ["**needed**", "", ""],
        ["partitions of each topic", "", f"{found['partitions']:,}"],
        ["workers", "", f"{found['workers']:,}"],
        ["memory of all workers, as measured", "", size(found["workers_bytes"])],
        ["flush interval", "", f"{found['flush_interval_s']:,.0f} s"],
        [
            f"ClickHouse servers of {asked['clickhouse_cores']:,.0f} cores",
            "",
            f"{found['clickhouse_servers']:,} x {replicas:,.0f}",
        ],
        ["ClickHouse's disks, all replicas", "", size(found["stored_bytes"])],
        ["Kafka's disks, all copies", "", size(kafka["stored_bytes"])],
    ]
    caption = (
        f"{short(asked['events_per_day'])} events a day, peak {asked['peak_factor']:g} times the average; "
        f"{short(asked['hashtags'])} hashtags, {asked['countries']:,.0f} countries, {asked['stickers']:,.0f} stickers, "
        f"{asked['tags_per_event']:g} hashtags an event. At most {asked['utilisation']:.0%} of the CPU is busy at the "
        f"peak; after ClickHouse was away for {asked['outage_s']:,.0f} s the backlog is gone within "
        f"{asked['recovery_s']:,.0f} s. Cores are those of the machine of the calibration."
    )
    return Sheet("What it takes", ("", "average", "peak"), rows, caption)


def _limits(found: Sequence[Document]) -> Sheet:
    rows = [
        [
            limit["name"],
            f"{limit['share']:,.0%}",
            f"{short(limit['used'])} of {short(limit['most'])} {limit['unit']}",
            limit["remedy"],
        ]
        for limit in found
    ]
    return Sheet(
        "What limits, fullest first (the last one is soft)", ("resource", "used at the peak", "", "then"), rows
    )


def _storage(asked: Document, found: Document) -> Sheet:
    rows = [
        [
            f"engagement_{grain['name']}",
            short(grain["rows_a_day"]),
            f"{asked[grain['name'] + '_days']:,.0f}",
            short(grain["rows"]),
            size(grain["bytes"]),
        ]
        for grain in found["grains"]
    ]
    rows.append(["claims", "", "7", "", size(found["claims_bytes"])])
    caption = "Of one replica, when each table has reached its retention. Day tables are kept for ever: planned for."
    return Sheet("ClickHouse's tables", ("table", "rows a day, merged", "days", "rows", "bytes"), rows, caption)


def _failures(found: Sequence[Document]) -> Sheet:
    rows = [
        [
            failure["name"],
            seconds(failure["pause_s"]),
            seconds(failure["claims_s"]),
            seconds(failure["recount_s"]),
            short(failure["backlog"]),
            seconds(failure["drain_s"]),
            seconds(failure["whole_s"]),
        ]
        for failure in found
    ]
    headings = ("at the peak", "pause", "claims read", "recount", "backlog, events", "drain", "until fresh again")
    caption = "Closed forms: capacity over what keeps arriving. The pause has the session timeout and the claims in it."
    return Sheet("What failures cost", headings, rows, caption)


def _intervals(found: Sequence[Document], chosen: float) -> Sheet:
    rows = [
        [
            f"{one['flush_interval_s']:,.0f} s" + (" (chosen)" if one["flush_interval_s"] == chosen else ""),
            f"{one['rows_per_event']:.2f}",
            f"{one['inserts_per_s']:,.1f}",
            f"{one['workers']:,}",
            f"{one['clickhouse_cores']:,.1f}",
            f"{one['servers']:,}",
        ]
        for one in found
    ]
    headings = ("flush interval", "rows per event", "inserts/s", "workers", "ClickHouse cores", "servers")
    return Sheet("At the peak, by flush interval", headings, rows)


def _simulated(found: Sequence[Document]) -> Sheet:
    rows = []
    for one in found:
        before, after = one["fresh"], one["fresh_after"]
        rows.append(
            [
                one["name"],
                *(seconds(before[name]) if before else "-" for name in ("p50", "p99")),
                *(seconds(after[name]) if after else "-" for name in ("p50", "p99")),
                short(one["backlog_normal"] / one["share"]),
                short(one["backlog_peak"] / one["share"]),
                seconds(one["recovered_s"]) if one["name"] != "nothing fails" else "-",
            ]
        )
    share = found[0]["share"]
    part = "All of it" if share == 1 else f"A slice of {share:.2%}, with its share of everything,"
    caption = (
        f"{part} at the peak, seed {found[0]['seed']}. Fresh: from an event's arrival in Kafka until it "
        "can be read. Backlog: events that are not visible yet, of the whole. Recovered: from the failure until no "
        "more waits than before."
    )
    headings = (
        *("simulation", "fresh p50", "p99", "p50 after the failure", "p99 after"),
        *("backlog, normal", "at its peak", "recovered"),
    )
    return Sheet("Simulated", headings, rows, caption)
