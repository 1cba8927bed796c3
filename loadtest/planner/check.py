"""Is the model right about what this machine can run? A real run that it was not made from, beside its prediction.

The prediction knows the workload (how often each hashtag is drawn), the coefficients and the settings; the size of
deltas comes from the simulation of the backlog. Nothing of the run goes into it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

from loadtest.document import Document
from loadtest.peers.workload import TYPES, Shape, Workload
from loadtest.planner.coefficients import Coefficients, InsertCost
from loadtest.planner.keys import RowCounts, workload_keys
from loadtest.planner.load import row_bound
from loadtest.planner.scenario import split
from loadtest.planner.simulation import Simulation
from loadtest.planner.system import Source, System
from loadtest.planner.trial import Seen, Trial, run
from loadtest.sheets import Sheet, number
from streams.drain import MAX_BATCH_BYTES

_TYPES_WITH_STICKERS = ("sticker_use",)
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3_600, 86_400
_LONGEST_S = 3_600.0


@dataclass(frozen=True, kw_only=True)
class Options:
    """Another seed, size, and number of partitions than those of a calibration."""

    events: int = 600_000
    partitions: int = 3
    shape: Shape = Shape.SAMPLE
    tags: int = 100_000
    """Of the uniform shape."""
    max_delta_rows: int = 200_000
    """The worker's setting: smaller deltas are nearer to those of a live system."""
    seed: int = 7
    session_s: float = 10.0
    quiet_s: float = 3.0
    cores: int = 2
    """Of ClickHouse, in the simulation of the backlog."""

    def workload(self) -> Workload:
        """What is counted."""
        return Workload(
            shape=self.shape, seed=self.seed, number=self.events, until_s=int(time.time()), tags=self.tags
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Predicted, or measured."""

    deltas: float
    rows: float
    """Inserted."""
    merged_rows: float
    """Of the three grains, fully merged."""
    stored_bytes: float
    """Of the three grains."""
    worker_s: float
    """CPU seconds per event."""
    clickhouse_s: float
    """The same, of ClickHouse, merges until idle included."""


async def check(
    options: Options, coefficients: Coefficients, tell: Callable[[str], None] = lambda _: None
) -> Document:  # fmt: skip
    """Predict, run, compare. To be called in the main thread.

    Raises CrewError where a count is wrong (there are no figures then), StackError where a stack does not start.
    """
    workload = options.workload()
    trial = Trial(
        backlogs={"check": workload},
        partitions=options.partitions,
        settings={"TAGPULSE_MAX_DELTA_ROWS": str(options.max_delta_rows)},
        session_s=options.session_s,
        quiet_s=options.quiet_s,
    )
    (seen,) = await run(trial, tell)
    foretold = predict(options, workload, seen.value_bytes / seen.events, seen.updates / seen.events, coefficients)
    found = measured(seen)
    return {
        "options": asdict(options),
        "input": {"events": seen.events, "bytes_per_event": seen.value_bytes / seen.events},
        "predicted": asdict(foretold),
        "measured": asdict(found),
        "error": {name: getattr(foretold, name) / getattr(found, name) - 1 for name in asdict(found)},
        "run": asdict(seen),
    }


def measured(seen: Seen) -> Figures:
    """What a run came to. Its tables must hold nothing else."""
    grains = [seen.stored[f"engagement_{grain}"] for grain in seen.kept_ids]
    return Figures(
        deltas=seen.deltas,
        rows=seen.rows,
        merged_rows=sum(grain["rows"] for grain in grains),
        stored_bytes=sum(grain["bytes"] for grain in grains),
        worker_s=seen.worker_cpu_s / seen.events,
        clickhouse_s=seen.clickhouse_s / seen.events,
    )


def predict(
    options: Options, workload: Workload, event_bytes: float, updates: float, coefficients: Coefficients
) -> Figures:
    """What the model says of a workload whose events have so many bytes and add to so many counts."""
    sources = [
        Source(
            rate=0.0,
            backlog=workload.number * share / options.partitions,
            event_time_rate=workload.number * share / options.partitions / workload.span_s,
            rows=RowCounts(workload_keys(_timeless(workload), kind in _TYPES_WITH_STICKERS)),
        )
        for kind, share in TYPES
        for _ in range(options.partitions)
    ]
    insert, merge = split(coefficients)
    drained = Simulation(
        System(
            sources=sources,
            workers=1,
            read_s=coefficients.reading_s(event_bytes, updates),
            worker_write=InsertCost(row=coefficients.worker.row, delta=coefficients.worker.delta),
            clickhouse_cores=options.cores,
            insert=insert,
            merge=merge,
            max_delta_rows=min(options.max_delta_rows, row_bound(len(sources))),
            # From a backlog the embedded broker fills a batch, whatever a fetch asks for.
            batch_events=max(1, round(MAX_BATCH_BYTES / (event_bytes + coefficients.kafka_overhead))),
        ),
        seed=options.seed,
    ).run(_LONGEST_S, look_s=_LONGEST_S)
    merged, size = _stored(workload, coefficients)
    return Figures(
        deltas=drained.deltas,
        rows=drained.rows,
        merged_rows=merged,
        stored_bytes=size,
        worker_s=coefficients.reading_s(event_bytes, updates)
        + coefficients.writing_s(drained.rows, drained.deltas) / workload.number,
        clickhouse_s=coefficients.clickhouse.of(drained.rows, drained.deltas) / workload.number,
    )


def _stored(workload: Workload, coefficients: Coefficients) -> tuple[float, float]:
    """Rows and bytes of the three grains."""
    stored, rows, size = coefficients.stored, 0.0, 0.0
    for window_s, row_bytes in (
        (_MINUTE_S, stored.minute_row),
        (_HOUR_S, stored.hour_row),
        (_DAY_S, stored.day_row),
    ):
        parts = _parts(workload, window_s)
        for kind, share in TYPES:
            keys = workload_keys(_timeless(workload), kind in _TYPES_WITH_STICKERS)
            made = sum(keys.distinct(workload.number * share * part) for part in parts)
            rows += made
            size += made * row_bytes
            if kind in _TYPES_WITH_STICKERS:
                size += stored.video_id * sum(keys.kept_ids(workload.number * share * part) for part in parts)
    return rows, size


def _parts(workload: Workload, window_s: int) -> list[float]:
    """Share of the events in each window that the workload touches: event times are even over its span."""
    begin, found = workload.until_s - workload.span_s, []
    at = begin - begin % window_s
    while at < workload.until_s:
        found.append((min(at + window_s, workload.until_s) - max(at, begin)) / workload.span_s)
        at += window_s
    return found


def _timeless(workload: Workload) -> Workload:
    """The same popularities, whatever the time and number."""
    return replace(workload, seed=0, number=1, until_s=0)


def sheets(document: Document) -> list[Sheet]:
    """Prediction beside measurement."""
    options, foretold, found = document["options"], document["predicted"], document["measured"]
    micro = 1e6
    lines = (
        ("deltas", "deltas", 1.0),
        ("rows inserted", "rows", 1.0),
        ("rows of the three grains, fully merged", "merged_rows", 1.0),
        ("bytes of the three grains, fully merged", "stored_bytes", 1.0),
        ("worker's CPU per event, µs", "worker_s", micro),
        ("ClickHouse's CPU per event, µs", "clickhouse_s", micro),
    )
    rows = [
        [
            text,
            number(foretold[name] * unit),
            number(found[name] * unit),
            f"{document['error'][name]:+.1%}",
        ]
        for text, name, unit in lines
    ]
    tags = f", {options['tags']:,} hashtags" if options["shape"] == Shape.UNIFORM else ""
    caption = (
        f"{document['input']['events']:,} events ({options['shape']}{tags}, seed {options['seed']}), "
        f"{options['partitions']} partitions a topic, deltas of at most {options['max_delta_rows']:,} rows "
        "and a batch, one worker, a backlog; every count compared with the truth. Error +: predicted too much."
    )
    return [Sheet("Predicted and measured", ("", "predicted", "measured", "error"), rows, caption)]
