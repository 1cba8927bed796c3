"""The command line. Each module holds the commands of one concern; this one puts them together."""

from __future__ import annotations

import sys

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape

from schemas.errors import EventError
from sinks.errors import SinkError
from streams.errors import StreamError
from tagpulse.cli import (
    admin,
    answers,
    bench,
    campaigns,
    demo,
    emit,
    loadtest,
    plan,
    rebuild,
    rejects,
    report,
    series,
    status,
    trend,
    up,
    verify,
)
from tagpulse.rejects.errors import RejectsError
from tagpulse.stack.errors import StackError
from tagpulse.verify.errors import VerifyError

cli = typer.Typer(
    name="tagpulse",
    help="Real-time engagement counts per country, hashtag and sticker, from Kafka to ClickHouse, exactly once.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (
    up,
    demo,
    emit,
    answers,
    series,
    trend,
    campaigns,
    report,
    admin,
    status,
    verify,
    rebuild,
    rejects,
    bench,
    loadtest,
    plan,
):
    module.register(cli)


def main() -> None:
    """Run the command line. Foreseen errors become one message and exit code 1; usage errors exit with 2."""
    try:
        cli()
    except (EventError, SinkError, StreamError, StackError, RejectsError, VerifyError) as error:
        _fail(str(error))
    except ValidationError as error:
        for problem in error.errors():
            message = problem["msg"].removeprefix("Value error, ")
            if problem["loc"]:
                name = "TAGPULSE_" + str(problem["loc"][0]).upper()
                message = f"{name}: {message} (got {problem['input']!r})"
            _fail(f"a setting is wrong. {message}. `tagpulse config` shows them all.")


def _fail(message: str) -> None:
    Console(stderr=True).print(f"[bold red]Error:[/] {escape(message)}", highlight=False, soft_wrap=True)
    sys.exit(1)
