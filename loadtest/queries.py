"""How long the views take on a large cube: `python -m loadtest.queries`.

Starts an embedded ClickHouse of its own, fills a year of hours and days, and a month of minutes, with synthetic rows
(loadtest/cube.sql), and asks every question of the list again and again, with the analyst's login. The first time is
not counted. A machine that does something else meanwhile shows in the milliseconds and not in the rows read.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from loadtest.cube import Cube
from loadtest.sheets import Sheet, number
from sinks.analytics import Analytics, Filter, Grain, Period, Side, Step
from sinks.campaign_answers import CampaignAnswers, Rising
from sinks.campaigns import Campaign, Campaigns
from sinks.client import connect
from sinks.migrations import Retention, migrate

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client
    from clickhouse_connect.driver.query import QueryResult

KEPT = Retention(36_500, 36_500)
_QUICK_ROWS = 100_000
#: Seconds that an answer may take at the 95th percentile; those that must be quicker.
TARGET_S, TARGETS_S = 1.0, {"countries of a sticker, year": 0.2}
_CAMPAIGN = Campaign("spring", ("tag2", "tag5", "tag50"), ("sticker1", "sticker2", "sticker9"))
_RISER, _RISER_EVENTS, _USUAL_EVENTS = "risen", 1_000, 100_000
Question = Callable[["Watched"], list[dict[str, Any]]]


class Watched(Analytics):
    """Remembers how many rows the latest answer was read from, also one of `campaigns`."""

    rows_read = 0

    def __init__(self, client: Client) -> None:
        super().__init__(_Watching(client, self))  # type: ignore[arg-type]
        self.campaigns = CampaignAnswers(self._client)


class _Watching:
    """A client, as far as answers need one."""

    def __init__(self, client: Client, watched: Watched) -> None:
        self._client, self._watched = client, watched

    def query(self, query: str, parameters: dict[str, object]) -> QueryResult:
        found = self._client.query(query, parameters=parameters)
        self._watched.rows_read = int(found.summary["read_rows"])
        return found


def questions(year: int) -> dict[str, Question]:
    """What is asked of a cube of `year`."""
    whole = Period(datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC), Grain.DAY)
    may = Period(datetime(year, 5, 1, tzinfo=UTC), datetime(year, 6, 1, tzinfo=UTC), Grain.DAY)
    april = Period(datetime(year, 4, 1, tzinfo=UTC), may.since, Grain.DAY)
    week = Period(datetime(year, 5, 5, 6, tzinfo=UTC), datetime(year, 5, 12, 6, tzinfo=UTC), Grain.HOUR)
    use, view, creation = "sticker_use", "video_view", "video_creation"
    heart = Filter(stickers=["sticker1"])
    half = Period(datetime(year, 7, 1, tzinfo=UTC), whole.until, Grain.DAY)
    first_half = Period(whole.since, half.since, Grain.DAY)
    noon, late = _noon(year, 6), _noon(year, 12)
    now = Period(late - timedelta(minutes=90), late - timedelta(minutes=1), Grain.MINUTE)
    return {
        "total of a tag, year": lambda a: a.totals(whole, hashtag="tag1"),
        "total of all videos, year": lambda a: a.totals(whole),
        "total of a tag in a country, week by hours": lambda a: a.totals(week, hashtag="tag3", country="GB"),
        "series of a tag by month, year": lambda a: a.series(view, whole, Step.MONTH, Filter("tag1")),
        "series of a sticker by day, year": lambda a: a.series(use, whole, Step.DAY, heart),
        "series of all views by hour, week": lambda a: a.series(view, week, Step.HOUR),
        "year to date of a sticker by day": lambda a: a.cumulative(use, whole, Step.DAY, heart),
        "7-day windows each day of a sticker, year": lambda a: a.hopping(
            use, whole, timedelta(days=7), timedelta(days=1), heart
        ),
        "countries of a sticker, year": lambda a: a.top_countries(use, whole, sticker="sticker1"),
        "countries of a sticker with change, half-years": lambda a: a.country_ranking(
            use, half, first_half, stickers=["sticker1"], measure="videos"
        ),
        "countries of all views, year": lambda a: a.top_countries(view, whole),
        "regions of a tag, year": lambda a: a.region_totals(view, whole, Filter("tag2")),
        "top hashtags by views, year": lambda a: a.top_hashtags(view, whole),
        "top hashtags by views in a country, month": lambda a: a.top_hashtags(view, may, country="PH"),
        "top hashtags by creations, week by hours": lambda a: a.top_hashtags(creation, week),
        "some hashtags by views, year": lambda a: a.top("hashtag", view, whole, hashtags=["tag5", "tag50", "tag500"]),
        "top hashtags on a sticker by videos, month": lambda a: a.top(
            "hashtag", use, may, measure="videos", stickers=["sticker1"]
        ),
        "top hashtags by uses, year": lambda a: a.top("hashtag", use, whole),
        "top hashtags by uses in a country, year": lambda a: a.top("hashtag", use, whole, countries=["PH"]),
        "top hashtags by videos, year": lambda a: a.top("hashtag", use, whole, measure="videos"),
        "top stickers by videos, year": lambda a: a.top("sticker", use, whole, measure="videos"),
        "top stickers with a tag, year": lambda a: a.top("sticker", use, whole, hashtags=["tag1"]),
        "distinct videos of 3 stickers, year": lambda a: a.distinct_videos(
            whole, stickers=["sticker1", "sticker2", "sticker9"]
        ),
        "distinct videos of 3 stickers and 3 tags, year": lambda a: a.distinct_videos(
            whole, stickers=["sticker1", "sticker2", "sticker9"], hashtags=["tag1", "tag2", "tag9"]
        ),
        "two months of a tag": lambda a: a.compare(view, Side(may, Filter("tag1")), Side(april, Filter("tag1"))),
        "two tags, year": lambda a: a.compare(view, Side(whole, Filter("tag1")), Side(whole, Filter("tag2"))),
        "total of a campaign, year": lambda a: a.campaigns.totals(_CAMPAIGN.name, whole),
        "series of a campaign by day, month": lambda a: a.campaigns.series(_CAMPAIGN.name, may),
        "countries of a campaign, year": lambda a: a.campaigns.countries(_CAMPAIGN.name, view, whole),
        "hashtags of a campaign, year": lambda a: a.campaigns.hashtags(_CAMPAIGN.name, whole),
        "hashtags that rise, against 7 days": lambda a: a.campaigns.rising(view, noon, by=Rising(grain="hour")),
        "hashtags that rise, against 28 days": lambda a: a.campaigns.rising(
            view, noon, by=Rising(days=28, grain="hour")
        ),
        "hashtags that rise, by the minute": lambda a: a.campaigns.rising(view, late),
        "top hashtags by views, 89 minutes": lambda a: a.top("hashtag", view, now),
        "series of all views by the minute, 89 minutes": lambda a: a.series(view, now, Step.MINUTE),
        "hashtags that rise, in each country": lambda a: a.campaigns.rising(
            view, noon, country="*", by=Rising(grain="hour", minimum=5)
        ),
    }


def prepare(writer: Client, year: int) -> None:
    """Define a campaign after all its events, and make a hashtag rise, if that was not done before."""
    campaigns = Campaigns(writer)
    if campaigns.newest(_CAMPAIGN.name) is not None:
        return
    campaigns.define(_CAMPAIGN, 0)
    # What a forgotten claim would leave behind: without the campaign's definition, up to the end of the year.
    columns = ["topic", "incarnation", "partition", "rules", "last_clock", "next_offset"]
    end = datetime(year + 1, 1, 1, tzinfo=UTC).timestamp()
    writer.insert("rules_used", [["video-views", 0, 0, "of the cube", end, 1]], column_names=columns)
    columns = ["window_start", "event_type", "country", "hashtag", "events"]
    for table, noon in (("engagement_hour", _noon(year, 6)), ("engagement_minute", _noon(year, 12))):
        hours = [noon - timedelta(hours=1, days=days) for days in range(8)]
        rows = [[hour, "video_view", "US", "", _USUAL_EVENTS] for hour in hours]
        rows += [[hours[0], "video_view", "US", tag, _RISER_EVENTS] for tag in ("", _RISER)]
        writer.insert(table, rows, column_names=columns)


def _noon(year: int, month: int) -> datetime:
    return datetime(year, month, 15, 12, tzinfo=UTC)


def measure(ask: Watched, question: Question, repeats: int, forget: Callable[[], object]) -> dict[str, float]:
    """Seconds at the median and the 95th percentile of `repeats` answers, rows read and rows answered.

    `forget` is called before each: an analyst does not ask the same again and again.
    """
    answered = len(question(ask))
    took = []
    for _ in range(repeats):
        forget()
        started = time.perf_counter()
        question(ask)
        took.append(time.perf_counter() - started)
    p95 = statistics.quantiles(took, n=20, method="inclusive")[-1] if repeats > 1 else took[0]
    return {"p50_s": statistics.median(took), "p95_s": p95, "rows_read": ask.rows_read, "rows": answered}


@contextmanager
def server(folder: Path) -> Iterator[tuple[Client, Client]]:
    """An embedded ClickHouse with its data in `folder`: the writer's client and the analyst's."""
    passwords = secrets.token_urlsafe(), secrets.token_urlsafe()
    logins = {
        "TAGPULSE_CLICKHOUSE_USER": "writer",
        "TAGPULSE_CLICKHOUSE_PASSWORD": passwords[0],
        "TAGPULSE_ANALYST_USER": "analyst",
        "TAGPULSE_ANALYST_PASSWORD": passwords[1],
    }
    command = [sys.executable, "-m", "tagpulse.clickhouse", "--port", "0", "--data", str(folder), "--exit-with-parent"]
    with subprocess.Popen(command, env=os.environ | logins, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready = process.stdout.readline()
            if not ready:
                raise SystemExit(f"the embedded ClickHouse did not start: exit code {process.wait()}")
            url = f"http://127.0.0.1:{json.loads(ready)['port']}"
            writer = connect(url, "writer", passwords[0], timeout_s=7200)
            migrate(writer, "tagpulse", KEPT)
            yield writer, connect(url, "analyst", passwords[1], "tagpulse", timeout_s=300)
        finally:
            process.terminate()


def sheet(found: Mapping[str, Mapping[str, float]], title: str) -> Sheet:
    """The measurements as a table."""
    rows = [
        [
            name,
            f"{figures['p50_s'] * 1000:,.0f}",
            f"{figures['p95_s'] * 1000:,.0f}",
            f"{TARGETS_S.get(name, TARGET_S) * 1000:,.0f}",
            number(figures["rows_read"]),
        ]
        for name, figures in found.items()
    ]
    return Sheet(title, ["question", "p50 ms", "p95 ms", "target", "rows read"], rows)


def main() -> None:
    """Fill, ask, print. Exit code 1 where a question took longer than its target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000_000, help="rows to make for each of the two tables")
    parser.add_argument("--tags", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--quick", action="store_true", help=f"{_QUICK_ROWS:,} rows: to see that it runs")
    parser.add_argument("--data", type=Path, help="keep the tables here, and use them again where they are filled")
    parser.add_argument("--out", type=Path, help="figures as JSON")
    chosen = parser.parse_args()
    console, cube = Console(), Cube(_QUICK_ROWS if chosen.quick else chosen.rows, tags=chosen.tags)
    with tempfile.TemporaryDirectory() as scratch, server(chosen.data or Path(scratch)) as (writer, analyst):
        if not writer.query("SELECT count() FROM engagement_day").result_rows[0][0]:
            for done in cube.fill(writer):
                console.print(f"{datetime.now(UTC):%H:%M:%S} {done}", highlight=False)
        prepare(writer, cube.year)
        ask = Watched(analyst)
        # Which granules held nothing for a condition: ClickHouse would know it from the first time.
        forget = lambda: writer.command("SYSTEM CLEAR QUERY CONDITION CACHE")  # noqa: E731
        stored = {row["table"]: row for row in Analytics(writer).storage() if row["table"].startswith("engagement_")}
        found = {}
        for name, question in questions(cube.year).items():
            found[name] = measure(ask, question, chosen.repeats, forget)
            print(f"{name}: {found[name]['p95_s']:.3f} s", file=sys.stderr)
    sizes = ", ".join(f"{row['rows']:,} rows in {name} ({row['bytes']:,} bytes)" for name, row in stored.items())
    console.print(sheet(found, f"{cube.rows:,} rows made: {sizes}").rich())
    if chosen.out:
        chosen.out.write_text(
            json.dumps({"rows": cube.rows, "stored": stored, "questions": found}, default=str, indent=2)
        )
    late = [name for name, figures in found.items() if figures["p95_s"] > TARGETS_S.get(name, TARGET_S)]
    if late:
        raise SystemExit(f"slower than the target: {', '.join(late)}")


if __name__ == "__main__":
    main()
