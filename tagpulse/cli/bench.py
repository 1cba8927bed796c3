"""tagpulse bench: what counting costs on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console

from loadtest.bench import Result, run
from loadtest.compare import main as compare
from tagpulse.cli.render import draw
from tagpulse.local import local_options
from tagpulse.stack.run import run_stack
from tagpulse.stack.supervisor import Stack


def register(cli: typer.Typer) -> None:
    """Add the command to `cli`."""
    cli.command(rich_help_panel="Measure")(bench)
    cli.command("compare", rich_help_panel="Measure")(compare)


def bench(
    events: Annotated[int, typer.Option(min=1_000, help="Events in the backlog.")] = 500_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same events.")] = 1,
    partitions: Annotated[int, typer.Option(min=1, help="Partitions of each topic.")] = 4,
    out: Annotated[Path | None, typer.Option(dir_okay=False, help="Write the figures here as JSON, too.")] = None,
) -> None:
    """Drain a backlog with one worker on the embedded stack, compare every count with the truth, show the cost.

    Compare events per CPU second, not per second: the latter depends on what else this machine does.
    Exit code 1, and no figures, if any count is wrong.
    """
    console, results = Console(), list[Result]()

    async def body(stack: Stack) -> None:
        result, verdict = await run(stack, console, events, seed)
        if verdict.passed:
            results.append(result)
        for difference in verdict.differences[:20]:
            console.print(f"[red]wrong:[/] {difference}", highlight=False)

    run_stack(local_options(workers=0, partitions=partitions), body)
    if not results:
        raise typer.Exit(1)
    figures = results[0].figures()
    rows = [{"figure": name.replace("_", " "), "value": _shown(value)} for name, value in figures.items()]
    draw(console, rows, {"figure": "figure", "value": "value"}, "One worker, embedded stack, counts checked")
    if out is not None:
        out.write_bytes(orjson.dumps(figures, option=orjson.OPT_INDENT_2) + b"\n")


def _shown(value: float) -> str:
    return str(value) if isinstance(value, bool) else f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
