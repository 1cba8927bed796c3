"""One worker and several in one group, on the same events: what an event costs more when the work is shared.

The group is complete, then halted (SIGSTOP) while the events go into Kafka, then let go: clocks run from there
until the last record is counted, so fetching lies within them.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console

from loadtest.backlog import Backlog
from loadtest.crew import Crew, CrewError
from loadtest.document import Document
from loadtest.peers.job import cpu_s, write_counts
from loadtest.peers.memory_worker import COUNTS, DELIVER, records_seen
from loadtest.peers.report import Spread
from loadtest.peers.tagpulse_full import counts
from loadtest.peers.workload import Shape, Workload
from loadtest.sheets import Sheet
from sinks.client import connect
from tagpulse.local import local_options
from tagpulse.stack.supervisor import Stack

_LOOK_S, _DELIVER_S = 0.02, 120.0
_QUICK_EVENTS = 20_000
#: Slower than this, events per second, a run is given up.
_START_S, _HOPELESS_PER_S = 60.0, 1_000


class Way(StrEnum):
    """What the workers do with their counts."""

    MEMORY = "counts in memory"
    FULL = "full path"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to measure."""

    events: int = 1_000_000
    runs: int = 3
    workers: tuple[int, ...] = (1, 2)
    partitions: int = 4
    shape: Shape = Shape.SAMPLE
    seed: int = 1
    session_s: float = 20.0
    """Session timeout of the group: all events must go into Kafka meanwhile. The embedded broker needs about as long
    to form a group."""

    @classmethod
    def quick(cls, **others: object) -> Options:
        """Small and once: whether all is counted right."""
        return replace(cls(events=_QUICK_EVENTS, runs=1, session_s=10.0), **others)  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a run of one group cost, in seconds and bytes. `shares`: CPU seconds of each worker."""

    wall_s: float
    shares: list[float]
    clickhouse_cpu_s: float
    peak_rss: int

    @property
    def cpu_s(self) -> float:
        """Of all workers and, where it takes part, of ClickHouse."""
        return sum(self.shares) + self.clickhouse_cpu_s


@dataclass
class Series:
    """All runs of one path with one number of workers."""

    path: Way
    workers: int
    runs: list[Run] = field(default_factory=list)


async def measure(options: Options, console: Console | None = None) -> Document:
    """Every path with every number of workers, in interleaved rounds. To be called in the main thread.

    Raises CrewError where a worker ended, counted wrong or not at all, StackError where a stack does not start.
    """
    console = console or Console(quiet=True)
    workload = Workload(shape=options.shape, seed=options.seed, number=options.events, until_s=int(time.time()))
    with console.status(f"making {options.events:,} events"):
        backlog = await asyncio.to_thread(Backlog.build, workload, options.partitions)
    found = [Series(path, number) for path in Way for number in options.workers]
    for number in range(1, options.runs + 1):
        for series in found:
            with console.status(f"run {number} of {options.runs}: {series.path}, {series.workers} in the group"):
                series.runs.append(await _run(series, backlog, options))
            rate = options.events / series.runs[-1].cpu_s
            text = f"run {number}: {series.path}, {series.workers} in the group: {rate:,.0f} events per CPU second"
            console.print(text, style="dim", highlight=False)
    return {
        "options": asdict(options),
        "input": {"events": backlog.events, "rows": backlog.truth.rows, "keys": len(backlog.truth)},
        "series": [_described(series, options.events, found) for series in found],
    }


async def _run(series: Series, backlog: Backlog, options: Options) -> Run:
    settings = {"TAGPULSE_KAFKA_SESSION_TIMEOUT_S": str(options.session_s), "TAGPULSE_LOG_LEVEL": "WARNING"}
    with tempfile.TemporaryDirectory(prefix="tagpulse-bench-") as name:
        folder = Path(name)
        stack_options = local_options(
            workers=series.workers,
            partitions=options.partitions,
            settings=settings,
        )
        if series.path is Way.MEMORY:
            command = [sys.executable, "-m", "loadtest.peers.memory_worker", str(folder)]
            stack_options = replace(stack_options, worker_command=lambda _: (command, settings))
        async with Stack(stack_options) as stack:
            crew = Crew(stack)
            await crew.settled()
            with crew.halted(options.session_s):
                await backlog.send(stack.endpoints.kafka)
                begun = _Clocks.read(stack, crew)
            seen = _memory_seen(folder, stack) if series.path is Way.MEMORY else _full_seen(stack)
            await _counted(seen, backlog.events, crew)
            ended = _Clocks.read(stack, crew)
            peak = crew.peak_rss()
            paths = await _counts(series.path, folder, stack)
            if wrong := await asyncio.to_thread(backlog.truth.differences, paths):
                raise CrewError(f"{series.path}, {series.workers} in the group: {wrong[0]}")
    server = ended.clickhouse - begun.clickhouse
    return Run(
        wall_s=ended.at - begun.at,
        shares=[end - begin for end, begin in zip(ended.workers, begun.workers, strict=True)],
        clickhouse_cpu_s=server if series.path is Way.FULL else 0.0,
        peak_rss=peak,
    )


@dataclass(frozen=True)
class _Clocks:
    at: float
    workers: list[float]
    clickhouse: float

    @classmethod
    def read(cls, stack: Stack, crew: Crew) -> _Clocks:
        return cls(time.monotonic(), crew.cpu_s(), cpu_s(psutil.Process(stack.clickhouse.process.pid)))


def _memory_seen(folder: Path, stack: Stack) -> Callable[[], int]:
    names = [worker.name for worker in stack.workers]
    return lambda: sum(records_seen(folder, name) for name in names)


def _full_seen(stack: Stack) -> Callable[[], int]:
    client = _client(stack)
    return lambda: int(client.query("SELECT sumIf(records, done) FROM claims").result_rows[0][0])


def _client(stack: Stack) -> Any:
    at, login = stack.endpoints, stack.endpoints.credentials
    return connect(at.clickhouse, login.user, login.password, at.database)


async def _counted(seen: Callable[[], int], events: int, crew: Crew) -> None:
    deadline_s = _START_S + events / _HOPELESS_PER_S
    deadline = time.monotonic() + deadline_s
    while (number := await asyncio.to_thread(seen)) != events:
        crew.check()
        if time.monotonic() > deadline:
            raise CrewError(f"the workers have counted {number:,} of {events:,} records after {deadline_s:.0f} s")
        await asyncio.sleep(_LOOK_S)


async def _counts(path: Way, folder: Path, stack: Stack) -> list[Path]:
    if path is Way.FULL:
        found = folder / "counts.ndjson"
        await asyncio.to_thread(lambda: write_counts(found, counts(_client(stack))))
        return [found]
    (folder / DELIVER).touch()
    paths = [folder / f"{worker.name}{COUNTS}" for worker in stack.workers]
    deadline = time.monotonic() + _DELIVER_S
    while missing := [path.name for path in paths if not path.exists()]:
        if time.monotonic() > deadline:
            raise CrewError(f"no counts after {_DELIVER_S:.0f} s: {', '.join(missing)}")
        await asyncio.sleep(_LOOK_S)
    return paths


def _described(series: Series, events: int, all_series: Sequence[Series]) -> Document:
    one = next(other for other in all_series if other.path is series.path)
    rate, base = (Spread.of([events / run.cpu_s for run in runs]) for runs in (series.runs, one.runs))
    return {
        "path": series.path.value,
        "workers": series.workers,
        "runs": [asdict(run) for run in series.runs],
        "events_per_cpu_s": asdict(rate),
        "events_per_worker_cpu_s": asdict(Spread.of([events / sum(run.shares) for run in series.runs])),
        "events_per_s": asdict(Spread.of([events / run.wall_s for run in series.runs])),
        "peak_rss": asdict(Spread.of([float(run.peak_rss) for run in series.runs])),
        "drop": 1 - rate.median / base.median,
    }


def sheets(document: Document) -> list[Sheet]:
    """The table of a measurement."""
    options, counted = document["options"], document["input"]
    fewest = document["series"][0]["workers"]
    rows = [
        [
            series["path"],
            str(series["workers"]),
            f"{series['events_per_cpu_s']['median']:,.0f}",
            "" if series["workers"] == fewest else f"{series['drop']:.1%}",
            f"{series['events_per_worker_cpu_s']['median']:,.0f}",
            f"{series['events_per_s']['median']:,.0f}",
            f"{series['peak_rss']['median'] / 1e6:,.0f}",
        ]
        for series in document["series"]
    ]
    caption = (
        f"{counted['events']:,} events ({options['shape']}, seed {options['seed']}), {counted['keys']:,} distinct "
        f"keys, {options['partitions']} partitions a topic, median of {options['runs']}; every count compared with "
        "the truth. "
        "CPU of all workers of the group, on the full path with ClickHouse's."
    )
    headings = ("path", "workers", "per CPU second", "drop", "workers' CPU alone", "per second", "peak MB, all")
    return [Sheet("Events per CPU second by workers in the group", headings, rows, caption)]
