"""tagpulse plan: what a load takes, from costs measured on a machine, and whether those costs are right."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import Coroutine
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.markup import escape

from loadtest import forms
from loadtest.crew import CrewError
from loadtest.document import Document, DocumentError, encode, header, publish
from loadtest.peers.workload import Shape
from loadtest.planner import calibrate, check, coefficients, plan, scales
from loadtest.planner.demand import Demand, DemandError
from tagpulse.cli.report_format import ReportFormat

planner = typer.Typer(invoke_without_command=True)
T = TypeVar("T")

DEFAULT = Demand(events_per_day=1)
COEFFICIENTS = Path("coefficients.json")

Calibration = Annotated[
    Path | None,
    typer.Option("--coefficients", dir_okay=False, help="What `tagpulse plan calibrate` wrote; else that of tagpulse."),
]
Form = Annotated[ReportFormat, typer.Option("--format", help="For people, or as JSON.")]
Out = Annotated[Path | None, typer.Option(dir_okay=False, help="Write everything here as JSON.")]
Docs = Annotated[Path | None, typer.Option(dir_okay=False, help="Put the tables between the markers of this page.")]
Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same events.")]


def register(cli: typer.Typer) -> None:
    """Add the commands to `cli`."""
    cli.add_typer(planner, name="plan", rich_help_panel="Measure")


@planner.callback()
def size_it(
    context: typer.Context,
    events_per_day: Annotated[float | None, typer.Option(help="All three types together, like 50e9.")] = None,
    peak_factor: Annotated[float, typer.Option(help="Rate at the peak over the day's average.")] = DEFAULT.peak_factor,
    hashtags: Annotated[float, typer.Option(help="Distinct hashtags in use on a day.")] = DEFAULT.hashtags,
    countries: Annotated[float, typer.Option(help="Distinct countries.")] = DEFAULT.countries,
    stickers: Annotated[float, typer.Option(help="Distinct stickers in use.")] = DEFAULT.stickers,
    tags_per_event: Annotated[float, typer.Option(help="Hashtags of an event, on average.")] = DEFAULT.tags_per_event,
    event_bytes: Annotated[float, typer.Option(help="Bytes of an event as JSON.")] = DEFAULT.event_bytes,
    sticker_share: Annotated[float, typer.Option(help="Sticker uses among all events.")] = DEFAULT.sticker_share,
    creation_share: Annotated[float, typer.Option(help="Creations; the rest are views.")] = DEFAULT.creation_share,
    kafka_replication: Annotated[float, typer.Option(help="Copies of a partition.")] = DEFAULT.kafka_replication,
    kafka_hours: Annotated[float, typer.Option(help="How long Kafka keeps events.")] = DEFAULT.kafka_hours,
    compression: Annotated[float, typer.Option(help="Bytes of a record over its bytes in the log.")] = (
        DEFAULT.compression
    ),
    minute_days: Annotated[float, typer.Option(help="Days that minutes are kept.")] = DEFAULT.minute_days,
    hour_days: Annotated[float, typer.Option(help="Days that hours are kept.")] = DEFAULT.hour_days,
    day_days: Annotated[float, typer.Option(help="Days of day tables to plan for.")] = DEFAULT.day_days,
    flush_interval_s: Annotated[float, typer.Option(help="Seconds; 0: the shortest that will do.")] = (
        DEFAULT.flush_interval_s
    ),
    partitions: Annotated[float, typer.Option(help="Of each topic; 0: one for each worker.")] = DEFAULT.partitions,
    utilisation: Annotated[float, typer.Option(help="Share of the CPU that may be busy at the peak.")] = (
        DEFAULT.utilisation
    ),
    outage_s: Annotated[float, typer.Option(help="Seconds that ClickHouse may be away.")] = DEFAULT.outage_s,
    recovery_s: Annotated[float, typer.Option(help="Seconds from its return until the backlog is gone.")] = (
        DEFAULT.recovery_s
    ),
    session_timeout_s: Annotated[float, typer.Option(help="After this a silent worker is gone.")] = (
        DEFAULT.session_timeout_s
    ),
    clickhouse_cores: Annotated[float, typer.Option(help="Cores of one ClickHouse server.")] = DEFAULT.clickhouse_cores,
    clickhouse_replicas: Annotated[float, typer.Option(help="Servers with the same rows.")] = (
        DEFAULT.clickhouse_replicas
    ),
    simulate: Annotated[bool, typer.Option(help="Simulate a normal time and failures, too.")] = True,
    seed: Seed = 1,
    calibration: Calibration = None,
    form: Form = ReportFormat.TABLE,
    out: Out = None,
    docs: Docs = None,
) -> None:
    """Partitions, workers, ClickHouse, Kafka, disks and recovery for a load, and what limits it first.

    Computed from costs that `tagpulse plan calibrate` measured on a machine, for cores like those of that machine.
    How far such a plan is off where it can be tried: `tagpulse plan check`. Assumptions: docs/scaling.md.

    Example: tagpulse plan --events-per-day 50e9 --peak-factor 3 --hashtags 1e8
    """
    if context.invoked_subcommand is not None:
        return
    if events_per_day is None:
        raise typer.BadParameter("how many are there? For example 50e9", param_hint="--events-per-day")
    asked = {name: value for name, value in context.params.items() if name in asdict(DEFAULT)}
    costs, source = _coefficients(calibration)
    console = Console(stderr=True)
    try:
        with console.status("") as status:
            document = plan.plan(
                Demand(**asked),
                costs,
                simulated=simulate,
                seed=seed,
                tell=lambda doing: status.update(f"simulating: {doing}"),
            )
    except DemandError as error:
        _fail(str(error))
    _finish("plan", document | {"calibration": source}, form, out, docs)
    if form is ReportFormat.TABLE:
        Console().print(_based_on(source), style="dim", highlight=False, markup=False)


@planner.command("calibrate")
def measure_costs(
    out: Annotated[Path, typer.Option(dir_okay=False, help="Where to write the costs, as JSON.")] = COEFFICIENTS,
    events: Annotated[int, typer.Option(min=1_000, help="Events of each run.")] = calibrate.Options.events,
    runs: Annotated[int, typer.Option(min=1, help="How often each is run.")] = calibrate.Options.runs,
    partitions: Annotated[int, typer.Option(min=1, help="Of each topic.")] = calibrate.Options.partitions,
    seed: Seed = calibrate.Options.seed,
    quick: Annotated[bool, typer.Option("--quick", help="Small: does it work? Its figures mean little.")] = False,
    docs: Docs = None,
) -> None:
    """Measure the costs on this machine: real runs of worker and ClickHouse, and a fit. About three minutes.

    Run it while the machine does nothing else. Every count is compared with the truth; exit code 1 where one is
    wrong, and nothing is written then.
    """
    _writable(out)
    options = (
        calibrate.Options.quick()
        if quick
        else calibrate.Options(events=events, runs=runs, partitions=partitions)
    )  # fmt: skip
    document = _run(calibrate.calibrate(replace(options, seed=seed), Console(stderr=True)))
    _finish("calibration", document, ReportFormat.TABLE, out, docs)


@planner.command("check")
def predict_and_measure(
    events: Annotated[int, typer.Option(min=1_000, help="Events in the backlog.")] = check.Options.events,
    partitions: Annotated[int, typer.Option(min=1, help="Of each topic.")] = check.Options.partitions,
    shape: Annotated[Shape, typer.Option(help="Hashtags as in real videos, or uniform.")] = check.Options.shape,
    tags: Annotated[int, typer.Option(min=10, help="Hashtags of the uniform shape.")] = check.Options.tags,
    max_delta_rows: Annotated[int, typer.Option(min=1, max=200_000, help="A delta of so many is written at once.")] = (
        check.Options.max_delta_rows
    ),
    seed: Seed = check.Options.seed,
    calibration: Calibration = None,
    form: Form = ReportFormat.TABLE,
    out: Out = None,
    docs: Docs = None,
) -> None:
    """Run a real backlog here that the calibration has not seen, and show prediction, measurement and error.

    Exit code 1 where a count is wrong; there are no figures then.
    """
    _writable(out)
    costs, source = _coefficients(calibration)
    options = check.Options(
        events=events, partitions=partitions, shape=shape, tags=tags, max_delta_rows=max_delta_rows, seed=seed
    )
    with Console(stderr=True).status("") as status:
        document = _run(check.check(options, costs, status.update))
    name = "check" if shape is Shape.SAMPLE else f"check-{shape}"
    if max_delta_rows < check.Options.max_delta_rows:
        name = "check-small"
    _finish(name, document | {"calibration": source}, form, out, docs)
    if form is ReportFormat.TABLE:
        Console().print(_based_on(source), style="dim", highlight=False, markup=False)


@planner.command("scales")
def at_many_scales(
    factor: Annotated[list[float] | None, typer.Option(help="A multiple; several times for several.")] = None,
    peak_factor: Annotated[float, typer.Option(help="Rate at the peak over the day's average.")] = (
        scales.Options.peak_factor
    ),
    calibration: Calibration = None,
    form: Form = ReportFormat.TABLE,
    out: Out = None,
    docs: Docs = None,
) -> None:
    """Plans for many times what one core of the calibration's machine counts and stores."""
    costs, source = _coefficients(calibration)
    options = scales.Options(factors=tuple(factor or scales.FACTORS), peak_factor=peak_factor)
    if wrong := [one for one in options.factors if not 0.01 <= one <= 1e7]:
        _fail(f"--factor is {wrong[0]:g}: give 0.01 to 10,000,000 (times what one core does)")
    try:
        document = scales.scales(options, costs)
    except DemandError as error:
        _fail(str(error))
    _finish("scales", document | {"calibration": source}, form, out, docs)


