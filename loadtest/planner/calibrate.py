"""Measure the coefficients on this machine: a handful of real runs that differ in one thing each, and a fit.

Every run has one worker and one ClickHouse on a stack of its own; every count is compared with the truth. The
runs differ in deltas per row, rows per update, hashtags and bytes per event, so that each cost shows somewhere.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from rich.console import Console

from loadtest.document import Document
from loadtest.peers.workload import Shape, Workload
from loadtest.planner import longtail
from loadtest.planner.coefficients import Coefficients, InsertCost, Recovery, Stored, WorkerCost, encode
from loadtest.planner.fitting import costs, worst
from loadtest.planner.trial import Bare, Padded, Seen, Trial, run

_PADDING = 1000
#: Every batch that is fetched becomes a delta, of some 500 events.
_SMALL_BYTES = 128 * 1024
_SMALL = {"TAGPULSE_MAX_DELTA_ROWS": "100", "TAGPULSE_KAFKA_FETCH_MAX_BYTES_PER_PARTITION": str(_SMALL_BYTES)}
#: They take long, so there are fewer of them.
_SMALL_SHARE = 4
_FEW_TAGS, _FEW_COUNTRIES = 200, 5
#: The run whose tables are most like real ones, the one with most videos a row, the one with the most claims.
_TYPICAL, _FEW_KEYS, _MANY_CLAIMS = "large deltas", "few keys", "small deltas"
_GRAINS = ("minute", "hour", "day")


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to measure. `events` of each run."""

    events: int = 250_000
    runs: int = 1
    partitions: int = 2
    seed: int = 1
    session_s: float = 10.0
    quiet_s: float = 3.0

    @classmethod
    def quick(cls) -> Options:
        """Small: does it work at all? Its coefficients mean little."""
        return cls(events=6_000, quiet_s=0.3)


def trials(options: Options) -> list[Trial]:
    """Two stacks, because the size of deltas is a setting of the worker."""
    base = Workload(shape=Shape.SAMPLE, seed=options.seed, number=options.events, until_s=int(time.time()))
    plain: dict[str, Any] = asdict(base) | {"shape": base.shape}
    large: dict[str, Workload] = {
        _TYPICAL: base,
        _FEW_KEYS: replace(base, shape=Shape.UNIFORM, tags=_FEW_TAGS, countries=_FEW_COUNTRIES),
        "no hashtags": Bare(**plain),
        "long events": Padded(**plain, padding=_PADDING),
    }
    whole = Trial(
        backlogs=large, partitions=options.partitions, session_s=options.session_s, quiet_s=options.quiet_s
    )  # fmt: skip
    few = {_MANY_CLAIMS: replace(base, number=max(1, options.events // _SMALL_SHARE))}
    return [whole, replace(whole, backlogs=few, settings=_SMALL, batch_bytes=_SMALL_BYTES)]


async def calibrate(options: Options, console: Console | None = None) -> Document:
    """Run and fit. To be called in the main thread. Raises CrewError where a count is wrong, StackError."""
    console = console or Console(quiet=True)
    found: list[Seen] = []
    with console.status("") as status:
        for number in range(1, options.runs + 1):
            for trial in trials(options):
                found += await run(trial, lambda doing, n=number: status.update(f"run {n} of {options.runs}: {doing}"))  # type: ignore[misc]
    return {
        "options": asdict(options),
        "runs": [asdict(seen) | {"clickhouse_s": seen.clickhouse_s} for seen in found],
        "coefficients": encode(fitted(found)),
    }


def fitted(seen: Sequence[Seen]) -> Coefficients:
    """Coefficients of runs. Raises ValueError where a run that is needed is missing."""
    typical, few, many = ([one for one in seen if one.name == name] for name in (_TYPICAL, _FEW_KEYS, _MANY_CLAIMS))
    if not typical or not few or not many:
        raise ValueError(f"the runs {_TYPICAL!r}, {_FEW_KEYS!r} and {_MANY_CLAIMS!r} are needed")
    read = [[s.events, s.value_bytes, s.updates, s.rows, s.deltas] for s in seen]
    written = [[s.rows, s.deltas] for s in seen]
    worker_s = [s.worker_cpu_s for s in seen]
    clickhouse_s = [s.clickhouse_s for s in seen]
    worker, clickhouse = costs(read, worker_s), costs(written, clickhouse_s)
    write = costs(written, [s.write_s for s in seen])
    return Coefficients(
        worker=WorkerCost(event=worker[0], byte=worker[1], update=worker[2], row=worker[3], delta=worker[4]),
        clickhouse=InsertCost(row=clickhouse[0], delta=clickhouse[1]),
        merging=sum(s.merges_cpu_s for s in seen) / sum(clickhouse_s),
        write=InsertCost(row=write[0], delta=write[1]),
        stored=_stored([*typical, *few], many),
        kafka_overhead=statistics.median((s.kafka_bytes - s.value_bytes) / s.events for s in seen),
        recovery=Recovery(
            claim_read_s=statistics.median(s.claim_read_s for s in many),
            start_s=statistics.median(s.start_s for s in seen),
            worker_bytes=float(max(s.worker_bytes for s in seen)),
        ),
        tail=longtail.fit_sample(),
        residual=max(worst(read, worker_s, worker), worst(written, clickhouse_s, clickhouse)),
    )


def _stored(seen: Sequence[Seen], many: Sequence[Seen]) -> Stored:
    """Rows against video ids: the runs with few keys have many ids a row."""
    amounts, sizes = [], []
    for one in seen:
        for place, grain in enumerate(_GRAINS):
            table = one.stored[f"engagement_{grain}"]
            amounts.append([table["rows"] * (place == other) for other in range(len(_GRAINS))] + [one.kept_ids[grain]])
            sizes.append(table["bytes"])
    *rows, video_id = costs(amounts, sizes)
    return Stored(
        minute_row=rows[0],
        hour_row=rows[1],
        day_row=rows[2],
        video_id=video_id,
        claim=statistics.median(s.stored["claims"]["bytes"] / s.deltas for s in many),
    )
