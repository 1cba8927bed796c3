"""The questions of press offices, asked of real videos. Answers are compared with plain loops over the events."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

import pytest

from schemas.topics import EventType
from sinks.analytics import FOREVER, Analytics, Filter, Grain, Period, Step
from sinks.client import connect
from sinks.migrations import Retention, migrate
from streams.rules import Rules
from tagpulse.demo import sample
from tagpulse.demo.truth import normal_form
from tests.conftest import Server
from tests.sinks.counting import KEPT, count

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

USE, VIEW, CREATION = EventType.STICKER_USE, EventType.VIDEO_VIEW, EventType.VIDEO_CREATION
KINDNESS = frozenset({"kindness", "love"})
EVER = Period(*FOREVER, Grain.DAY)
#: Distinct videos are an estimate, exact for some thousand (docs/queries.md).
CLOSE = 0.03
_FIRST = datetime(2016, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Seen:
    """An event, as a person reads it."""

    kind: str
    at: datetime
    video: str
    country: str
    tags: frozenset[str]
    sticker: str
    times: int


@cache
def events() -> list[Seen]:
    """Those of the sample that are counted: feeds write 1970 where they know no time, which is rejected."""
    form = cache(normal_form)
    found = [
        Seen(
            event["type"], datetime.fromisoformat(event["ts"]).astimezone(UTC), event["video_id"],
            (event["country"] or "ZZ").upper().replace("UK", "GB"),
            frozenset(map(form, event["hashtags"] or [])) - {""}, form(event.get("sticker", "")), event.get("count", 1),
        )
        for event in sample.events()
    ]  # fmt: skip
    return [event for event in found if event.at >= _FIRST]


def chosen(kind: EventType, period: Period = EVER, wanted: Callable[[Seen], bool] = lambda _: True) -> list[Seen]:
    return [e for e in events() if e.kind == kind and period.since <= e.at < period.until and wanted(e)]


def summed(some: Iterable[Seen], names: Callable[[Seen], Iterable[str]]) -> Counter[str]:
    sums: Counter[str] = Counter()
    for event in some:
        for name in names(event):
            sums[name] += event.times
    return sums


def first(sums: Counter[str], number: int) -> list[tuple[str, int]]:
    return sorted(sums.items(), key=lambda item: (-item[1], item[0]))[:number]


def months() -> list[Period]:
    """The three months with most videos."""
    seen = Counter((e.at.year, e.at.month) for e in chosen(CREATION))
    begins = [date(*month, 1) for month, _ in seen.most_common(3)]
    return [
        Period(_midnight(begin), _midnight((begin + timedelta(days=31)).replace(day=1)), Grain.DAY) for begin in begins
    ]


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


@pytest.fixture(scope="module")
def ask(clickhouse: Server) -> Iterator[Analytics]:
    client: Client = connect(clickhouse.url, clickhouse.user, clickhouse.password)
    migrate(client, "test_real_answers", Retention(KEPT, KEPT))
    records = (
        (EventType(event["type"]), {key: value for key, value in event.items() if value is not None})
        for event in sample.events()
    )
    rules = Rules(tag_groups={"kindness": tuple(sorted(KINDNESS))})
    count(client, records, rules, datetime.now(UTC).timestamp())
    yield Analytics(client)
    client.command("DROP DATABASE test_real_answers")
    client.close()


def test_a_movement_of_several_tags_counts_each_video_once(ask: Analytics) -> None:
    """ "Videos using hashtags related to kindness, including #love and #kindness: ... views and ... creations"."""
    truth = {kind: sum(e.times for e in chosen(kind, EVER, lambda e: bool(KINDNESS & e.tags))) for kind in EventType}
    rows = ask.totals(EVER, hashtag="@kindness")
    assert {row["event_type"]: row["events"] for row in rows} == {kind.value: number for kind, number in truth.items()}
    alone = [sum(row["events"] for row in ask.totals(EVER, hashtag=tag)) for tag in KINDNESS]
    assert max(alone) < sum(truth.values()) < sum(alone), "some videos have both"


@pytest.mark.parametrize("tag", ["mentalhealth", "selfcare", "booktok", "fyp"])
def test_a_tag_in_total(ask: Analytics, tag: str) -> None:
    truth = {kind: sum(e.times for e in chosen(kind, EVER, lambda e: tag in e.tags)) for kind in EventType}
    assert truth[CREATION] > 0
    found = {row["event_type"]: row["events"] for row in ask.totals(EVER, hashtag=tag)}
    assert found == {kind.value: number for kind, number in truth.items() if number}


def test_countries_of_a_sticker(ask: Analytics) -> None:
    """ "Heart stickers were added to ... videos, most in the US, the Philippines, ..."."""
    hearts = chosen(USE, EVER, lambda e: e.sticker == "heart")
    videos: defaultdict[str, set[str]] = defaultdict(set)
    for event in hearts:
        videos[event.country].add(event.video)
    rows = ask.country_ranking(USE, EVER, measure="videos", stickers=["heart"], limit=5)
    assert [row["country"] for row in rows] == [
        code for code, _ in first(Counter({code: len(ids) for code, ids in videos.items()}), 5)
    ]
    uses = summed(hearts, lambda e: [e.country])
    for row in rows:
        assert row["events"] == uses[row["country"]]
        assert row["videos"] == pytest.approx(len(videos[row["country"]]), rel=CLOSE)
        assert row["share"] == pytest.approx(100 * uses[row["country"]] / uses.total())
    short = ask.top_countries(USE, EVER, sticker="heart", limit=10_000)
    assert {row["country"]: row["events"] for row in short} == uses


@pytest.mark.parametrize("stickers", [["heart"], ["heart", "fire", "birthday cake"]])
def test_videos_with_one_of_several_stickers(ask: Analytics, stickers: list[str]) -> None:
    some = chosen(USE, EVER, lambda e: e.sticker in stickers)
    [row] = ask.distinct_videos(EVER, stickers=stickers)
    assert row["videos"] == pytest.approx(len({e.video for e in some}), rel=CLOSE)
    assert row["uses_at_least"] == len(some) == row["uses_at_most"]


@pytest.mark.parametrize("kind", EventType)
@pytest.mark.parametrize("month", range(3))
def test_tags_that_lead_in_a_month(ask: Analytics, kind: EventType, month: int) -> None:
    period = months()[month]
    truth = first(summed(chosen(kind, period), lambda e: e.tags), 20)
    for rows in (
        [{"hashtag": row["name"], **row} for row in ask.top("hashtag", kind, period, limit=20)],
        ask.top_hashtags(kind, period, limit=20),
    ):
        assert [(row["hashtag"], row["events"]) for row in rows] == truth


@pytest.mark.parametrize("month", range(3))
def test_a_challenge_in_one_country_and_week(ask: Analytics, month: int) -> None:
    """The tag and country that the most creations of the month's second week have."""
    begin = months()[month].since
    week = Period(begin + timedelta(days=7), begin + timedelta(days=14), Grain.DAY)
    pairs = Counter((e.country, tag) for e in chosen(CREATION, week) for tag in e.tags)
    (country, tag), _ = pairs.most_common(1)[0]
    truth = {
        kind.value: number
        for kind in EventType
        if (number := sum(e.times for e in chosen(kind, week, lambda e: tag in e.tags and e.country == country)))
    }
    rows = ask.totals(week, hashtag=tag, country=country)
    assert {row["event_type"]: row["events"] for row in rows} == truth
    days = ask.series(CREATION, week, Step.DAY, Filter(tag, countries=[country]))
    assert {row["begins"].day: row["events"] for row in days} == Counter(
        e.at.day for e in chosen(CREATION, week, lambda e: tag in e.tags and e.country == country)
    )


def test_regions_and_countries_add_up(ask: Analytics) -> None:
    truth = summed(chosen(VIEW), lambda e: [e.country])
    assert {row["country"]: row["events"] for row in ask.top_countries(VIEW, EVER, limit=10_000)} == truth
    regions = ask.region_totals(VIEW, EVER)
    assert sum(row["events"] for row in regions) == truth.total()
    assert sum(row["countries"] for row in regions) == len(truth)
