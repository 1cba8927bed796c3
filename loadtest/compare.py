"""Counting side by side with what people would use instead: same topics, same events, same counts to come to.

Each contestant is a process of its own (loadtest.peers), reads all topics from their beginning and delivers its
counts, which are compared with the truth key by key: one that counts wrong gets no figures. Rounds are
interleaved, so that a noisy minute of the machine falls on all.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict, dataclass, replace

from rich.console import Console

from loadtest.peers.loading import load
from loadtest.peers.registry import STAGES, Contestant, named
from loadtest.peers.report import Outcome, Report
from loadtest.peers.workload import Shape, Workload
from loadtest.running import run
from tagpulse.local import local_options
from tagpulse.stack.supervisor import Stack

_QUICK_EVENTS, _QUICK_PREFIX = 20_000, 1_000
_QUICK_QUIET_S = 0.5


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
    quiet_s: float = 3.0
    """Merges in ClickHouse have settled when there were none for so long."""

    @classmethod
    def quick(cls, **others: object) -> Options:
        """Everything once on a small input, side by side: whether all count right. Its figures mean little."""
        quick = cls(
            events=_QUICK_EVENTS, runs=1, least_prefix=_QUICK_PREFIX, at_once=3, quiet_s=_QUICK_QUIET_S
        )  # fmt: skip
        return replace(quick, **others)  # type: ignore[arg-type]

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
            "rows": whole.truth.rows,
            "keys": len(whole.truth),
        }
        turn = asyncio.Semaphore(options.at_once)

        async def take_turn(outcome: Outcome, number: int) -> None:
            async with turn:
                if not outcome.wrong:
                    await run(stack, outcome, sets[outcome.events], options.partitions, number, options.quiet_s)
                    console.print(_line(number, outcome), style="dim", highlight=False)

        for number in range(1, options.runs + 1):
            with console.status(f"run {number} of {options.runs}"):
                await asyncio.gather(*(take_turn(outcome, number) for outcome in playing))
    return report


def _line(number: int, outcome: Outcome) -> str:
    title = f"run {number}: {outcome.contestant.title}"
    if outcome.wrong:
        return f"{title}: {outcome.wrong[0].splitlines()[0]}"
    return f"{title}: {outcome.events / outcome.runs[-1].cpu_s:,.0f} events per CPU second"
