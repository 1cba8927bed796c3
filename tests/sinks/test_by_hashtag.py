"""Days by hashtag: the projection that rankings read says at any time what the table itself says."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from schemas.topics import EventType
from sinks import migrations
from sinks.client import connect
from sinks.migrations import Retention, migrate, shipped
from streams.rules import Rules
from tests.conftest import Server
from tests.sinks.counting import KEPT, count
from tests.sinks.years import Event, events

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

EVENTS = events(seed=11, number=900)
_CLOCK = 1_800_000_000.0
#: The number of the migration that makes the projection.
_MIGRATION = 9
_BY_HASHTAG = """
    SELECT event_type, hashtag, window_start, sum(events), uniqCombined64Merge(14)(videos)
    FROM engagement_day GROUP BY event_type, hashtag, window_start ORDER BY ALL
"""
_ASKED = {"limit": 7, "measure": "events", "stickers": [], "until": "2026-01-01 00:00:00"}
#: It must be read, may be, must not be.
_FORCED, _USUAL, _NOT = (
    {"force_optimize_projection": 1},
    {"optimize_use_projections": 1},
    {"optimize_use_projections": 0},
)
_TOP = """
    SELECT name, events, videos
    FROM top(
        of = 'hashtag', measure = {measure:String}, event = 'sticker_use', hashtags = [], countries = [],
        stickers = {stickers:Array(String)}, since = '2023-01-01 00:00:00', until = {until:DateTime}, grain = 'auto',
        limit = {limit:UInt32})
"""


def by_hashtag(client: Client, **settings: int) -> list[Any]:
    return list(client.query(_BY_HASHTAG, settings=settings).result_rows)


def ranking(client: Client, settings: dict[str, int], **asked: object) -> list[Any]:
    return list(client.query(_TOP, parameters=_ASKED | asked, settings=settings).result_rows)


def reads_it(client: Client, **asked: object) -> bool:
    """Whether a ranking reads the projection."""
    plan = client.query(f"EXPLAIN {_TOP}", parameters=_ASKED | asked).result_rows
    return any("ReadFromMergeTree (by_hashtag)" in line for (line,) in plan)


def insert(client: Client, found: list[Event], seed: int) -> None:
    dice = random.Random(seed)
    count(client, ((event.kind, event.record(dice)) for event in found), Rules(), _CLOCK)


@pytest.fixture
def empty(clickhouse: Server) -> Iterator[Client]:
    client = connect(clickhouse.url, clickhouse.user, clickhouse.password)
    name = f"test_{uuid4().hex}"
    yield _named(client, name)
    client.command(f"DROP DATABASE IF EXISTS {name}")
    client.close()


def _named(client: Client, name: str) -> Client:
    client.command(f"CREATE DATABASE {name}")
    client.database = name
    return client


def test_it_follows_every_change_of_its_table(database: Client) -> None:
    def same() -> list[Any]:
        rows = by_hashtag(database, **_FORCED)
        assert rows == by_hashtag(database, **_NOT)
        for measure in ("events", "videos"):
            ranked = ranking(database, _USUAL, measure=measure)
            assert reads_it(database, measure=measure)
            assert ranked == ranking(database, _NOT, measure=measure)
            assert len(ranked) == 7
        return rows

    for part in range(3):
        insert(database, EVENTS[part::3], part)
    whole = same()
    assert {row[0] for row in whole} >= {kind.value for kind in EventType}
    database.command("OPTIMIZE TABLE engagement_day FINAL")
    assert same() == whole
    database.command("DELETE FROM engagement_day WHERE hashtag = 'love'")
    rest = same()
    assert len(rest) < len(whole)
    assert rest == [row for row in whole if row[1] != "love"]
    insert(database, EVENTS[:100], 9)
    assert len(same()) > len(rest)


@pytest.mark.parametrize("measure", ["events", "videos"])
def test_what_it_lacks_is_read_from_the_table(database: Client, measure: str) -> None:
    """Stickers, and bounds within a day: no ranking of these is of days by hashtag alone."""
    insert(database, EVENTS, 0)
    for asked in ({"stickers": ["heart"]}, {"until": "2025-12-31 12:00:00"}):
        found = ranking(database, _USUAL, measure=measure, **asked)
        assert not reads_it(database, measure=measure, **asked)
        assert found == ranking(database, _NOT, measure=measure, **asked)
        assert found


def test_rows_from_before_it_are_ranked_too(empty: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    assert empty.database
    every = shipped()
    monkeypatch.setattr(migrations, "shipped", lambda: every[: _MIGRATION - 1])
    migrate(empty, empty.database, Retention(KEPT, KEPT))
    insert(empty, EVENTS[:500], 0)
    before = ranking(empty, _NOT)
    # As long as nothing is made of the rows that are there: as if the background had not come to it.
    empty.command("SYSTEM STOP MERGES engagement_day")
    monkeypatch.setattr(migrations, "shipped", lambda: every)
    assert f"applied {every[_MIGRATION - 1].name}" in migrate(empty, empty.database, Retention(KEPT, KEPT))
    assert ranking(empty, _USUAL) == before
    insert(empty, EVENTS[500:], 1)
    mixed = ranking(empty, _USUAL)
    assert mixed == ranking(empty, _NOT)
    assert mixed != before
    empty.command("SYSTEM START MERGES engagement_day")
    empty.command("ALTER TABLE engagement_day MATERIALIZE PROJECTION by_hashtag SETTINGS mutations_sync = 2")
    assert ranking(empty, _USUAL) == mixed
    assert reads_it(empty)
    ((parts, with_it),) = empty.query(
        "SELECT count(), countIf(has(projections, 'by_hashtag')) FROM system.parts"
        " WHERE database = currentDatabase() AND table = 'engagement_day' AND active AND rows > 0"
    ).result_rows
    assert parts == with_it > 0


@pytest.mark.parametrize("often", [True, False])
@pytest.mark.parametrize("limit", [1, 2, 3, 6, 100])
def test_leaders_by_videos_need_not_lead_by_events(database: Client, limit: int, often: bool) -> None:
    """Tags with distinct videos, each of them used so many times: who leads by events may have few videos."""
    tags = {"twice": (12, 2), "once": (30, 1), "thrice": (9, 3), "many": (45, 1), "alike": (44, 1)}
    if often:
        tags["often"] = (1, 60)
    day, kind = datetime(2024, 3, 1, tzinfo=UTC), EventType.STICKER_USE
    uses = [
        Event(kind, day + timedelta(days=video), video, "PH", frozenset([tag]), "heart", 1)
        for tag, (videos, times) in tags.items()
        for video in range(videos)
        for _ in range(times)
    ]
    others = [event for event in EVENTS if event.kind is not kind]
    insert(database, [*uses, *others], 0)
    ranked = sorted(tags, key=lambda tag: (-tags[tag][0], -tags[tag][0] * tags[tag][1], tag))[:limit]
    wanted = [(tag, tags[tag][0] * tags[tag][1], tags[tag][0]) for tag in ranked]
    assert ranking(database, _USUAL, measure="videos", limit=limit) == wanted
