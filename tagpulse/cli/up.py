"""tagpulse up: the whole pipeline on this machine."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from tagpulse.local import local_options
from tagpulse.stack.broker import BrokerKind
from tagpulse.stack.options import EventKind, StackEvent
from tagpulse.stack.ready import ready_line
from tagpulse.stack.run import run_stack
from tagpulse.stack.supervisor import Stack

Workers = Annotated[int, typer.Option(min=1, max=64, help="Worker processes.")]
Partitions = Annotated[int, typer.Option(min=1, max=256, help="Partitions of each topic: the most workers it feeds.")]
Data = Annotated[
    Path | None,
    typer.Option(
        file_okay=False, help="Keep ClickHouse's data, logins, logs, and Kafka's log, here. Default: thrown away."
    ),
]
Kind = Annotated[
    BrokerKind, typer.Option(help="embedded: in memory, needs nothing. kafka: Apache Kafka, needs Java and Maven.")
]
Nodes = Annotated[int, typer.Option(min=1, max=5, help="Nodes of Apache Kafka; with 3, one may be killed.")]
_LAST_PORT = 65535
Port = Annotated[int, typer.Option(min=0, max=_LAST_PORT, help="0: any free port.")]


def register(cli: typer.Typer) -> None:
    """Add the command to `cli`."""
    cli.command(rich_help_panel="Start here")(up)


def up(
    workers: Workers = 1,
    partitions: Partitions = 4,
    data: Data = None,
    broker: Kind = BrokerKind.EMBEDDED,
    kafka_nodes: Nodes = 1,
    kafka_port: Port = 0,
    clickhouse_port: Port = 0,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print one line of JSON when everything is ready, and nothing else on stdout."),
    ] = False,
) -> None:
    """Start broker, ClickHouse and workers on this machine, and keep them running until Ctrl-C.

    The embedded broker keeps its log in memory: what was not counted when it stops is gone. With --data, counts are
    kept over a restart; with --broker kafka, so is the log. Everything listens on 127.0.0.1 only.
    """
    console = Console(stderr=True)

    async def body(stack: Stack) -> None:
        if as_json:
            sys.stdout.write(ready_line(stack) + "\n")
            sys.stdout.flush()
        else:
            Console().print(describe(stack), highlight=False, soft_wrap=True)
        await asyncio.Event().wait()

    if kafka_nodes > 1 and broker is BrokerKind.EMBEDDED:
        raise typer.BadParameter("the embedded broker is one process; use --broker kafka", param_hint="--kafka-nodes")
    if kafka_port and kafka_port + kafka_nodes - 1 > _LAST_PORT:
        raise typer.BadParameter(f"{kafka_nodes} nodes need that many ports from it up", param_hint="--kafka-port")
    options = local_options(
        workers=workers,
        partitions=partitions,
        data=data,
        broker=broker,
        kafka_nodes=kafka_nodes,
        kafka_port=kafka_port,
        clickhouse_port=clickhouse_port,
    )
    run_stack(options, body, lambda event: report(console, event))


def report(console: Console, event: StackEvent) -> None:
    """Say what happens to the processes."""
    bad = event.kind in (EventKind.DIED, EventKind.FAILED, EventKind.LOG_LOST)
    console.print(f"[{'bold red' if bad else 'dim'}]{escape(str(event))}[/]", highlight=False, soft_wrap=True)


def describe(stack: Stack) -> str:
    """How to reach a running stack, for people."""
    at, login = stack.endpoints, stack.endpoints.credentials
    where = f"curl -s '{at.clickhouse}/?database={at.database}' -u '{login.analyst_user}:{login.analyst_password}'"
    python = (
        f"clickhouse_connect.get_client(host='127.0.0.1', port={at.clickhouse.rsplit(':', 1)[1]}, "
        f"username='{login.analyst_user}', password='{login.analyst_password}', database='{at.database}')"
    )
    producer = "" if at.idempotent else " TAGPULSE_KAFKA_IDEMPOTENT_PRODUCER=false"
    query = "SELECT event_type, sum(events) FROM engagement_day WHERE hashtag = '' GROUP BY event_type"
    return f"""
[bold]tagpulse is up.[/] Ctrl-C ends it.

  Kafka        {at.kafka}   topics {", ".join(at.topics.values())}
  ClickHouse   {at.clickhouse}   database {at.database}
  writer       {login.user} / {login.password}
  analyst      {login.analyst_user} / {login.analyst_password}   (may only read)
  logs         {stack.directory.logs}

Send events, and ask, from another terminal:

  export TAGPULSE_KAFKA_BOOTSTRAP_SERVERS={at.kafka}{producer}
  export TAGPULSE_CLICKHOUSE_URL={at.clickhouse} TAGPULSE_ANALYST_USER={login.analyst_user} \\
         TAGPULSE_ANALYST_PASSWORD={login.analyst_password}
  tagpulse emit events.ndjson
  tagpulse top hashtags

  {where} --data-binary \\
       "{query}"
  {python}
"""
