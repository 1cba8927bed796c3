"""tagpulse emit: send events from a file."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, BinaryIO

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from schemas.errors import InvalidEventError
from schemas.events import event_from_dict
from schemas.producer import EventProducer
from streams.kafka import security_options
from streams.settings import Settings

_SHOWN_REFUSALS = 5


def register(cli: typer.Typer) -> None:
    """Add the command to `cli`."""
    cli.command(rich_help_panel="Start here")(emit)


def emit(
    file: Annotated[
        Path, typer.Argument(help="NDJSON: one event a line, with its type; - is standard input.", allow_dash=True)
    ],
) -> None:
    """Send events to Kafka, each checked first. Exit code 1 if any was refused.

    A line looks like {"type": "video_view", "ts": "2026-05-01T12:00:00Z", "video_id": "7", "country": "GB",
    "hashtags": ["love"], "count": 3}.
    """
    if str(file) != "-" and not file.is_file():
        raise typer.BadParameter(f"{file} is not a file", param_hint="FILE")
    refused = asyncio.run(_emit(sys.stdin.buffer if str(file) == "-" else file.open("rb"), Settings()))
    if refused:
        raise typer.Exit(1)


async def _emit(lines: BinaryIO, settings: Settings) -> int:
    console = Console(stderr=True)
    refusals: Counter[str] = Counter()
    examples: list[str] = []
    sent = 0
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )
    with lines, bar:
        task = bar.add_task("sending", total=None)
        async with EventProducer(
            settings.kafka_bootstrap_servers,
            idempotent=settings.kafka_idempotent_producer,
            topics={topic.event_type: topic.name for topic in settings.topics()},
            **security_options(settings),
        ) as producer:
            for number, line in _lines(lines):
                try:
                    event = orjson.loads(line)
                    if not isinstance(event, dict):
                        _refuse(refusals, examples, number, "", "JSON, but not an object: write one event a line")
                        continue
                    await producer.send(event_from_dict(event))
                    sent += 1
                except orjson.JSONDecodeError as error:
                    _refuse(refusals, examples, number, "not JSON", f"not JSON: {error}")
                except InvalidEventError as error:
                    _refuse(refusals, examples, number, error.field, str(error))
                if not sent % 500:
                    bar.update(task, completed=sent)
            await producer.flush()
        bar.update(task, completed=sent, total=sent)
    total = sum(refusals.values())
    console.print(f"sent {sent:,}, refused {total:,}", highlight=False)
    for reason, number in refusals.most_common():
        console.print(f"  {number:,} for {escape(reason)}", highlight=False)
    for example in examples:
        console.print(f"  [red]{escape(example)}[/]", highlight=False, soft_wrap=True)
    return total


def _lines(lines: BinaryIO) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield number, line


def _refuse(refusals: Counter[str], examples: list[str], number: int, reason: str, message: str) -> None:
    refusals[reason or "the event as a whole"] += 1
    if len(examples) < _SHOWN_REFUSALS:
        examples.append(f"line {number}: {message}")
