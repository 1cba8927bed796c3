"""tagpulse demo: the whole path on real videos, judged."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated

import typer
from rich.console import Console

from tagpulse.cli.up import Kind, describe, report
from tagpulse.demo.run import GROUPS, RETENTION_DAYS, run
from tagpulse.local import local_options
from tagpulse.stack.broker import BrokerKind
from tagpulse.stack.options import EventKind, StackEvent
from tagpulse.stack.run import run_stack
from tagpulse.stack.supervisor import Stack


def register(cli: typer.Typer) -> None:
    """Add the command to `cli`."""
    cli.command(rich_help_panel="Start here")(demo)


def demo(
    workers: Annotated[int, typer.Option(min=1, max=16, help="Worker processes.")] = 1,
    broker: Kind = BrokerKind.EMBEDDED,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the stack up afterwards, and say how to query it.")
    ] = False,
) -> None:
    """Replay 20,349 real videos through broker, worker and ClickHouse, and compare every count with the truth.

    Needs nothing but this package, unless --broker kafka is asked for. Exit code 1 if any count differs.
    """
    console, passed = Console(), False

    async def body(stack: Stack) -> None:
        nonlocal passed
        passed = await run(stack, console)
        if keep:
            console.print(describe(stack), highlight=False, soft_wrap=True)
            await asyncio.Event().wait()

    def tell(event: StackEvent) -> None:
        if event.kind is not EventKind.STOPPED:
            report(console, event)

    days = str(RETENTION_DAYS)
    settings = {
        "TAGPULSE_TAG_GROUPS": json.dumps({name: list(tags) for name, tags in GROUPS.items()}),
        "TAGPULSE_RETENTION_MINUTE_DAYS": days,
        "TAGPULSE_RETENTION_HOUR_DAYS": days,
    }
    name = "Apache Kafka" if broker is BrokerKind.KAFKA else "an embedded Kafka broker"
    console.print(f"starting {name}, an embedded ClickHouse and the worker ...", style="dim")
    run_stack(local_options(workers=workers, broker=broker, settings=settings), body, tell)
    if not passed:
        raise typer.Exit(1)
