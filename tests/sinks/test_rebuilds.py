"""Old events, and a grain put together again from a finer one: equal to a truth computed from the events."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from sinks.claims import Claim, Claims, Log
from sinks.client import connect
from sinks.errors import RebuildError
from sinks.migrations import Retention, migrate
from sinks.periods import Grain
from sinks.rebuilds import Rebuild
from streams.rules import Rules
from tests.conftest import Server
from tests.counted import count

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

Event = dict[str, Any]
Counts = dict[tuple[Any, ...], tuple[int, int]]
MAY, JUNE = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
CLOCK = datetime(2026, 7, 1, tzinfo=UTC)
KEPT = Retention(36_500, 36_500)
LENGTHS = {Grain.MINUTE: timedelta(minutes=1), Grain.HOUR: timedelta(hours=1), Grain.DAY: timedelta(days=1)}
VIEWS = Log("video-views", 0, 0)


def made(seed: int, number: int, since: datetime, until: datetime) -> list[Event]:
    dice = random.Random(seed)
    found = []
    for _ in range(number):
        kind = dice.choice(["video_creation", "sticker_use", "video_view"])
        ts = since + timedelta(seconds=dice.randrange(int((until - since).total_seconds())))
        event: Event = {"type": kind, "ts": ts.isoformat(), "video_id": str(dice.randrange(80)), "country": "PH"}
        event["hashtags"] = dice.sample(["love", "joy", "cats"], dice.randrange(3))
        event |= {"sticker": dice.choice(["heart", "hat"])} if kind == "sticker_use" else {}
        found.append(event)
    return found


def truth(events: Sequence[Event], grain: Grain) -> Counts:
    """Type, country, hashtag, sticker, window -> events and distinct videos."""
    counts: Counter[tuple[Any, ...]] = Counter()
    videos: defaultdict[tuple[Any, ...], set[str]] = defaultdict(set)
    for event in events:
        ts = datetime.fromisoformat(event["ts"])
        for tag in ["", *event["hashtags"]]:
            key = (event["type"], event["country"], tag, event.get("sticker", ""), ts - (ts - MAY) % LENGTHS[grain])
            counts[key] += 1
            videos[key] |= {event["video_id"]} if "sticker" in event else set()
    return {key: (number, len(videos[key])) for key, number in counts.items()}


def found(client: Client, grain: Grain) -> Counts:
    rows = client.query(
        "SELECT event_type, country, hashtag, sticker, window_start, sum(events), uniqCombined64Merge(14)(videos)"
        f" FROM engagement_{grain} WHERE event_type != '__receipt' GROUP BY ALL HAVING sum(events) > 0"
    ).result_rows
    return {(*row[:4], row[4].replace(tzinfo=UTC)): (row[5], row[6]) for row in rows}


def receipts(client: Client, grain: Grain) -> list[Any]:
    return list(
        client.query(
            f"SELECT hashtag, toYYYYMM(window_start), sum(events), max(landed) FROM engagement_{grain}"
            " WHERE event_type = '__receipt' GROUP BY ALL ORDER BY ALL"
        ).result_rows
    )


EVENTS = made(1, 700, MAY, JUNE + timedelta(days=20))


@pytest.fixture
def filled(database: Client) -> Client:
    for part in (EVENTS[:400], EVENTS[400:]):
        count(database, part, CLOCK, Rules())
    return database


def rebuild(
    client: Client, coarser: Grain, finer: Grain = Grain.MINUTE, since: datetime | None = None,
    until: datetime | None = None, at: Callable[[str], None] = lambda _: None, kept: Retention = KEPT,
) -> list[str]:  # fmt: skip
    return [done.partition for done in Rebuild(client, coarser, finer, since, until, kept, CLOCK, 0.0, at).run()]


def damage(client: Client, grain: Grain) -> None:
    """Lose a part of the rows with their receipts, double another, change distinct videos."""
    table = f"engagement_{grain}"
    columns = "window_start, event_type, country, hashtag, sticker, events, videos, landed"
    client.command(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {table} WHERE hashtag = 'love'")
    client.command(
        f"INSERT INTO {table} ({columns}) SELECT window_start, event_type, country, hashtag, sticker, events,"
        " arrayReduce('uniqCombined64State(14)', CAST(range(1000, 1200), 'Array(UInt64)')), 0"
        f" FROM {table} WHERE event_type = 'sticker_use'"
    )
    client.command(f"DELETE FROM {table} WHERE hashtag = 'joy' OR event_type IN ('video_view', '__receipt')")


def test_a_damaged_grain_is_put_together_again(filled: Client) -> None:
    ways = [(Grain.HOUR, Grain.MINUTE, ["202605", "202606"]), (Grain.DAY, Grain.HOUR, ["2026"]),
            (Grain.DAY, Grain.MINUTE, ["2026"])]  # fmt: skip
    for coarser, finer, partitions in ways:
        vouched = receipts(filled, coarser)
        damage(filled, coarser)
        assert found(filled, coarser) != truth(EVENTS, coarser)
        assert rebuild(filled, coarser, finer) == partitions
        assert found(filled, coarser) == truth(EVENTS, coarser)
        assert receipts(filled, coarser) == vouched
    # Counting goes on as if nothing had been.
    more = made(2, 90, MAY, JUNE)
    count(filled, more, CLOCK, Rules())
    for grain in Grain:
        assert found(filled, grain) == truth([*EVENTS, *more], grain)
    assert filled.query("SELECT name FROM system.tables WHERE startsWith(name, 'rebuild_')").result_rows == []


class Interrupted(Exception):
    """The process ends here."""


def test_interrupted_it_leaves_each_partition_old_or_new(filled: Client) -> None:
    damage(filled, Grain.HOUR)
    old, new = found(filled, Grain.HOUR), truth(EVENTS, Grain.HOUR)
    # Only the windows of the period change.
    since, until = MAY + timedelta(days=10), MAY + timedelta(days=20)
    assert rebuild(filled, Grain.HOUR, since=since, until=until) == ["202605"]
    inside = {key: value for key, value in new.items() if since <= key[4] < until}
    old = {key: value for key, value in old.items() if not since <= key[4] < until} | inside
    assert found(filled, Grain.HOUR) == old
    seen: list[str] = []

    def stop(step: str) -> None:
        seen.append(step)
        if seen.count("before-replace") == 2:
            raise Interrupted

    with pytest.raises(Interrupted):
        rebuild(filled, Grain.HOUR, at=stop)
    now = found(filled, Grain.HOUR)
    assert now == {k: v for k, v in new.items() if k[4] < JUNE} | {k: v for k, v in old.items() if k[4] >= JUNE}
    rebuild(filled, Grain.HOUR)
    assert found(filled, Grain.HOUR) == new


def test_what_workers_write_meanwhile_is_not_lost(filled: Client) -> None:
    events = list(EVENTS)
    for seed, step in enumerate(("built", "before-replace", "replaced"), 10):
        left = [made(seed, 60, MAY, JUNE)]
        events += left[0]

        def write(reached: str, step: str = step, left: list[list[Event]] = left) -> None:
            if reached == step and left:
                count(filled, left.pop(), CLOCK, Rules())

        rebuild(filled, Grain.HOUR, at=write)
        assert found(filled, Grain.HOUR) == truth(events, Grain.HOUR)


def test_it_is_refused_while_workers_count(filled: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sinks.rebuilds._PATIENCE_S", 0.0)
    claims = Claims(filled)
    tail = claims.last(VIEWS)
    assert tail is not None
    opened = claims.claim(Claim(VIEWS, tail.next, tail.next + 5, uuid4(), "w", 0.0, "r", 5), tail)
    damage(filled, Grain.HOUR)
    before = found(filled, Grain.HOUR)
    lost = claims.begin(Log("sticker-uses", 0, 9), 0, "w", uuid4())
    claims.claim(Claim(lost.log, 0, 5, uuid4(), "w", 0.0, "r", 5), lost)
    with pytest.raises(RebuildError, match="2 claims are open"):
        rebuild(filled, Grain.HOUR)
    claims.start_incarnation("sticker-uses", "the log was lost: nobody could ever finish its claim")
    with pytest.raises(RebuildError, match="1 claims are open"):
        rebuild(filled, Grain.HOUR)
    claims.done(opened)
    monkeypatch.setattr("sinks.rebuilds._PATIENCE_S", -3600.0)
    with pytest.raises(RebuildError, match=r"workers count: the newest claim is \d+ s old"):
        list(Rebuild(filled, Grain.HOUR, Grain.MINUTE, None, None, KEPT, CLOCK, 3600.0).run())
    monkeypatch.setattr("sinks.rebuilds._PATIENCE_S", 30.0)

    def write(step: str) -> None:
        if step == "built":
            count(filled, made(4, 9, MAY, JUNE), CLOCK, Rules())

    with pytest.raises(RebuildError, match="keep counting"):
        rebuild(filled, Grain.HOUR, at=write)
    assert found(filled, Grain.HOUR).keys() >= before.keys()


def test_a_finer_grain_that_lacks_rows_is_no_source(filled: Client) -> None:
    filled.command("ALTER TABLE engagement_minute DROP PARTITION ID '202605'")
    before = found(filled, Grain.HOUR)
    with pytest.raises(RebuildError, match=r"engagement_minute lacks rows itself .*video-views/0/0 in 202605"):
        rebuild(filled, Grain.HOUR)
    assert found(filled, Grain.HOUR) == before
    assert rebuild(filled, Grain.HOUR, since=JUNE) == ["202606"]


def test_what_cannot_be_rebuilt_is_refused(filled: Client) -> None:
    kept = Retention(40, 400)
    first = datetime(2026, 5, 23, tzinfo=UTC)
    for since in (MAY, first - timedelta(hours=1)):
        with pytest.raises(RebuildError, match="kept 40 days: windows before 2026-05-23 00:00 may be gone"):
            rebuild(filled, Grain.HOUR, since=since, kept=kept)
    # By default as far back as minutes are kept.
    damage(filled, Grain.HOUR)
    rebuild(filled, Grain.HOUR, kept=kept)
    now, right = found(filled, Grain.HOUR), truth(EVENTS, Grain.HOUR)
    assert {k: v for k, v in now.items() if k[4] >= first} == {k: v for k, v in right.items() if k[4] >= first}
    with pytest.raises(RebuildError, match="begin of a hour"):
        rebuild(filled, Grain.HOUR, since=MAY + timedelta(minutes=5))
    with pytest.raises(RebuildError, match="cannot be added up from a hour"):
        rebuild(filled, Grain.HOUR, Grain.HOUR)
    with pytest.raises(RebuildError, match="there is no day"):
        rebuild(filled, Grain.DAY, since=JUNE, until=MAY)


def test_old_events_are_counted_by_the_grains_that_still_keep_them(clickhouse: Server) -> None:
    """A backlog of years: minutes are past their TTL when they come, and so are hours; days count all of it."""
    client = connect(clickhouse.url, clickhouse.user, clickhouse.password)
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    migrate(client, "old_events", Retention(30, 400))
    old, recent = now - timedelta(days=900), now - timedelta(days=90)
    events = made(5, 300, old, old + timedelta(days=400)) + made(6, 300, recent, recent + timedelta(days=90))
    try:
        count(client, events, now, Rules())
        for grain in Grain:
            client.command(f"OPTIMIZE TABLE engagement_{grain} FINAL")
        assert found(client, Grain.DAY) == truth(events, Grain.DAY)
        kept = {Grain.HOUR: now - timedelta(days=398), Grain.MINUTE: now - timedelta(days=28)}
        for grain, since in kept.items():
            right = {key: value for key, value in truth(events, grain).items() if key[4] >= since}
            assert {k: v for k, v in found(client, grain).items() if k[4] >= since} == right != {}
            assert min(key[4] for key in found(client, grain)) > old + timedelta(days=400)
        # The same again, after the TTLs have done their work.
        late = made(7, 200, old, now)
        count(client, late, now, Rules())
        assert found(client, Grain.DAY) == truth([*events, *late], Grain.DAY)
    finally:
        client.command("DROP DATABASE old_events")
        client.close()
