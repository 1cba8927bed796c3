"""tagpulse bench: what counting costs, beside what people would use instead, and how that scales."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.markup import escape

from loadtest import compare, forms, keys, latency, workers
from loadtest.crew import CrewError
from loadtest.document import Document, DocumentError, encode, header, publish, read
from loadtest.peers import report
from loadtest.peers.registry import named
from loadtest.peers.workload import Shape
from tagpulse.cli.up import Kind
from tagpulse.stack.broker import BrokerKind

bench = typer.Typer(invoke_without_command=True)
T = TypeVar("T")

Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same events.")]
Partitions = Annotated[int, typer.Option(min=1, help="Partitions of each topic.")]
Quick = Annotated[bool, typer.Option("--quick", help="Small and once: is all counted right? Its figures mean little.")]
Out = Annotated[Path | None, typer.Option(dir_okay=False, help="Write everything here as JSON.")]
Plot = Annotated[Path | None, typer.Option(dir_okay=False, help="Draw it here (.png or .svg).")]
Docs = Annotated[Path | None, typer.Option(dir_okay=False, help="Put the tables between the markers of this page.")]
ShapeOption = Annotated[Shape, typer.Option(help="Hashtags as in real videos, or the uniform worst case.")]


def register(cli: typer.Typer) -> None:
    """Add the commands to `cli`."""
    cli.add_typer(bench, name="bench", rich_help_panel="Measure")


@bench.callback()
def side_by_side(
    context: typer.Context,
    events: Annotated[int, typer.Option(min=1_000, help="Events; slow contestants count a prefix.")] = 2_000_000,
    runs: Annotated[int, typer.Option(min=1, help="Runs of each; the median is shown.")] = 3,
    shape: ShapeOption = Shape.SAMPLE,
    seed: Seed = 1,
    partitions: Partitions = 4,
    only: Annotated[list[str] | None, typer.Option(help="A contestant; several times for several.")] = None,
    stages: Annotated[bool, typer.Option(help="Measure the stages of the full path, too.")] = True,
    quick: Quick = False,
    out: Out = None,
    plot: Plot = None,
    docs: Docs = None,
) -> None:
    """Compare tagpulse with Faust, Quix Streams, Bytewax, ClickHouse's Kafka engine and plain aiokafka.

    Same topics, same events; every count is compared with the truth. Exit code 1 where one is wrong. Targets are
    shown as met or not met. The commands below measure how tagpulse scales.
    """
    if context.invoked_subcommand is not None:
        return
    console = Console()
    try:
        named(tuple(only or ()))
    except ValueError as error:
        _fail(str(error))
    options = compare.Options.quick() if quick else compare.Options(events=events, runs=runs)
    options = replace(
        options, shape=shape, seed=seed, partitions=partitions, contestants=tuple(only or ()), stages=stages
    )  # fmt: skip
    found = _measure(lambda: compare.compare(options, console))
    document = _finish("compare", found.document(), console, out, plot, docs)
    for remark in report.remarks(document):
        console.print(remark, style="yellow", highlight=False, markup=False)
    if not found.passed:
        raise typer.Exit(1)


@bench.command("workers")
def one_and_several(
    events: Annotated[int, typer.Option(min=1_000, help="Events in the backlog.")] = 1_000_000,
    runs: Annotated[int, typer.Option(min=1, help="Runs of each; the median is shown.")] = 3,
    number: Annotated[list[int] | None, typer.Option(min=1, help="Workers in a group; several times.")] = None,
    shape: ShapeOption = Shape.SAMPLE,
    seed: Seed = 1,
    partitions: Partitions = 4,
    quick: Quick = False,
    out: Out = None,
    plot: Plot = None,
    docs: Docs = None,
) -> None:
    """One worker and two in one group: events per CPU second, in memory and on the full path.

    Exit code 1 where a count is wrong.
    """
    options = workers.Options.quick() if quick else workers.Options(events=events, runs=runs)
    options = replace(options, shape=shape, seed=seed, partitions=partitions, workers=tuple(number or options.workers))
    console = Console()
    _finish("workers", _measure(lambda: workers.measure(options, console)), console, out, plot, docs)


@bench.command("keys")
def by_keys(
    number: Annotated[list[int] | None, typer.Option(min=1_000, help="Distinct keys; several times.")] = None,
    events: Annotated[int, typer.Option(min=1_000, help="Events, or as many as the keys need.")] = 500_000,
    runs: Annotated[int, typer.Option(min=1, help="Runs of each; the median is shown.")] = 1,
    seed: Seed = 1,
    partitions: Partitions = 4,
    quick: Quick = False,
    out: Out = None,
    plot: Plot = None,
    docs: Docs = None,
) -> None:
    """CPU time per event and memory against distinct keys, from ten thousand to ten million.

    Exit code 1 where a count is wrong.
    """
    options = keys.Options.quick() if quick else keys.Options(events=events, runs=runs)
    options = replace(options, seed=seed, partitions=partitions, keys=tuple(number or options.keys))
    console = Console()
    document = _finish("keys", _measure(lambda: keys.measure(options, console)), console, out, plot, docs)
    if not keys.passed(document):
        raise typer.Exit(1)


@bench.command("latency")
def latencies(
    rate: Annotated[int, typer.Option(min=100, help="Events per second.")] = 50_000,
    seconds: Annotated[int, typer.Option(min=1, help="How long.")] = 30,
    producers: Annotated[int, typer.Option(min=1, help="Processes that send.")] = 1,
    broker: Kind = BrokerKind.EMBEDDED,
    seed: Seed = 1,
    partitions: Partitions = 4,
    quick: Quick = False,
    out: Out = None,
    plot: Plot = None,
    docs: Docs = None,
) -> None:
    """From the time an event should be sent until it is counted, and until a SELECT shows it, at a steady rate.

    A run in which the sender fell behind is void and has no figures. Exit code 1 for that, and where a count is wrong.
    """
    options = latency.Options.quick() if quick else latency.Options(rate=rate, seconds=seconds)
    options = replace(options, producers=producers, seed=seed, partitions=partitions, broker=broker)
    console = Console()
    document = _finish("latency", _measure(lambda: latency.measure(options, console)), console, out, plot, docs)
    if document["void"]:
        raise typer.Exit(1)


@bench.command("publish")
def publish_documents(
    documents: Annotated[list[Path], typer.Argument(help="What --out wrote.")],
    docs: Annotated[Path, typer.Option(dir_okay=False, help="The page.")] = Path("docs/performance.md"),
) -> None:
    """Put the tables of earlier measurements between the markers of a page."""
    for path in documents:
        try:
            document = read(path)
            publish(document, forms.sheets(document), docs)
        except DocumentError as error:
            _fail(str(error))


def _measure(measure: Callable[[], Awaitable[T]]) -> T:
    async def run() -> T:
        return await measure()

    try:
        return asyncio.run(run())
    except CrewError as error:
        _fail(str(error))


def _finish(
    form: str, found: Document, console: Console, out: Path | None, plot: Path | None, docs: Path | None
) -> Document:
    """Show the document, and leave it where it was asked for."""
    document = header(form, shlex.join(["tagpulse", *sys.argv[1:]])) | found
    for sheet in forms.sheets(document):
        console.print(sheet.rich())
    if out is not None:
        out.write_bytes(encode(document))
    if plot is not None:
        from loadtest.plots import draw

        try:
            draw(document, plot)
        except ValueError as error:
            console.print(f"no picture: {error}", style="yellow", highlight=False)
    if docs is not None:
        try:
            publish(document, forms.sheets(document), docs)
        except DocumentError as error:
            _fail(str(error))
    return document


def _fail(message: str) -> NoReturn:
    Console(stderr=True).print(f"[bold red]Error:[/] {escape(message)}", highlight=False, soft_wrap=True)
    raise typer.Exit(1)
