"""The highest rate that a deployment sustains under stated objectives, by isolated runs; and how that scales."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from loadtest.crew import CrewError
from loadtest.document import Document
from loadtest.load.workload import Workload
from loadtest.sheets import Sheet, milliseconds, number

Run = Callable[[Workload], Awaitable[Document]]
#: A lag that grows by less than this share of the rate does not grow: flushes that begin a moment earlier make as much.
_LAG_NOISE = 0.05
#: Less than this share of the rate was sent: then it was not this rate.
_SENT = 0.95
#: A void run is the generator's fault, not the deployment's: it is repeated so often.
_VOID_REPEATS = 2


@dataclass(frozen=True, kw_only=True)
class Objectives:
    """What a rate must keep to be sustained. Every count is right, and none is missing, in any case.

    `visible_p99_s`: from due to visible in a SELECT, 99th percentile. The lag must not grow over the second half, and
    the rate must really have been sent.
    """

    visible_p99_s: float = 2.0


@dataclass
class Trial:
    """All runs at one rate, each on servers of its own. `reasons`: of each run, why it does not keep the objectives."""

    rate: float
    runs: list[dict[str, Any]] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether every run kept the objectives."""
        return bool(self.runs) and not any(run["reasons"] for run in self.runs)


def misses(document: Document, rate: float, objectives: Objectives) -> list[str]:
    """Why a run at `rate` (events per second) does not keep the objectives; [] where it does."""
    found = []
    if document["outcome"] != "PASS":
        found.append(document["outcome"] + ("" if document["verdict"]["right"] else ": counts differ"))
        found += [reason.partition(":")[0] for reason in document["void"]]
    if (sent := document["sent"]["per_second"]) < _SENT * rate:
        found.append(f"only {number(sent)} events per second were sent")
    if (p99 := document["latency_s"]["visible"]["p99"]) > objectives.visible_p99_s:
        found.append(f"visible after {milliseconds(p99)}, p99")
    if (growth := document["lag_growth"]) is None:
        found.append("too short to tell whether the lag grows")
    elif growth > _LAG_NOISE * rate:
        found.append(f"the lag grows by {number(growth)} events per second")
    return found


def require_even(workload: Workload) -> None:
    """Raise ValueError where the workload has not one even rate, of which it could be said that it is sustained."""
    steps = workload.steps
    if len(steps) != 1 or steps[0].rate == "max" or steps[0].to not in (None, steps[0].rate) or workload.backlog:
        raise ValueError(
            f"{workload.name} has not one even rate: search with a workload of one step and no backlog, like steady"
        )


async def search(
    workload: Workload,
    run: Run,
    objectives: Objectives,
    *,
    low: float,
    high: float,
    repeats: int = 3,
    tolerance: float = 0.1,
    on_trial: Callable[[Trial], None] = lambda trial: None,
) -> Document:
    """Halve the bracket [low, high] (events per second, in ratios) until it is narrower than `tolerance`.

    Each rate is run up to `repeats` times, each time anew; the first miss ends a trial. The document names the
    highest rate that held in all its runs, the lowest that did not, and every run. A run that fails is a miss, a void
    one is repeated. Raises ValueError for a bracket that is none, and for a workload without one even rate.
    """
    if not 0 < low < high:
        raise ValueError(
            f"the bracket is {low:g} to {high:g}: the lower rate must be positive and below the higher one"
        )
    require_even(workload)
    trials: list[Trial] = []

    async def once(rate: float) -> dict[str, Any]:
        try:
            document = await run(workload.scaled(peak=rate))
        except CrewError as error:
            return {"reasons": [str(error).partition("\n")[0]], "visible_p99_s": None, "outcome": "FAIL"}
        return {
            "reasons": misses(document, rate, objectives),
            "outcome": document["outcome"],
            "per_second": document["sent"]["per_second"],
            "visible_p99_s": document["latency_s"]["visible"]["p99"],
            "lag_growth": document["lag_growth"],
            "cpu_s": document["cpu_s"],
        }

    async def held(rate: float) -> bool:
        trial, voids = Trial(rate), 0
        trials.append(trial)
        while len(trial.runs) < repeats:
            found = await once(rate)
            if found["outcome"] == "VOID" and voids < _VOID_REPEATS:
                voids += 1
                continue
            trial.runs.append(found)
            if found["reasons"]:
                break
        on_trial(trial)
        return trial.holds

    best, worst = None, None
    if await held(low):
        best = low
        if await held(high):
            best = high
        else:
            worst = high
            while worst / best > 1 + tolerance:
                middle = (best * worst) ** 0.5
                if await held(middle):
                    best = middle
                else:
                    worst = middle
    else:
        worst = low
    spread = sorted(run["visible_p99_s"] for trial in trials if trial.rate == best for run in trial.runs)
    return {
        "workload": workload.model_dump(mode="json"),
        "objectives": asdict(objectives),
        "repeats": repeats,
        "sustained": best,
        "not_sustained": worst,
        "visible_p99_s": spread,
        "trials": [{"rate": trial.rate, "holds": trial.holds, "runs": trial.runs} for trial in trials],
    }


def sheet(document: Document) -> Sheet:
    """All trials in the order of their rates, and what follows."""
    rows = []
    for trial in sorted(document["trials"], key=lambda trial: trial["rate"]):
        p99 = [run["visible_p99_s"] for run in trial["runs"] if run["visible_p99_s"] is not None]
        reasons = "; ".join(reason for run in trial["runs"] for reason in run["reasons"])
        shown = f"{milliseconds(min(p99))} to {milliseconds(max(p99))}" if p99 else "-"
        held = "yes" if trial["holds"] else "no"
        rows.append([number(trial["rate"]), str(len(trial["runs"])), shown, held, reasons])
    return Sheet(
        "Rates tried", ("events per second", "runs", "visible, p99", "sustained", "why not"), rows, summary(document)
    )  # fmt: skip


def summary(document: Document) -> str:
    """The answer in one sentence."""
    best, worst = document["sustained"], document["not_sustained"]
    bound = milliseconds(document["objectives"]["visible_p99_s"])
    if best is None:
        return f"Not even {number(worst)} events per second are sustained (visible within {bound}, p99)."
    above = f"{number(worst)} are not" if worst is not None else "more was not tried"
    p99 = document["visible_p99_s"]
    return (
        f"{number(best)} events per second are sustained: visible within {bound}, p99, no growing lag, "
        f"every count right in all {len(p99)} runs (p99 {milliseconds(p99[0])} to {milliseconds(p99[-1])}); {above}."
    )


def curve(documents: Sequence[Document]) -> Sheet:
    """How the sustained rate changes with workers and partitions."""
    rows = []
    for document in documents:
        rates = (document["sustained"], document["not_sustained"])
        workload = document["workload"]
        shown = [number(rate) if rate else "-" for rate in rates]
        rows.append([str(workload["workers"]), str(workload["partitions"]), *shown])
    return Sheet("Sustained events per second", ("workers", "partitions a topic", "sustained", "not sustained"), rows)
