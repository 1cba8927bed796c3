"""What the runs came to: medians, ratios, targets, and the tables that show them."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass, field
from typing import Any

from loadtest.document import Document
from loadtest.peers.job import Figures
from loadtest.peers.registry import CONTESTANTS, STAGES, Contestant
from loadtest.sheets import Sheet, number
from loadtest.targets import CLICKHOUSE, MERGES, judge

#: What others are measured by: what a user of Faust would have.
_BASELINES = ("faust_table", "faust_dict", "aiokafka_dict")
_LOG_LINES = 6


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

    def rates(self) -> dict[str, Spread]:
        """Events per CPU second: of its processes, `+clickhouse` with the server's, `+merges` with those until idle."""
        found, name, others = {}, self.contestant.name, list[str]()
        found[name] = self._per_cpu_s(others)
        for suffix, cpu in ((CLICKHOUSE, "clickhouse_cpu_s"), (MERGES, "merges_cpu_s")):
            if all(cpu in run.extra for run in self.runs):
                name, others = name + suffix, [*others, cpu]
                found[name] = self._per_cpu_s(others)
        return found

    def _per_cpu_s(self, others: list[str]) -> Spread:
        return Spread.of([self.events / (run.cpu_s + sum(run.extra[cpu] for cpu in others)) for run in self.runs])

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
        return not any(outcome.wrong for outcome in self.all())

    def all(self) -> list[Outcome]:
        """Contestants and stages."""
        return [*self.outcomes, *([self.stages] if self.stages else [])]

    def rates(self) -> dict[str, Spread]:
        """Events per CPU second by name (see Outcome.rates)."""
        return {n: rate for outcome in self.outcomes if outcome.valid for n, rate in outcome.rates().items()}

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

    def document(self) -> Document:
        """Everything: input, all runs, medians, ratios and targets."""
        rates = self.rates()
        verdicts = judge({name: rate.median for name, rate in rates.items()})
        return {
            "options": self.options,
            "input": self.input,
            "contestants": [_described(outcome) for outcome in self.all()],
            "rates": {name: asdict(rate) for name, rate in rates.items()},
            "ratios": self.ratios(),
            "baseline": self.baseline(),
            "targets": [
                {
                    **asdict(verdict.target),
                    "measured": verdict.measured,
                    "met": verdict.met(),
                    "measured_with_merges": verdict.with_merges,
                    "met_with_merges": verdict.met_with_merges(),
                }
                for verdict in verdicts
            ],
            "stages_ns_per_event": self.stage_medians(),
        }


def _described(outcome: Outcome) -> Document:
    contestant = outcome.contestant
    described: Document = {
        "name": contestant.name,
        "title": contestant.title,
        "fair": contestant.fair,
        "events": outcome.events,
        "skipped": outcome.skipped,
        "wrong": outcome.wrong,
    }
    if outcome.valid:
        described["runs"] = [asdict(run) for run in outcome.runs]
        if contestant is not STAGES:
            described["events_per_s"] = asdict(outcome.per_wall_s())
            described["peak_rss"] = asdict(outcome.peak_rss())
    return described


def title_of(name: str) -> str:
    """A name in `rates` for people."""
    plain, *others = name.split("+")
    known = {contestant.name: contestant.title for contestant in CONTESTANTS}
    said = {"clickhouse": "with ClickHouse's CPU", "merges": "with merges until idle"}
    return ", ".join([known.get(plain, plain), *(said[other] for other in others)])


def sheets(document: Document) -> list[Sheet]:
    """The tables of a comparison: what was counted, rates, targets, stages."""
    found = [_rates_sheet(document), _targets_sheet(document["targets"])]
    if stages := document["stages_ns_per_event"]:
        found.append(_stages_sheet(stages))
    return found


def remarks(document: Document) -> list[str]:
    """Who has no figures, and why; whose merges had not ended in time."""
    found = []
    for contestant in document["contestants"]:
        if contestant["skipped"]:
            found.append(f"skipped {contestant['title']}: {contestant['skipped']}")
        for line in contestant["wrong"]:
            text = "\n".join(line.splitlines()[-_LOG_LINES:])
            found.append(f"no figures for {contestant['title']}: {text}")
        if any(run["extra"].get("merges_settled") == 0 for run in contestant.get("runs", ())):
            found.append(f"{contestant['title']}: merges went on past the deadline, their CPU is not all counted")
    return found


def _rates_sheet(document: Document) -> Sheet:
    rates, baseline, options, counted = (document[key] for key in ("rates", "baseline", "options", "input"))
    base = rates[baseline]["median"] if baseline else 1.0
    rows = []
    for contestant in document["contestants"]:
        name = contestant["name"]
        for rate in (rate for rate in rates if rate.split("+")[0] == name):
            own = rate == name
            rows.append(
                [
                    contestant["title"] if own else "- " + title_of(rate).rpartition(", ")[2],
                    f"{contestant['events']:,}" if own else "",
                    _spread(rates[rate]),
                    number(rates[rate]["median"] / base),
                    f"{contestant['events_per_s']['median']:,.0f}" if own else "",
                    f"{contestant['peak_rss']['median'] / 1e6:,.0f}" if own else "",
                ]
            )
    caption = (
        f"{counted['events']:,} events of {counted['bytes_per_event']:.0f} bytes ({options['shape']}, seed "
        f"{options['seed']}), {counted['rows']:,} rows to count, {counted['keys']:,} distinct keys; every key of every "
        "run compared with the truth. "
        + (f"times: as much as {title_of(baseline)}." if baseline else "Nobody has figures.")
    )
    return Sheet(
        f"Events per CPU second, median of {options['runs']} (least to greatest)",
        ("contestant", "events", "per CPU second", "times", "per second", "peak MB"),
        rows,
        caption,
    )


def _targets_sheet(targets: list[Document]) -> Sheet:
    rows = [
        [
            title_of(target["ours"]),
            title_of(target["against"]),
            f"{target['ratio']:g}",
            _measured(target["measured"], target["met"]),
            "" if target["measured_with_merges"] is None else _measured(
                target["measured_with_merges"], target["met_with_merges"]
            ),
        ]
        for target in targets
    ]  # fmt: skip
    return Sheet(
        "Targets: events per CPU second, ours against theirs",
        ("ours", "against", "at least", "measured", "with merges until idle"),
        rows,
    )


def _measured(ratio: float | None, met: bool | None) -> str:
    return "not measured" if ratio is None else f"{number(ratio)}, {'met' if met else 'not met'}"


def _stages_sheet(stages: dict[str, float]) -> Sheet:
    whole = sum(stages.values())
    rows = [[stage, f"{ns:,.0f}", f"{ns / whole:.0%}"] for stage, ns in stages.items()]
    rows.append(["whole: worker and ClickHouse", f"{whole:,.0f}", "100%"])
    return Sheet("The full path by stage: CPU time per event", ("stage", "ns", "share"), rows)


def _spread(spread: Document) -> str:
    if spread["least"] == spread["greatest"]:
        return f"{spread['median']:,.0f}"
    return f"{spread['median']:,.0f} ({spread['least']:,.0f} to {spread['greatest']:,.0f})"