def _writable(path: Path | None) -> None:
    """Before minutes are spent on what cannot be kept."""
    if path is not None and not path.parent.is_dir():
        _fail(f"{path} cannot be written: there is no directory {path.parent}")


def _coefficients(path: Path | None) -> tuple[coefficients.Coefficients, Document]:
    """And where they come from."""
    try:
        document = coefficients.document_of(path)
        name = str(path) if path else "the calibration of tagpulse"
        found = coefficients.of(document, name)
    except DocumentError as error:
        _fail(str(error))
    return found, {name: document[name] for name in ("command", "date", "machine") if name in document}


def _based_on(source: Document) -> str:
    machine = source.get("machine", {})
    return (
        f"Costs: {source.get('command', '?')}, {str(source.get('date', '?'))[:10]}, on {machine.get('cpu', '?')} with "
        f"{machine.get('cores', '?')} cores."
    )


def _run(measurement: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(measurement)
    except CrewError as error:
        _fail(str(error))


def _finish(name: str, found: Document, form: ReportFormat, out: Path | None, docs: Path | None) -> None:
    """Show the document, and leave it where it was asked for."""
    document = header(name, shlex.join(["tagpulse", *sys.argv[1:]])) | found
    if form is ReportFormat.JSON:
        typer.echo(encode(document), nl=False)
    else:
        for sheet in forms.sheets(document):
            Console().print(sheet.rich())
    try:
        if out is not None:
            out.write_bytes(encode(document))
        if docs is not None:
            publish(document, forms.sheets(document), docs)
    except OSError as error:
        _fail(f"{out} cannot be written: {error.strerror}")
    except DocumentError as error:
        _fail(str(error))


def _fail(message: str) -> NoReturn:
    Console(stderr=True).print(f"[bold red]Error:[/] {escape(message)}", highlight=False, soft_wrap=True)
    raise typer.Exit(1)
