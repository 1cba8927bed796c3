"""Run the demo on a stack: replay, wait until all is counted, ask, judge."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import Progress

from schemas.events import event_from_dict
from schemas.producer import EventProducer
from schemas.topics import EventType
from sinks.analytics import FOREVER, Analytics, Grain, Period
from sinks.claims import Claims
from sinks.client import connect
from tagpulse.cli.render import draw
from tagpulse.demo import sample
from tagpulse.demo.truth import Truth, compute
from tagpulse.demo.verdict import Verdict, judge
from tagpulse.stack.options import Endpoints
from tagpulse.stack.supervisor import Stack

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

#: Counted in the stream: an event with both tags counts once.
GROUPS: Mapping[str, Sequence[str]] = {"kindness": ("kindness", "love")}
#: The sample is years old; with this the stack keeps its minutes too, so that they can be compared.
RETENTION_DAYS = 36_500
_STALL_S = 60.0
_ALL_TIME = Period(*FOREVER, Grain.DAY)


async def run(stack: Stack, console: Console) -> bool:
    """Returns whether every count equals the truth."""
    at, login = stack.endpoints, stack.endpoints.credentials
    events = await asyncio.to_thread(lambda: list(sample.events()))
    writer = await asyncio.to_thread(connect, at.clickhouse, login.user, login.password, at.database)
    with Progress(console=console) as bar:
        sending = bar.add_task("replaying real videos into Kafka", total=len(events))
        counting = bar.add_task("counted in ClickHouse", total=len(events))
        replay = asyncio.create_task(_replay(at, events, bar, sending))
        counted, moved = 0, asyncio.get_running_loop().time()
        while counted < len(events):
            await asyncio.sleep(0.2)
            if replay.done():
                replay.result()
            now, before = asyncio.get_running_loop().time(), counted
            counted = await asyncio.to_thread(Claims(writer).counted)
            bar.update(counting, completed=counted)
            moved = now if counted != before else moved
            if now - moved > _STALL_S:
                console.print(f"[red]counting stands at {counted:,} of {len(events):,}; see {stack.directory.logs}[/]")
                return False
    truth = await asyncio.to_thread(compute, events, GROUPS, datetime.now(UTC))
    analyst = await asyncio.to_thread(connect, at.clickhouse, login.analyst_user, login.analyst_password, at.database)
    await asyncio.to_thread(_show, Analytics(analyst), analyst, console)
    verdict = await asyncio.to_thread(judge, writer, truth)
    _tell(verdict, truth, console)
    return verdict.passed


async def _replay(at: Endpoints, events: list[dict[str, Any]], bar: Progress, task: Any) -> None:
    async with EventProducer(at.kafka, idempotent=at.idempotent) as producer:
        for number, event in enumerate(events, 1):
            await producer.send(event_from_dict(event))
            if not number % 500:
                bar.update(task, completed=number)
        await producer.flush()
    bar.update(task, completed=len(events))


def _show(ask: Analytics, client: Client, console: Console) -> None:
    hearts = ask.top_countries(EventType.STICKER_USE.value, _ALL_TIME, sticker="heart")
    columns = {"country": "country", "country_name": "name", "videos": "distinct videos", "events": "uses"}
    draw(console, hearts, columns, "Heart stickers by country (sticker uses are synthetic)")
    for event, counted in (("video_creation", "creations"), ("video_view", "views")):
        columns = {"display": "hashtag", "events": counted}
        draw(console, ask.top_hashtags(event, _ALL_TIME), columns, f"Top hashtags by {counted}")
    rows = []
    for name in ("love", "kindness", "@kindness"):
        found = {row["event_type"]: row["events"] for row in ask.totals(_ALL_TIME, hashtag=name)}
        shown = "#love or #kindness" if name == "@kindness" else f"#{name}"
        rows.append({"tags": shown, **{kind.value: found.get(kind.value, 0) for kind in EventType}})
    columns = {"tags": "videos with", **{kind.value: kind.value.replace("_", " ") + "s" for kind in EventType}}
    draw(console, rows, columns, "A group of tags: a video with both counts once")
    rejects = client.query("SELECT reason, topic, count() FROM rejected_events FINAL GROUP BY 1, 2 ORDER BY 1, 2")
    named = [dict(zip(("reason", "topic", "records"), row, strict=True)) for row in rejects.result_rows]
    columns = {"reason": "reason", "topic": "topic", "records": "records"}
    draw(console, named, columns, "Rejected: rows that carry 1970 for a missing time")


def _tell(verdict: Verdict, truth: Truth, console: Console) -> None:
    keys = " and ".join(f"{number:,} {grain} keys" for grain, number in verdict.keys.items())
    if verdict.passed:
        console.print(
            f"[bold green]PASS[/] {truth.records:,} records; {keys} equal the truth exactly, "
            f"distinct videos within {verdict.worst_videos_error:.2%}; "
            f"{sum(truth.rejects.values()):,} rejects as expected.",
            highlight=False,
        )
        return
    console.print(f"[bold red]FAIL[/] {keys} compared with the truth:", highlight=False)
    for difference in verdict.differences[:20]:
        console.print(f"  {difference}", highlight=False, markup=False)
