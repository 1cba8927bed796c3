"""Campaigns: definitions that are never changed, and answers against truth that independent code computes."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from sinks.analytics import Grain, Period
from sinks.campaign_answers import CampaignAnswers
from sinks.campaigns import Campaign, Campaigns
from sinks.claims import Claims
from sinks.client import connect
from sinks.errors import CampaignError, QueryError
from sinks.migrations import Retention, migrate
from streams.rules import Rules
from tests.conftest import Server
from tests.counted import count

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

Event = dict[str, Any]
DAY_1 = datetime(2026, 5, 1, tzinfo=UTC)
TAGS, COUNTRIES, STICKERS = ["love", "kindness", "joy", "cats", "fyp"], ["PH", "US", "BR"], ["heart", "sparkle", "hat"]
MEMBERS, MINE = ("kindness", "love"), ("heart", "sparkle")
#: The clock of the last delta that was counted without the campaign: no event up to ten minutes later is sure.
CLOCK_1, CLOCK_2 = DAY_1 + timedelta(days=1, hours=12, seconds=30), DAY_1 + timedelta(days=4)
SURE = DAY_1 + timedelta(days=1, hours=12, minutes=11)


def made(seed: int, number: int, since: datetime, until: datetime) -> list[Event]:
    """Events of all types; no video in two of them."""
    dice = random.Random(seed)
    events = []
    for n in range(number):
        kind = dice.choice(["video_creation", "sticker_use", "video_view"])
        ts = since + timedelta(seconds=dice.randrange(int((until - since).total_seconds())))
        event: Event = {
            "type": kind,
            "ts": ts.isoformat(),
            "video_id": str(seed * 1_000_000 + n),
            "country": dice.choice(COUNTRIES),
            "hashtags": dice.sample(TAGS, dice.randrange(4)),
        }
        if kind == "sticker_use":
            event["sticker"] = dice.choice(STICKERS)
        elif kind == "video_view":
            event["count"] = dice.randrange(1, 9)
        events.append(event)
    return events


BEFORE = made(1, 600, DAY_1, CLOCK_1)
AFTER = [*made(2, 600, CLOCK_1 - timedelta(days=1), CLOCK_2), *made(3, 200, SURE, CLOCK_2)]  # some come late


def fill(client: Client) -> Client:
    """Half of the events were counted before the campaigns were defined."""
    count(client, BEFORE, CLOCK_1, Rules())
    campaigns = Campaigns(client)
    campaigns.define(Campaign("kind", MEMBERS, MINE), 0)
    campaigns.define(Campaign("tags", MEMBERS), 0)
    campaigns.define(Campaign("stickers", (), MINE, countries=("PH",)), 0)
    count(client, AFTER, CLOCK_2, Rules(tag_groups={"kind": MEMBERS, "tags": MEMBERS}))
    return client


@pytest.fixture(scope="module")
def filled(clickhouse: Server) -> Iterator[Client]:
    """For tests that only read."""
    client = connect(clickhouse.url, clickhouse.user, clickhouse.password)
    migrate(client, "campaigns_to_read", Retention(36_500, 36_500))
    yield fill(client)
    client.command("DROP DATABASE campaigns_to_read")
    client.close()


@pytest.fixture
def editable(database: Client) -> Client:
    return fill(database)


def truth(wanted: Callable[[Event, datetime], bool]) -> Counter[str]:
    """Events by type."""
    found: Counter[str] = Counter()
    for event in BEFORE + AFTER:
        if wanted(event, datetime.fromisoformat(event["ts"])):
            found[event["type"]] += event.get("count", 1)
    return found


def tagged(event: Event) -> bool:
    return bool(set(event["hashtags"]) & set(MEMBERS))


def test_the_moment_from_which_it_is_exact(filled: Client) -> None:
    states = {row["name"]: row["exact_from"].replace(tzinfo=UTC) for row in CampaignAnswers(filled).states()}
    assert states == {"kind": SURE, "tags": SURE, "stickers": datetime(1970, 1, 1, tzinfo=UTC)}


@pytest.mark.parametrize(
    ("grain", "since", "until"),
    [
        (Grain.DAY, DAY_1 + timedelta(days=2), DAY_1 + timedelta(days=5)),
        (Grain.HOUR, DAY_1 + timedelta(days=1, hours=13), DAY_1 + timedelta(days=3, hours=7)),
        (Grain.MINUTE, SURE, SURE + timedelta(hours=9, minutes=3)),
    ],
)
def test_from_then_on_each_event_counts_once(filled: Client, grain: Grain, since: datetime, until: datetime) -> None:
    period = Period(since, until, grain)
    expected = truth(lambda e, ts: tagged(e) and since <= ts < until)
    found = {row["event_type"]: row for row in CampaignAnswers(filled).totals("tags", period)}
    assert {kind: (row["at_least"], row["at_most"], row["exact"]) for kind, row in found.items()} == {
        kind: (number, number, 1) for kind, number in expected.items()
    }
    # One event a video: distinct videos are uses.
    assert found["sticker_use"]["videos"] == expected["sticker_use"]


@pytest.mark.parametrize("grain", list(Grain))
def test_before_the_definition_there_are_bounds(filled: Client, grain: Grain) -> None:
    expected = truth(lambda e, ts: tagged(e))
    rows = CampaignAnswers(filled).totals("tags", Period(DAY_1, DAY_1 + timedelta(days=5), grain))
    assert [row["event_type"] for row in rows] == sorted(expected)
    for row in rows:
        number = expected[row["event_type"]]
        assert row["at_least"] <= number < row["at_most"], row
        assert row["at_least"] < number or grain is not Grain.DAY, row  # finer cells, closer bounds
        assert not row["exact"]
    (uses,) = (row for row in rows if row["event_type"] == "sticker_use")
    assert uses["videos"] == expected["sticker_use"]  # states merge to the union at any time


def test_series_and_countries_add_up(filled: Client) -> None:
    answers, period = CampaignAnswers(filled), Period(DAY_1, DAY_1 + timedelta(days=5), Grain.HOUR)
    totals = {row["event_type"]: (row["at_least"], row["at_most"]) for row in answers.totals("kind", period)}
    by_hour: dict[str, tuple[int, int]] = {}
    for row in answers.series("kind", period):
        least, most = by_hour.get(row["event_type"], (0, 0))
        by_hour[row["event_type"]] = (least + row["at_least"], most + row["at_most"])
        assert row["exact"] or row["window_start"].replace(tzinfo=UTC) < SURE
    assert by_hour == totals
    views = answers.countries("kind", "video_view", period)
    assert (sum(row["at_least"] for row in views), sum(row["at_most"] for row in views)) == totals["video_view"]
    assert sum(row["share"] for row in views) == pytest.approx(1)
    assert {row["country"]: row["country_name"] for row in views}["PH"] == "Philippines"
    exact = answers.countries(
        "kind", "video_creation", Period(DAY_1 + timedelta(days=2), DAY_1 + timedelta(days=4), Grain.DAY)
    )
    for row in exact:
        expected = truth(
            lambda e, ts, c=row["country"]: (
                tagged(e) and e["country"] == c and DAY_1 + timedelta(2) <= ts < DAY_1 + timedelta(4)
            )  # type: ignore[misc]
        )
        assert row["at_least"] == row["at_most"] == expected["video_creation"]


def test_stickers_are_one_union_at_any_time(filled: Client) -> None:
    answers, period = CampaignAnswers(filled), Period(DAY_1, DAY_1 + timedelta(days=5), Grain.DAY)
    for name, countries in (("kind", set(COUNTRIES)), ("stickers", {"PH"})):
        expected = truth(lambda e, ts, c=countries: e.get("sticker") in MINE and e["country"] in c)  # type: ignore[misc]
        found = {row["event_type"]: row for row in answers.totals(name, period)}
        uses = found["sticker_use"]
        assert (uses["at_least"], uses["at_most"], uses["exact"]) == (*[expected["sticker_use"]] * 2, 1)
        assert uses["videos"] == expected["sticker_use"]
    assert found.keys() == {"sticker_use"}  # without hashtags there is nothing else


def test_tags_of_a_campaign_each_for_itself(filled: Client) -> None:
    rows = CampaignAnswers(filled).hashtags("kind", Period(DAY_1, DAY_1 + timedelta(days=5), Grain.DAY))
    assert {row["hashtag"] for row in rows} == set(MEMBERS)
    for row in rows:
        expected = truth(lambda e, ts, t=row["hashtag"]: t in e["hashtags"])  # type: ignore[misc]
        assert (row["creations"], row["views"]) == (expected["video_creation"], expected["video_view"])


def test_period_and_countries_of_a_campaign_are_applied_when_it_is_read(editable: Client) -> None:
    campaigns, answers = Campaigns(editable), CampaignAnswers(editable)
    since, until = DAY_1 + timedelta(days=2), DAY_1 + timedelta(days=3)
    campaigns.define(Campaign("tags", MEMBERS, since=since, until=until, countries=("BR", "US")), 1)
    expected = truth(lambda e, ts: tagged(e) and since <= ts < until and e["country"] != "PH")
    rows = answers.totals("tags", Period(DAY_1, DAY_1 + timedelta(days=5), Grain.HOUR))
    assert {row["event_type"]: (row["at_least"], row["at_most"]) for row in rows} == {
        kind: (number, number) for kind, number in expected.items()
    }
    expected = truth(lambda e, ts: tagged(e) and e["country"] != "PH")
    rows = answers.totals("tags", Period(DAY_1, DAY_1 + timedelta(days=5), Grain.HOUR), own_period=False)
    assert all(row["at_least"] <= expected[row["event_type"]] <= row["at_most"] for row in rows)
    assert len(rows) == 3


def test_an_edit_of_the_tags_changes_nothing_that_was_counted(editable: Client) -> None:
    campaigns, answers = Campaigns(editable), CampaignAnswers(editable)
    rows = (
        "SELECT window_start, event_type, country, sum(events) FROM engagement_minute WHERE hashtag = '@kind'"
        " GROUP BY ALL ORDER BY ALL"
    )
    before = editable.query(rows).result_rows
    campaigns.define(Campaign("kind", ("joy",)), 1)
    (state,) = (row for row in answers.states() if row["name"] == "kind")
    assert state["exact_from"].replace(tzinfo=UTC) == CLOCK_2 + timedelta(minutes=11)
    assert editable.query(rows).result_rows == before
    period = Period(DAY_1, DAY_1 + timedelta(days=5), Grain.DAY)
    # A single tag is exact at any time.
    found = {row["event_type"]: (row["at_least"], row["at_most"]) for row in answers.totals("kind", period)}
    expected = truth(lambda e, ts: "joy" in e["hashtags"])
    assert found == {kind: (number, number) for kind, number in expected.items()}
    assert [c.hashtags for c in campaigns.history("kind")] == [MEMBERS, ("joy",)]


def test_forgotten_claims_leave_their_rules(editable: Client) -> None:
    claims = Claims(editable)
    topics = [topic for (topic,) in editable.query("SELECT DISTINCT topic FROM claims").result_rows]
    for topic in topics:
        claims.prune(max((c for c in claims.history(topic) if c.done), key=lambda c: c.next), kept_days=0)
        assert {c.rules for c in claims.history(topic)} == {
            Rules(tag_groups={"kind": MEMBERS, "tags": MEMBERS}).version
        }
    test_the_moment_from_which_it_is_exact(editable)


def test_a_campaign_that_was_removed_is_counted_no_more(editable: Client) -> None:
    campaigns = Campaigns(editable)
    campaigns.define(Campaign("kind", MEMBERS, removed=True), 1)
    assert campaigns.groups() == {"tags": MEMBERS}
    assert {row["name"] for row in CampaignAnswers(editable).states()} == {"stickers", "tags"}
    assert CampaignAnswers(editable).totals("kind", Period(DAY_1, CLOCK_2, Grain.DAY)) == []
    counted = editable.query("SELECT sum(events) FROM engagement_day WHERE hashtag = '@kind'").result_rows[0][0]
    assert counted == sum(truth(lambda e, ts: e in AFTER and tagged(e)).values())


def test_of_editors_at_once_one_wins(database: Client) -> None:
    campaigns = Campaigns(database)
    for version in range(3):
        with ThreadPoolExecutor(4) as pool:
            tries = [pool.submit(campaigns.define, Campaign("kind", (f"t{n}",)), version) for n in range(4)]
        errors = [t.exception() for t in tries if t.exception()]
        assert len(errors) == 3
        assert all(isinstance(error, CampaignError) and "somebody else" in str(error) for error in errors)
    assert [c.version for c in campaigns.history("kind")] == [1, 2, 3]
    with pytest.raises(CampaignError, match="somebody else"):
        campaigns.define(Campaign("kind", ("late",)), 1)


def test_names_of_groups_of_the_settings_are_known(database: Client) -> None:
    count(database, BEFORE[:5], CLOCK_1, Rules(tag_groups={"static": ("love",), "kind": ("joy",)}))
    Campaigns(database).define(Campaign("kind", ("joy",)), 0)
    assert Campaigns(database).foreign_groups() == {"static"}


@pytest.mark.parametrize("name", ["' OR 1 = 1 --", "kind', since = '1970-01-01", "x'; DROP TABLE campaigns; --", "\\"])
def test_a_name_is_a_value(filled: Client, name: str) -> None:
    answers, period = CampaignAnswers(filled), Period(DAY_1, CLOCK_2, Grain.DAY)
    assert answers.totals(name, period) == answers.series(name, period) == answers.hashtags(name, period) == []
    assert answers.countries(name, "video_view", period) == []
    with pytest.raises(QueryError, match="Unknown element"):
        answers.countries("kind", name, period)
    assert len(answers.states()) == 3


def test_a_refusal_names_the_question(filled: Client) -> None:
    with pytest.raises(QueryError, match="campaigns or trends"):
        CampaignAnswers(filled).rising("video_view", CLOCK_2, limit=-1)
