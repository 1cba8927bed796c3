"""Backfills on a real broker and ClickHouse: each event once, whatever is interrupted; bounds for what is gone."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sinks.analytics import Grain, Period
from sinks.campaign_answers import CampaignAnswers
from sinks.campaigns import Campaign, Campaigns
from sinks.errors import ClaimLost
from streams.rules import Rules
from tagpulse.campaigns.answer import word_for
from tagpulse.stack.embedded_broker import EmbeddedBroker
from tagpulse.stack.logfile import LogFile
from tagpulse.stack.topics import create_topics
from tagpulse.verify.log import LogReader
from tests.tagpulse.backfill.world import DAY_1, MEMBERS, PARTITIONS, TOPICS, World, made, tagged

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

WITH = Rules(tag_groups={"kind": MEMBERS})
#: Clocks: two deltas without the campaign, one with it.
CLOCK_1, CLOCK_2, CLOCK_3 = (DAY_1 + timedelta(days=n) for n in (1, 2, 3))
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
WHOLE = Period(DAY_1, DAY_1 + timedelta(days=4), Grain.MINUTE)


class Killed(Exception):
    """The process ends here."""


def kill_at(step: str, number: int) -> Callable[[str], None]:
    seen: Counter[str] = Counter()

    def at(reached: str) -> None:
        seen[reached] += 1
        if (reached, seen[reached]) == (step, number):
            raise Killed(step)

    return at


@pytest.fixture
async def world(database: Client, tmp_path: Path) -> AsyncIterator[World]:
    """Events of a day, counted before the campaign; of another day, after it was gone again; and with it."""
    broker = EmbeddedBroker(LogFile(tmp_path / "broker.log"))
    await broker.start(60)
    await create_topics(broker.bootstrap_servers, {topic.name: PARTITIONS for topic in TOPICS})
    yield World(database, broker.bootstrap_servers)
    await broker.stop()


async def fill(world: World) -> None:
    await world.count(made(1, 300, DAY_1, CLOCK_1), CLOCK_1, Rules(), claims=4)
    Campaigns(world.client).define(Campaign("kind", MEMBERS), 0)
    await world.count(made(2, 60, DAY_1, CLOCK_2), CLOCK_2, WITH)
    await world.count(made(3, 150, DAY_1, CLOCK_2), CLOCK_2, Rules(), claims=2)
    await world.count(made(4, 150, CLOCK_1, CLOCK_3), CLOCK_3, WITH)


def exact_from(world: World) -> datetime:
    (state,) = CampaignAnswers(world.client).states()
    return state["exact_from"].replace(tzinfo=UTC)  # type: ignore[no-any-return]


def totals(world: World, period: Period = WHOLE) -> dict[str, dict[str, Any]]:
    sure = exact_from(world)
    rows = CampaignAnswers(world.client).totals("kind", period)
    return {row["event_type"]: row | {"answer": word_for(row, sure, period)} for row in rows}


def true_totals(events: Sequence[Mapping[str, Any]], period: Period = WHOLE) -> Counter[str]:
    found: Counter[str] = Counter()
    for event in events:
        if tagged(event) and period.since <= datetime.fromisoformat(event["ts"]) < period.until:
            found[event["type"]] += event.get("count", 1)
    return found


def check_bounds(world: World) -> None:
    expected = true_totals(world.events)
    for kind, row in totals(world).items():
        assert row["at_least"] <= expected[kind] <= row["at_most"], row


async def test_each_event_counts_once_whatever_is_interrupted(world: World) -> None:
    await fill(world)
    assert exact_from(world) == CLOCK_2 + timedelta(minutes=11)
    assert {row["answer"] for row in totals(world).values()} == {f"exact since {exact_from(world):%Y-%m-%d %H:%M}"}
    for step, number in (
        ("claimed", 1),
        ("inserted", 2),
        ("before-insert", 2),
        ("before-done", 3),
        ("before-claim", 4),
    ):
        with pytest.raises(Killed):
            await world.backfill(at=kill_at(step, number))
        check_bounds(world)
    reports = await world.backfill()
    assert not any(report.lost for report in reports)
    world.check()
    assert exact_from(world) == ALWAYS
    assert {kind: (row["at_least"], row["answer"]) for kind, row in totals(world).items()} == {
        kind: (number, "exact") for kind, number in true_totals(world.events).items()
    }
    # Once more, with late events that were counted with it: nothing to do.
    await world.count(made(5, 60, DAY_1, CLOCK_3), CLOCK_3, WITH)
    assert not any(report.records or report.claims for report in await world.backfill())
    world.check()
    # A worker that did not know: only what it counted is added.
    await world.count(late := made(6, 60, DAY_1, CLOCK_3), CLOCK_3, Rules())
    assert exact_from(world) == CLOCK_3 + timedelta(minutes=11)
    assert sum(report.records for report in await world.backfill()) == len(late)
    world.check()
    assert exact_from(world) == ALWAYS
    assert await world.verified() == 0


async def test_two_at_once(world: World) -> None:
    await fill(world)
    both = await asyncio.gather(world.backfill(), world.backfill(), return_exceptions=True)
    assert all(isinstance(one, ClaimLost | list) for one in both), both
    await world.backfill()
    world.check()


async def test_a_log_that_is_gone_leaves_bounds(world: World) -> None:
    await world.count(made(1, 200, DAY_1, CLOCK_1), CLOCK_1, Rules())
    # The topics are made again: what Kafka had of the first life is gone.
    await world.reborn()
    await world.count(made(2, 200, DAY_1, CLOCK_2), CLOCK_2, Rules(), claims=3)
    Campaigns(world.client).define(Campaign("kind", MEMBERS), 0)
    await world.count(made(3, 100, DAY_1, CLOCK_3), CLOCK_3, WITH)
    await world.backfill()
    assert exact_from(world) == CLOCK_1 + timedelta(minutes=11)
    check_bounds(world)
    period = Period(exact_from(world), DAY_1 + timedelta(days=4), Grain.MINUTE)
    assert {kind: (row["at_least"], row["answer"]) for kind, row in totals(world, period).items()} == {
        kind: (number, "exact") for kind, number in true_totals(world.events, period).items()
    }
    assert {r["answer"] for r in totals(world, Period(DAY_1, CLOCK_1, Grain.MINUTE)).values()} == {"bounds"}


class Shortened(LogReader):
    """A log whose records before the third claim of each partition were removed by retention."""

    async def bounds(self, topic: str, partitions: Sequence[int] | None = None) -> Mapping[int, tuple[int, int]]:
        return {number: (self.begin[topic, number], end) for number, (_, end) in
                (await super().bounds(topic, partitions)).items()}  # fmt: skip

    begin: Mapping[tuple[str, int], int]


async def test_a_log_without_its_beginning_is_exact_since(world: World) -> None:
    hours = [DAY_1 + timedelta(hours=6 * n) for n in range(5)]
    for seed, clock in enumerate(hours[1:]):
        await world.count(made(seed, 120, DAY_1, clock), clock, Rules())
    Campaigns(world.client).define(Campaign("kind", MEMBERS), 0)
    await world.count(made(9, 120, DAY_1, CLOCK_2), CLOCK_2, WITH)
    claims = [claim for topic in TOPICS for claim in world.claims.history(topic.name) if claim.done]
    Shortened.begin = {
        (claim.log.topic, claim.log.partition): claim.first + 1
        for claim in claims
        if claim.clock == hours[2].timestamp()
    }
    with pytest.raises(Killed):
        await world.backfill(at=kill_at("inserted", 2), reader=Shortened)
    reports = await world.backfill(reader=Shortened)
    assert any("retention" in lost.why for report in reports for lost in report.lost)
    sure = hours[2] + timedelta(minutes=11)
    assert exact_from(world) == sure
    check_bounds(world)
    period = Period(sure, DAY_1 + timedelta(days=4), Grain.MINUTE)
    assert {kind: (row["at_least"], row["answer"]) for kind, row in totals(world, period).items()} == {
        kind: (number, "exact") for kind, number in true_totals(world.events, period).items()
    }
    assert await world.verified() == 0
    # The claims are forgotten; what is known of them stays.
    for claim in [claim for claim in claims if claim.clock == CLOCK_2.timestamp()]:
        world.claims.prune(claim, kept_days=0)
    assert exact_from(world) == sure
    assert not any(report.claims for report in await world.backfill(reader=Shortened))


async def test_what_a_claim_left_open_cannot_repeat_is_given_up(world: World) -> None:
    await fill(world)
    with pytest.raises(Killed):
        await world.backfill(at=kill_at("claimed", 1))
    opened = world.client.query(
        "SELECT topic, partition, first, next FROM backfill_claims GROUP BY topic, partition, first, next"
        " HAVING max(done) = 0"
    ).result_rows
    ((topic, partition, _, next_),) = opened
    Shortened.begin = {(t.name, n): 0 for t in TOPICS for n in range(PARTITIONS)} | {
        (topic.partition("@")[0], partition): next_
    }
    reports = await world.backfill(reader=Shortened)
    assert [lost.next for report in reports for lost in report.lost] == [next_]
    assert exact_from(world) == CLOCK_1 + timedelta(minutes=11)
    check_bounds(world)
    assert await world.verified() == 2  # what was given up may or may not have landed


async def test_other_hashtags_under_the_name_are_a_barrier(world: World) -> None:
    campaigns = Campaigns(world.client)
    await world.count(made(1, 100, DAY_1, CLOCK_1), CLOCK_1, Rules())
    campaigns.define(Campaign("kind", ("joy",)), 0)
    await world.backfill()
    campaigns.define(Campaign("kind", MEMBERS), 1)
    await world.count(made(2, 100, DAY_1, CLOCK_2), CLOCK_2, Rules())
    reports = await world.backfill()
    assert any("a name of their own" in lost.why for report in reports for lost in report.lost)
    assert exact_from(world) == CLOCK_1 + timedelta(minutes=11)
    check_bounds(world)


async def test_only_as_far_back_as_is_asked_for(world: World) -> None:
    await fill(world)
    since = CLOCK_1 + timedelta(minutes=30)
    reports = await world.backfill(since=since)
    assert exact_from(world) <= since
    assert sum(report.records for report in reports) == 150
    check_bounds(world)
