"""Every query of the documentation runs, with the analyst's rights, and finds something."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from schemas.topics import EventType
from sinks.campaigns import Campaign, Campaigns
from sinks.client import connect
from sinks.migrations import Retention, migrate
from streams.rules import Rules
from tests.conftest import Server
from tests.docs.pages import Block, blocks
from tests.sinks.counting import KEPT, count

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

NOW = datetime.now(UTC)
RULES = Rules(tag_groups={"kindness": ("kindness", "love")})


def events(now: str) -> Iterator[tuple[EventType, dict[str, Any]]]:
    """A little of everything that the cookbook asks for."""
    common = {"ts": "2026-05-05T12:00:00Z", "hashtags": ["Love", "MentalHealth", "speakyourmind", "kindness"]}
    for video_id, country in (("1", "PH"), ("2", "PH"), ("3", "GB")):
        here = common | {"video_id": video_id, "country": country}
        yield EventType.VIDEO_CREATION, here
        yield EventType.VIDEO_VIEW, here | {"count": 10}
        yield EventType.STICKER_USE, here | {"sticker": "heart"}
        yield EventType.VIDEO_VIEW, here | {"ts": now}
        yield EventType.STICKER_USE, here | {"sticker": "Heart", "ts": now}
    yield EventType.VIDEO_VIEW, common | {"video_id": 7}
    for day in range(3):
        ts = (NOW - timedelta(days=day, minutes=10)).isoformat()
        for number, tag in enumerate(["usual"] * 60 + ["rising"] * 60 * (day == 0)):
            yield EventType.VIDEO_CREATION, {"ts": ts, "video_id": str(100 + number), "hashtags": [tag]}


@pytest.fixture(scope="module")
def analyst(clickhouse: Server) -> Iterator[Client]:
    """An analyst's client to a database with events in it. Analysts see the database `tagpulse` only."""
    writer = connect(clickhouse.url, clickhouse.user, clickhouse.password)
    migrate(writer, "tagpulse", Retention(KEPT, KEPT))
    Campaigns(writer).define(Campaign("createkindness", ("kindness", "love"), ("heart",)), 0)
    count(writer, events(NOW.isoformat()), RULES, NOW.timestamp())
    client = connect(clickhouse.url, clickhouse.analyst_user, clickhouse.analyst_password, "tagpulse")
    yield client
    client.close()
    writer.command("DROP DATABASE tagpulse")
    writer.close()


QUERIES = [block for block in blocks("sql") if block.text.startswith("SELECT")]


@pytest.mark.parametrize("block", QUERIES, ids=str)
def test_a_query_runs_and_finds_something(analyst: Client, block: Block) -> None:
    rows = analyst.query(block.text).result_rows
    # Only the list of open claims is empty on a quiet system.
    assert bool(rows) is ("HAVING max(done) = 0" not in block.text)


def test_the_answers_are_right(analyst: Client) -> None:
    """Spot checks: the cookbook's first query, its day series and its group."""
    cookbook = [block.text for block in QUERIES if block.page.name == "queries.md"]
    # Three videos; each got the sticker in May 2026, and again now.
    by_country = {row[0]: (row[2], row[3]) for row in analyst.query(cookbook[0]).result_rows}
    assert by_country.keys() == {"PH", "GB"}
    assert by_country["PH"][0] == 2
    series = next(text for text in cookbook if "WITH FILL" in text)
    assert [row[1] for row in analyst.query(series).result_rows] == [0, 0, 0, 0, 10, *[0] * 26]
    group = next(text for text in cookbook if "'@kindness'" in text)
    found = {row[0]: row[1] for row in analyst.query(group).result_rows}
    assert {kind: found[kind] for kind in ("video_creation", "sticker_use")} == {"video_creation": 3, "sticker_use": 3}


def test_sums_agree(analyst: Client) -> None:
    sums = [block for block in QUERIES if "__receipt" in block.text]
    assert len(sums) == 2
    for block in sums:
        claimed, landed = analyst.query(block.text).result_rows[0]
        assert claimed == landed > 0


@pytest.mark.parametrize("block", [b for b in blocks("sql") if b not in QUERIES], ids=str)
def test_an_administrators_statement_runs(database: Client, block: Block) -> None:
    assert block.text.startswith("ALTER TABLE")
    database.command(block.text)
