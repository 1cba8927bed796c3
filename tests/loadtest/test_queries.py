"""The questions of the scale test, on a small cube: answers equal what plain Python makes of the same rows."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from loadtest.cube import COUNTRIES, Cube, generator
from loadtest.queries import TARGETS_S, Watched, measure, prepare, questions, sheet
from sinks.client import connect
from sinks.migrations import Retention, migrate
from tests.conftest import Server

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

CUBE = Cube(100_000, tags=2_000, stickers=20)


@dataclass(frozen=True)
class Row:
    at: datetime
    kind: str
    country: str
    tag: str
    sticker: str
    events: int
    ids: tuple[int, ...]


@pytest.fixture(scope="module")
def filled(clickhouse: Server) -> Iterator[Client]:
    client = connect(clickhouse.url, clickhouse.user, clickhouse.password)
    migrate(client, "test_cube", Retention(36_500, 36_500))
    assert len(list(CUBE.fill(client))) == 15
    prepare(client, CUBE.year)
    yield client
    client.command("DROP DATABASE test_cube")
    client.close()


@pytest.fixture(scope="module")
def rows(filled: Client) -> list[Row]:
    """What was made, before any table or view of the project saw it."""
    found = itertools.chain.from_iterable(
        filled.query(generator(), parameters=month).result_rows for month in CUBE.months()
    )
    return [
        Row(at.replace(tzinfo=UTC), kind, country, tag, sticker, events, tuple(ids))
        for at, kind, country, tag, sticker, events, ids in found
    ]


@pytest.fixture(scope="module")
def answers(filled: Client) -> dict[str, list[dict[str, Any]]]:
    ask = Watched(filled)
    return {name: question(ask) for name, question in questions(CUBE.year).items()}


def events(rows: list[Row], **wanted: str) -> int:
    return sum(row.events for row in rows if all(getattr(row, name) == value for name, value in wanted.items()))


def test_the_cube_is_a_year_of_every_country(rows: list[Row]) -> None:
    assert len(rows) == CUBE.rows
    assert {row.country for row in rows} == set(COUNTRIES)
    assert {(row.at.year, row.at.month) for row in rows} == {(2025, month) for month in range(1, 13)}


def test_totals_and_rankings_equal_the_truth(rows: list[Row], answers: dict[str, list[dict[str, Any]]]) -> None:
    for row in answers["total of a tag, year"]:
        assert row["events"] == events(rows, kind=row["event_type"], tag="tag1") > 0
    for row in answers["total of all videos, year"]:
        assert row["events"] == events(rows, kind=row["event_type"], tag="") > 0
    for what, kind, name in (("views", "video_view", "hashtag"), ("uses", "sticker_use", "name")):
        found = [(row[name], row["events"]) for row in answers[f"top hashtags by {what}, year"]]
        truth = Counter[str]()
        for made in rows:
            truth[made.tag] += made.events if made.kind == kind and made.tag else 0
        assert found == sorted(truth.items(), key=lambda item: (-item[1], item[0]))[:10]
    countries = answers["countries of a sticker, year"]
    every = [events(rows, kind="sticker_use", tag="", sticker="sticker1", country=country) for country in COUNTRIES]
    assert [row["events"] for row in countries] == sorted(every, reverse=True)[:10]
    months = answers["series of a tag by month, year"]
    assert [(row["begins"].month, row["events"]) for row in months] == [
        (month, events([row for row in rows if row.at.month == month], kind="video_view", tag="tag1"))
        for month in range(1, 13)
    ]


def test_answers_about_campaigns_and_rises_equal_the_truth(
    rows: list[Row], answers: dict[str, list[dict[str, Any]]]
) -> None:
    """The campaign was defined after its events: what is known of views lies between the greatest tag and the sum."""
    of_tags = [events(rows, kind="video_view", tag=tag) for tag in ("tag2", "tag5", "tag50")]
    [total] = [row for row in answers["total of a campaign, year"] if row["event_type"] == "video_view"]
    assert max(of_tags) <= total["at_least"] < total["at_most"] == sum(of_tags)
    uses = [events(rows, kind="sticker_use", tag="", sticker=name) for name in ("sticker1", "sticker2", "sticker9")]
    [total] = [row for row in answers["total of a campaign, year"] if row["event_type"] == "sticker_use"]
    assert total["at_least"] == total["at_most"] == sum(uses)
    for what in ("against 7 days", "against 28 days", "by the minute"):
        first = answers[f"hashtags that rise, {what}"][0]
        assert (first["hashtag"], first["events"]) == ("risen", 1_000)


def test_a_large_union_is_within_the_stated_error(rows: list[Row], answers: dict[str, list[dict[str, Any]]]) -> None:
    three = {"sticker1", "sticker2", "sticker9"}
    videos = {
        i for row in rows if row.kind == "sticker_use" and row.tag == "" and row.sticker in three for i in row.ids
    }
    [union] = answers["distinct videos of 3 stickers, year"]
    assert union["videos_low"] <= len(videos) <= union["videos_high"]
    assert union["uses_at_most"] == sum(
        row.events for row in rows if row.kind == "sticker_use" and row.tag == "" and row.sticker in three
    )


def test_every_question_finds_something_and_is_measured(
    filled: Client, answers: dict[str, list[dict[str, Any]]]
) -> None:
    empty = [name for name, found in answers.items() if not found]
    assert not empty
    assert answers.keys() >= TARGETS_S.keys()
    question = questions(CUBE.year)["total of a tag, year"]
    figures = measure(Watched(filled), question, 2, lambda: None)
    assert 0 < figures["p50_s"] <= figures["p95_s"]
    assert 0 < figures["rows_read"] <= CUBE.rows
    assert "total of a tag, year" in sheet({"total of a tag, year": figures}, "title").markdown()


def test_the_published_table_has_every_question() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/queries.md").read_text()
    table = page.partition("| question | p50 ms |")[2].partition("\n\n")[0]
    assert [line.split(" | ")[0].removeprefix("| ") for line in table.splitlines()[2:]] == [*questions(CUBE.year)]
