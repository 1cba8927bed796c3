"""Counting side by side with what people would use instead: same topics, same events, same counts to come to.

    python -m loadtest.compare --quick

Each contestant is a process of its own (loadtest.peers), reads all topics from their beginning and delivers its
counts, which are compared with the truth key by key: one that counts wrong gets no figures. Rounds are
interleaved, so that a noisy minute of the machine falls on all.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from loadtest.peers.check import differences
from loadtest.peers.job import COUNTS, Figures, Job
from loadtest.peers.loading import Loaded, load
from loadtest.peers.registry import STAGES, Contestant, named
from loadtest.peers.report import Outcome, Report
from loadtest.peers.workload import Shape, Workload
from tagpulse.local import local_options, worker_environment
from tagpulse.stack.logfile import LogFile
from tagpulse.stack.process import ManagedProcess
from tagpulse.stack.supervisor import Stack

_QUICK_EVENTS, _QUICK_PREFIX = 20_000, 1_000
#: A run that is slower than this, events per second, is given up.
_HOPELESS_PER_S, _HOPELESS_ON_A_PREFIX_PER_S, _START_S = 1_000, 50, 90.0
_GRACE_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to compare. The same seed gives the same events, but for their times, which end now."""

    events: int = 2_000_000
    runs: int = 3
    shape: Shape = Shape.SAMPLE
    seed: int = 1
    partitions: int = 4
    contestants: tuple[str, ...] = ()
    """Names in loadtest.peers.registry; none means all."""
    stages: bool = True
    """Measure the stages of the full path, too."""
    at_once: int = 1
    """Contestants that run at a time; more than one spoils the figures."""
    least_prefix: int = 20_000
    """Slow contestants count no fewer events than this (or all)."""

    @classmethod
    def quick(cls, **others: object) -> Options:
        """Everything once on a small input, side by side: whether all count right. Its figures mean little."""
        return replace(cls(events=_QUICK_EVENTS, runs=1, least_prefix=_QUICK_PREFIX, at_once=3), **others)  # type: ignore[arg-type]

    def share(self, contestant: Contestant) -> int:
        """Events that a contestant counts."""
        return min(
            self.events, max(self.events // contestant.prefix, self.least_prefix if contestant.prefix > 1 else 0)
        )


async def compare(options: Options, console: Console | None = None) -> Report:
    """Start a stack, load its broker, let everybody run, end the stack.

    To be called in the main thread. Raises StackError where the stack does not start, ValueError where a
    contestant is unknown. Progress goes to `console`.
    """
    console = console or Console(quiet=True)
    report = Report(asdict(options))
    report.outcomes = [Outcome(contestant, options.share(contestant)) for contestant in named(options.contestants)]
    if options.stages:
        report.stages = Outcome(STAGES, options.events)
    outcomes = [*report.outcomes, *([report.stages] if report.stages else [])]
    for outcome in outcomes:
        if missing := outcome.contestant.missing:
            outcome.skipped = f"{' and '.join(missing)} cannot be imported: pip install 'tagpulse[bench]'"
    playing = [outcome for outcome in outcomes if not outcome.skipped]
    async with Stack(local_options(workers=0, partitions=options.partitions)) as stack:
        workload = Workload(shape=options.shape, seed=options.seed, number=options.events, until_s=int(time.time()))
        with console.status("") as status:
            sets = await load(
                stack.endpoints.kafka,
                workload,
                {outcome.events for outcome in playing},
                options.partitions,
                lambda done: status.update(f"putting events into Kafka: {done:,} of {options.events:,}"),
            )
        whole = sets[options.events]
        report.options["until_s"] = workload.until_s
        report.input = {
            "events": whole.events,
            "bytes_per_event": whole.size / max(1, whole.events),
            "rows": whole.rows,
            "keys": len(whole.truth),
        }
        turn = asyncio.Semaphore(options.at_once)

        async def take_turn(outcome: Outcome, number: int) -> None:
            async with turn:
                if not outcome.wrong:
                    await _run(stack, outcome, sets[outcome.events], options.partitions, number)
                    console.print(_line(number, outcome), style="dim", highlight=False)

        for number in range(1, options.runs + 1):
            with console.status(f"run {number} of {options.runs}"):
                await asyncio.gather(*(take_turn(outcome, number) for outcome in playing))
    return report


async def _run(stack: Stack, outcome: Outcome, loaded: Loaded, partitions: int, number: int) -> None:
    """Let a contestant run once; its figures, or what was wrong, go to `outcome`."""
    contestant = outcome.contestant
    with tempfile.TemporaryDirectory(prefix="tagpulse-compare-") as folder:
        job = Job(
            kafka=stack.endpoints.kafka,
            topics=loaded.topics,
            partitions=partitions,
            events=loaded.events,
            rows=loaded.rows,
            group=f"{contestant.name}-{number}",
            folder=folder,
            clickhouse_pid=stack.clickhouse.process.pid,
        )
        log = LogFile(Path(folder) / "log.txt")
        process = ManagedProcess(
            contestant.name,
            [sys.executable, "-m", contestant.module, job.encode()],
            env=_environment(stack),
            log=log,
            grace_s=_GRACE_S,
        )
        slowest = _HOPELESS_PER_S if contestant.prefix == 1 else _HOPELESS_ON_A_PREFIX_PER_S
        deadline_s = _START_S + loaded.events / slowest
        await process.start()
        try:
            async with asyncio.timeout(deadline_s):
                code = await process.wait()
        except TimeoutError:
            outcome.wrong = [f"has not counted all after {deadline_s:.0f} s\n{log.tail()}"]
            return
        finally:
            process.kill()
            await process.wait()
        if code:
            outcome.wrong = [f"ended with {process.exit_text()}\n{log.tail()}"]
            return
        if contestant.counts:
            outcome.wrong = await asyncio.to_thread(differences, Path(folder) / COUNTS, loaded.truth)
        outcome.runs.append(Figures.read(Path(folder)))


def _environment(stack: Stack) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TAGPULSE_")}
    return inherited | worker_environment(stack.endpoints) | {"TERM": "dumb"}


def _line(number: int, outcome: Outcome) -> str:
    title = f"run {number}: {outcome.contestant.title}"
    if outcome.wrong:
        return f"{title}: {outcome.wrong[0].splitlines()[0]}"
    return f"{title}: {outcome.events / outcome.runs[-1].cpu_s:,.0f} events per CPU second"


def main(
    events: Annotated[int, typer.Option(min=1_000, help="Events; slow contestants count a prefix.")] = 2_000_000,
    runs: Annotated[int, typer.Option(min=1, help="Runs of each; the median is shown.")] = 3,
    shape: Annotated[Shape, typer.Option(help="Hashtags as in real videos, or the uniform worst case.")] = Shape.SAMPLE,
    seed: Annotated[int, typer.Option(help="The same seed gives the same events.")] = 1,
    only: Annotated[list[str] | None, typer.Option(help="A contestant; several times for several.")] = None,
    stages: Annotated[bool, typer.Option(help="Measure the stages of the full path, too.")] = True,
    quick: Annotated[bool, typer.Option("--quick", help="Small and once: do all count right?")] = False,
    out: Annotated[Path | None, typer.Option(dir_okay=False, help="Write everything here as JSON.")] = None,
    plot: Annotated[Path | None, typer.Option(dir_okay=False, help="Draw the ratios here (.png or .svg).")] = None,
) -> None:
    """Compare tagpulse with Faust, Quix Streams, Bytewax, ClickHouse's Kafka engine and plain aiokafka.

    Exit code 1 where a contestant counted wrong.
    """
    console = Console()
    options = Options(events=events, runs=runs)
    if quick:
        options = Options.quick()
    options = replace(options, shape=shape, seed=seed, contestants=tuple(only or ()), stages=stages)
    report = asyncio.run(compare(options, console))
    report.show(console)
    if out is not None:
        out.write_bytes(report.json())
    if plot is not None:
        from loadtest.plots import draw

        draw(report, plot)
    if not report.passed:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
