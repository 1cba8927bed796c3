"""tagpulse loadtest: what a deployment sustains, how fresh its counts are, and whether they are right."""

from __future__ import annotations

import asyncio
import shlex
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from aiokafka.errors import KafkaError
from clickhouse_connect.driver.exceptions import ClickHouseError
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from loadtest.crew import CrewError
from loadtest.document import Document, DocumentError, encode, header, read
from loadtest.sheets import number
from sinks.client import first_line
from tagpulse.stack.broker import BrokerKind

loadtest = typer.Typer(no_args_is_help=True, help="Send a workload, measure from outside, compare every count.")
T = TypeVar("T")

_EXIT = {"PASS": 0, "FAIL": 1, "VOID": 3}
_MISSING = "load tests need more packages: pip install 'tagpulse[loadtest]'"

Name = Annotated[str, typer.Argument(help="One of `tagpulse loadtest list`, or a .yaml file.")]
Target = Annotated[
    str,
    typer.Option(help="local: a stack of its own. Or BOOTSTRAP,CLICKHOUSE: servers of yours (logins by TAGPULSE_...)."),
]
Kind = Annotated[BrokerKind, typer.Option("--broker", help="Of --target local. kafka: needs Java and Maven.")]
Seconds = Annotated[float | None, typer.Option(min=0.5, help="Stretch the workload to so long.")]
Peak = Annotated[
    float | None, typer.Option(min=1, help="Scale its rates so that the highest is this, events per second.")
]
Workers = Annotated[int | None, typer.Option(min=1, help="Workers, instead of the workload's.")]
Partitions = Annotated[int | None, typer.Option(min=1, help="Partitions of each topic, instead of the workload's.")]
Senders = Annotated[int | None, typer.Option(min=1, help="Processes that send, instead of the workload's.")]
Seed = Annotated[int | None, typer.Option(min=0, help="Other events, at the same times.")]
Elsewhere = Annotated[bool, typer.Option("--allow-remote", help="Send to a host that is not this machine.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Plain = Annotated[bool, typer.Option("--no-idempotence", help="The brokers of --target have no idempotent producers.")]
Replication = Annotated[int, typer.Option(min=1, help="Copies of each partition of the topics made on --target.")]


def register(cli: typer.Typer) -> None:
    """Add the commands to `cli`."""
    cli.add_typer(loadtest, name="loadtest", rich_help_panel="Measure")


@loadtest.command("list")
def list_workloads() -> None:
    """Show the workloads there are."""
    try:
        from loadtest.load.workload import load, names
    except ImportError as error:
        _fail(f"{_MISSING} ({error.name} is missing)")
    table = Table("workload", "what it is", "seconds", "peak rate", "workers")
    for name in names():
        found = load(name)
        peak = f"{found.peak:,.0f}" if found.peak else "max"
        table.add_row(name, found.description, f"{found.seconds:g}", peak, str(found.workers))
    Console().print(table)


@loadtest.command("run")
def run_one(
    workload: Name,
    target: Target = "local",
    broker: Kind = BrokerKind.EMBEDDED,
    kafka_nodes: Annotated[int, typer.Option(min=1, help="Nodes of --broker kafka.")] = 1,
    seconds: Seconds = None,
    peak: Peak = None,
    workers: Workers = None,
    partitions: Partitions = None,
    senders: Senders = None,
    seed: Seed = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(help="A fault and when, like kill-worker@10 or cut-kafka@20+5 (for 5 s); several times."),
    ] = None,
    out: Annotated[Path | None, typer.Option(dir_okay=False, help="Write everything here as JSON.")] = None,
    report: Annotated[Path | None, typer.Option(dir_okay=False, help="Write a report here: one HTML file.")] = None,
    allow_remote: Elsewhere = False,
    yes: Yes = False,
    no_idempotence: Plain = False,
    replication: Replication = 1,
) -> None:
    """Run a workload and compare every count with what was sent.

    Exit code 0: PASS; 1: counts are wrong, or something failed; 2: the command is wrong; 3: VOID, the generator fell
    behind, so that the run says nothing about speed.

    Example: tagpulse loadtest run burst --seconds 20 --fault kill-worker@5 --report burst.html
    """
    console = Console()
    _writable(out, report)
    chosen = _workload(workload, seconds=seconds, peak=peak, workers=workers, partitions=partitions, senders=senders,
                       seed=seed, faults=fault)  # fmt: skip
    at = _target(target, broker, kafka_nodes, allow_remote, yes, no_idempotence, replication)
    document = header("load", _command()) | _run(lambda: _shown(chosen, at, console))
    _show(document, console)
    _leave(document, out, report, console)
    raise typer.Exit(_EXIT[document["outcome"]])


@loadtest.command("search")
def search_rate(
    workload: Name = "steady",
    visible_p99: Annotated[
        float, typer.Option(min=0.1, help="Objective: seconds until visible, 99th percentile.")
    ] = 2.0,
    low: Annotated[float, typer.Option(min=1, help="A rate that should hold, events per second.")] = 1_000,
    high: Annotated[float, typer.Option(min=1, help="A rate that should not.")] = 100_000,
    tolerance: Annotated[float, typer.Option(min=0.01, help="Stop when the bracket is narrower than this.")] = 0.1,
    repeats: Annotated[int, typer.Option(min=1, help="Runs at a rate, all of which must hold.")] = 3,
    seconds: Annotated[float, typer.Option(min=8, help="Length of a run.")] = 20.0,
    workers: Annotated[list[int] | None, typer.Option(min=1, help="Workers; several times for a curve.")] = None,
    partitions: Annotated[list[int] | None, typer.Option(min=1, help="Partitions; several times for a curve.")] = None,
    target: Target = "local",
    broker: Kind = BrokerKind.EMBEDDED,
    senders: Senders = None,
    out: Annotated[Path | None, typer.Option(dir_okay=False, help="Write everything here as JSON.")] = None,
    allow_remote: Elsewhere = False,
    yes: Yes = False,
    no_idempotence: Plain = False,
    replication: Replication = 1,
) -> None:
    """Find the highest rate that is sustained: fresh, without growing lag, every count right.

    Each run has servers (or topics and a database) of its own. Exit code 1 where not even --low holds.
    """
    console = Console()
    _writable(out)
    at = _target(target, broker, 1, allow_remote, yes, no_idempotence, replication)
    chosen = _workload(workload, seconds=seconds, senders=senders)
    from loadtest.load.run import run
    from loadtest.load.search import Objectives, Trial, curve, search, sheet

    found: list[Document] = []

    def tell(trial: Trial) -> None:
        word = (
            "holds" if trial.holds else "does not hold: " + "; ".join(r for run in trial.runs for r in run["reasons"])
        )
        console.print(f"{number(trial.rate)} events per second: {word}", highlight=False, markup=False)

    for number_of_workers in workers or [chosen.workers]:
        for number_of_partitions in partitions or [chosen.partitions]:
            one = _changed(chosen, {"workers": number_of_workers, "partitions": number_of_partitions})
            try:
                document = _run(
                    lambda one=one: search(  # type: ignore[misc]
                        one, lambda scaled: run(scaled, at), Objectives(visible_p99_s=visible_p99), low=low, high=high,
                        repeats=repeats, tolerance=tolerance, on_trial=tell,
                    )
                )  # fmt: skip
            except ValueError as error:
                raise typer.BadParameter(str(error)) from None
            found.append(document)
            console.print(sheet(document).rich())
            if out is not None:
                out.write_bytes(encode(header("load-search", _command()) | {"searches": found}))
    if len(found) > 1:
        console.print(curve(found).rich())
    raise typer.Exit(0 if all(document["sustained"] for document in found) else 1)


@loadtest.command("report")
def write_report(
    document: Annotated[Path, typer.Argument(help="What `run --out` wrote.")],
    out: Annotated[Path, typer.Option(dir_okay=False, help="The HTML file.")] = Path("report.html"),
) -> None:
    """Write the report of an earlier run."""
    _leave(_document(document), None, out, Console())


@loadtest.command("compare")
def compare_runs(
    one: Annotated[Path, typer.Argument(help="What `run --out` wrote.")],
    other: Annotated[Path, typer.Argument(help="The same of another run.")],
) -> None:
    """Two runs side by side, with ratios."""
    try:
        from loadtest.load.sheets import compare
    except ImportError as error:
        _fail(f"{_MISSING} ({error.name} is missing)")
    Console().print(compare(_document(one), _document(other), [one.name, other.name]).rich())


@loadtest.command("generator")
def generator_alone(
    workload: Name = "steady",
    seconds: Annotated[float, typer.Option(min=0.1, help="How long.")] = 3.0,
) -> None:
    """How many events per second one sender encodes when it does nothing else: the limit of the generator itself."""
    from loadtest.load.sender import alone
    from loadtest.load.templates import Templates

    rate = alone(Templates(_workload(workload)), seconds)
    Console().print(f"{rate:,.0f} events per second and process", highlight=False)


# -- on the way ---------------------------------------------------------------------------------------------------


def _workload(name: str, *, faults: list[str] | None = None, **changes: Any) -> Any:
    try:
        from loadtest.load.workload import WorkloadError, load
    except ImportError as error:
        _fail(f"{_MISSING} ({error.name} is missing)")
    try:
        chosen = load(name).scaled(changes.pop("seconds", None), changes.pop("peak", None))
        fields = {field: value for field, value in changes.items() if value is not None}
        if faults:
            fields["faults"] = [*chosen.model_dump()["faults"], *map(_fault, faults)]
        return chosen.changed(fields)
    except WorkloadError as error:
        raise typer.BadParameter(str(error), param_hint="WORKLOAD") from None


def _changed(workload: Any, fields: dict[str, Any]) -> Any:
    from loadtest.load.workload import WorkloadError

    try:
        return workload.changed(fields)
    except WorkloadError as error:
        raise typer.BadParameter(str(error)) from None


def _fault(text: str) -> dict[str, Any]:
    """`kill-worker@10`, `cut-kafka@20+5`."""
    kind, _, moment = text.partition("@")
    begin, plus, lasting = moment.partition("+")
    try:
        return {"fault": kind, "at_s": float(begin), **({"seconds": float(lasting)} if plus else {})}
    except ValueError:
        example = "kill-worker@10 or cut-kafka@20+5"
        raise typer.BadParameter(
            f"{text!r}: write a fault and its second, like {example}", param_hint="--fault"
        ) from None


def _target(
    text: str, broker: BrokerKind, nodes: int, allow_remote: bool, yes: bool, plain: bool, replication: int
) -> Any:  # fmt: skip
    from loadtest.load.servers import Local, Remote, TargetError

    if text == "local":
        return Local(broker=broker, kafka_nodes=nodes)
    try:
        target = Remote.of(text, idempotent=not plain, replication=replication, allow_remote=allow_remote)
    except TargetError as error:
        raise typer.BadParameter(str(error), param_hint="--target") from None
    if elsewhere := target.elsewhere():
        if not allow_remote:
            raise typer.BadParameter(
                f"{', '.join(elsewhere)} is not this machine: load goes there only with --allow-remote",
                param_hint="--target",
            )
        if not yes:
            typer.confirm(f"Send a load test to {', '.join(elsewhere)}?", abort=True)
    return target


async def _shown(workload: Any, target: Any, console: Console) -> Document:
    from loadtest.load.run import run
    from loadtest.load.watch import Sample

    with Live(console=console, refresh_per_second=4, transient=True) as live:

        def tell(what: str, sample: Sample | None) -> None:
            table = Table(title=f"{escape(workload.name)}: {escape(what)}", title_justify="left")
            if sample is not None:
                for heading in ("second", "confirmed", "visible", "behind", "parts", "CPU"):
                    table.add_column(heading, justify="right")
                cpu = "  ".join(f"{name} {used:.1f} s" for name, used in sorted(sample.cpu_s.items()))
                second = f"{max(0.0, sample.second):.0f} of {workload.seconds:.0f}"
                numbers = (sample.confirmed, sample.visible, max(0, sample.confirmed - sample.visible), sample.parts)
                table.add_row(second, *(f"{value:,}" for value in numbers), cpu)
            live.update(table)

        return await run(workload, target, tell)


def _run(work: Callable[[], Awaitable[T]]) -> T:
    from loadtest.load.servers import TargetError

    async def run() -> T:
        task = asyncio.current_task()
        assert task is not None
        # As for Ctrl-C: what was started is ended, what was made on servers of the user is removed.
        for name in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(name, task.cancel)
        return await work()

    try:
        return asyncio.run(run())
    except (CrewError, TargetError) as error:
        _fail(str(error))
    except (KafkaError, ClickHouseError) as error:
        _fail(f"a server failed while it was needed: {first_line(error)}. Check that it runs, and try again.")
    except (KeyboardInterrupt, asyncio.CancelledError):
        Console(stderr=True).print("interrupted; everything that was started has been ended")
        raise typer.Exit(130) from None


def _writable(*paths: Path | None) -> None:
    """Before a run, not after it."""
    for path in filter(None, paths):
        if not path.resolve().parent.is_dir():
            raise typer.BadParameter(f"{path.resolve().parent} is no directory: make it first", param_hint=str(path))


def _show(document: Document, console: Console) -> None:
    from loadtest.load.sheets import conclusion, sheets

    for sheet in sheets(document):
        console.print(sheet.rich())
    first, *rest = conclusion(document)
    style = {"PASS": "bold green", "FAIL": "bold red", "VOID": "bold yellow"}[document["outcome"]]
    console.print(first, style=style, highlight=False, markup=False)
    for sentence in rest:
        console.print(sentence, highlight=False, markup=False)


def _leave(document: Document, out: Path | None, report: Path | None, console: Console) -> None:
    if out is not None:
        out.write_bytes(encode(document))
    if report is not None:
        try:
            from loadtest.load.report import page

            report.write_text(page(document))
        except ImportError as error:
            _fail(f"{_MISSING} ({error.name} is missing)")
        console.print(f"report: {report}", highlight=False, markup=False)


def _document(path: Path) -> Document:
    try:
        document = read(path)
    except DocumentError as error:
        raise typer.BadParameter(str(error)) from None
    if document["form"] != "load":
        raise typer.BadParameter(f"{path} is a measurement of the form {document['form']}, not of a load test")
    return document


def _command() -> str:
    return shlex.join(["tagpulse", *sys.argv[1:]])


def _fail(message: str) -> NoReturn:
    Console(stderr=True).print(f"[bold red]Error:[/] {escape(message)}", highlight=False, soft_wrap=True)
    raise typer.Exit(1)
