"""Running a deployment: tagpulse worker, migrate, config, topics."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from schemas.topics import topic_named
from sinks.claims import Claims
from sinks.client import connect
from sinks.migrations import migrate as apply_migrations
from streams.kafka import security_options
from streams.settings import Settings, unknown_variables
from tagpulse.stack.topics import create_topics

console = Console()


def register(cli: typer.Typer) -> None:
    """Add the commands to `cli`."""
    for command in (worker, migrate, config):
        cli.command(rich_help_panel="Operate")(command)
    topics = typer.Typer(help="The three Kafka topics.", no_args_is_help=True)
    topics.command("create")(topics_create)
    topics.command("reset")(topics_reset)
    cli.add_typer(topics, name="topics", rich_help_panel="Operate")


def worker() -> None:
    """Count events: consume from Kafka, write to ClickHouse, exactly once. Runs until SIGTERM or Ctrl-C.

    Start as many as there are partitions; they share the work. Settings come from the environment, see
    `tagpulse config`. `faust -A streams.app worker` does the same.
    """
    from streams.worker import run  # Faust takes a second to import; other commands need not wait for it.

    run(Settings())


def migrate() -> None:
    """Bring ClickHouse to the schema of this build. Safe to repeat."""
    settings = Settings()
    login = (settings.clickhouse_user, settings.clickhouse_password.get_secret_value())
    client = connect(settings.clickhouse_url, *login)
    changes = apply_migrations(client, settings.clickhouse_database, settings.retention(), login)
    for change in changes or ["nothing to change"]:
        console.print(change, highlight=False)


def config(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of a table.")] = False,
) -> None:
    """Show every setting: its environment variable, its value here, its meaning. Secrets are masked."""
    settings = Settings()
    values: dict[str, Any] = json.loads(settings.model_dump_json())
    if as_json:
        typer.echo(json.dumps(values, indent=2))
        return
    drawn = Table("Environment variable", "Value", "Meaning")
    for name, field in Settings.model_fields.items():
        value = values[name]
        changed = getattr(settings, name) != field.get_default(call_default_factory=True)
        shown = value if isinstance(value, str) else json.dumps(value)
        drawn.add_row(f"TAGPULSE_{name.upper()}", f"[bold]{shown}[/]" if changed else shown, field.description or "")
    console.print(drawn)
    for name in unknown_variables(os.environ):
        console.print(f"[yellow]{name} is set, but is not a setting[/]", highlight=False)


def topics_create(
    partitions: Annotated[int, typer.Option(min=1, help="Partitions of each topic: the most workers it can feed.")] = 4,
    replication: Annotated[int, typer.Option(min=1, help="Copies of each partition.")] = 1,
) -> None:
    """Create the topics that do not exist yet."""
    settings = Settings()
    counts = {topic.name: partitions for topic in settings.topics()}
    asyncio.run(
        create_topics(
            settings.kafka_bootstrap_servers, counts, replication_factor=replication, **security_options(settings)
        )
    )
    console.print(f"topics {', '.join(counts)} exist", highlight=False)


def topics_reset(
    topic: Annotated[str, typer.Argument(help="Name of the topic.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Accept the topic's log as a new one: it was deleted and made again, or lost records for good.

    Workers then begin at the first offset the log still has. What was counted before stays counted, so records
    that are still in the log and were counted before would be counted again. Stop the workers first.
    """
    settings = Settings()
    try:
        name = topic_named(topic, settings.kafka_topic_prefix).name
    except KeyError as error:
        raise typer.BadParameter(str(error.args[0]), param_hint="TOPIC") from None
    if not yes:
        typer.confirm(
            f"Count {name} from the first offset it still has, on top of what is counted already?", abort=True
        )
    client = connect(
        settings.clickhouse_url,
        settings.clickhouse_user,
        settings.clickhouse_password.get_secret_value(),
        settings.clickhouse_database,
    )
    number = Claims(client).start_incarnation(name, "tagpulse topics reset")
    console.print(f"{name} is now in incarnation {number}; start the workers again", highlight=False)
