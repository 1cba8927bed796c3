"""tagpulse verify on a whole stack: equal where all is right, and every kind of damage named with its offsets."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import pytest

from loadtest.events import Event, Workload
from tests.e2e.commands import FAULTS, answer, run
from tests.e2e.conftest import GROUPS
from tests.e2e.damage import TABLES, add, added, at, insert_again, minute_rows
from tests.e2e.harness import Stack
from tests.e2e.ledger import Record, plain_record
from tests.e2e.oddities import BAD, good

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

GRAINS = ("minute", "hour", "day")


class Batch:
    """Views that were counted in one claim of their own."""

    def __init__(self, stack: Stack, seed: int, partition: int) -> None:
        views = (e for e in Workload(seed=seed, until=datetime.now(UTC), tags=60).events(5_000) if "count" in e)
        self.events: list[Event] = list(islice(views, 200))
        before = stack.ledger.ends.get(("video-views", partition), 0)
        stack.sender.send([plain_record(event) for event in self.events], partition=partition)
        stack.check()
        found = stack.rows(
            "SELECT toString(incarnation), first, next FROM claims"
            " WHERE topic = 'video-views' AND done AND next > first"
            f" AND incarnation = (SELECT max(incarnation) FROM incarnations) AND partition = {partition}"
            f" AND first >= {before}"
        )
        assert len(found) == 1, "more than one claim: the delta was cut"
        incarnation, first, next_ = found[0]
        self.place = f"video-views/{incarnation}/{partition} [{first}, {next_})"
        self.rows = minute_rows(stack, self.events)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    settings = {"TAGPULSE_TAG_GROUPS": GROUPS, "TAGPULSE_FLUSH_INTERVAL_S": "2"}
    stack = Stack(tmp_path_factory.mktemp("verify"), partitions=3, settings=settings).start()
    try:
        events = list(Workload(seed=301, until=datetime.now(UTC)).events(6_000))
        bad = [Record(kind, value, None, reason, field) for kind in BAD for _, value, reason, field in BAD[kind]]
        odd = [record for _, record in good(datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=9))]
        stack.sender.send([*map(plain_record, events), *bad, *odd])
        stack.check()
        yield stack
        stack.stop()
    finally:
        stack.abandon()


@pytest.fixture(scope="module")
def batch(stack: Stack) -> Batch:
    return Batch(stack, 302, 1)


def views(report: dict[str, Any]) -> dict[str, Any]:
    return next(topic for topic in report["topics"] if topic["topic"] == "video-views")


def clean(topic: dict[str, Any]) -> bool:
    """Whether nothing at all is said against a topic."""
    return not any(topic[name] for name in (*FAULTS, "not_recounted"))


def test_the_ledger_tells_what_is_lost_and_doubled(stack: Stack, batch: Batch) -> None:
    """On which the table of the faults' runs relies."""
    counted_for = sum(events for key, events in batch.rows.items() if not key[2])
    assert counted_for >= len(batch.events)
    assert stack.ledger.lost_and_doubled(stack.client) == (0, 0)
    for table in TABLES:
        with added(stack, table, at(table, batch.rows), 1):
            assert stack.ledger.lost_and_doubled(stack.client) == (0, counted_for)
        with added(stack, table, at(table, batch.rows), -1):
            assert stack.ledger.lost_and_doubled(stack.client) == (counted_for, 0)


def test_all_equal(stack: Stack, batch: Batch) -> None:
    report = answer(stack, "verify")
    truth = stack.ledger.settle()
    assert sum(topic["records"] for topic in report["topics"]) == stack.ledger.sent
    assert sum(topic["rejects"] for topic in report["topics"]) == len(stack.ledger.rejects) > 60
    for grain in GRAINS:
        compared = sum(topic["tables"][grain]["keys_compared_exactly"] for topic in report["topics"])
        assert compared == len(truth.events[grain]) > 1_000
    assert all(clean(topic) and not topic["open_claims"] for topic in report["topics"])
    told = run(stack, "verify")
    assert (told.returncode, b"EQUAL" in told.stdout) == (0, True), told.stdout.decode()


def test_equal_while_events_flow(stack: Stack, batch: Batch) -> None:
    """Nothing stands still: each verification is of the moment at which it read a table."""
    events = [plain_record(event) for event in Workload(seed=303, until=datetime.now(UTC)).events(2_000)]
    seen = []
    with stack.sender.flow(events, per_second=300):
        for _ in range(2):
            report = answer(stack, "verify")
            assert all(clean(topic) for topic in report["topics"])
            assert not any(
                part["keys_compared_as_lower_bound"] for t in report["topics"] for part in t["tables"].values()
            )
            seen.append(sum(topic["records"] for topic in report["topics"]))
    assert seen[0] < seen[1]
    stack.check()


@pytest.mark.parametrize("table", TABLES[:2])
def test_a_batch_that_one_table_lost_is_named(stack: Stack, batch: Batch, table: str) -> None:
    grain = table.removeprefix("engagement_")
    rows = at(table, batch.rows)
    with added(stack, table, rows, -1):
        topic = views(answer(stack, "verify", "--topic", "video-views", "--limit", "100000", code=1))
    assert [(b["kind"], b["grain"], b["claim"]) for b in topic["batches"]] == [("missing", grain, batch.place)]
    assert topic["batches"][0]["keys"] == len(rows) == len(topic["keys"])
    assert {(k["kind"], k["grain"], *k["claims"], k["explained"]) for k in topic["keys"]} == {
        ("missing", grain, batch.place, True)
    }
    told = {(k["country"], k["hashtag"], k["sticker"], k["window"]): k["truth"] - k["found"] for k in topic["keys"]}
    assert told == {(*k[1:4], k[4].strftime("%Y-%m-%d %H:%M")): number for k, number in rows.items()}


def test_a_batch_that_was_counted_twice_is_named(stack: Stack, batch: Batch) -> None:
    insert_again(stack, batch.rows, "some other token")
    topic = views(answer(stack, "verify", "--event", "video_view", code=1))
    assert {(b["kind"], b["grain"], b["claim"]) for b in topic["batches"]} == {
        ("doubled", grain, batch.place) for grain in GRAINS
    }
    said = run(stack, "verify", "--event", "video_view").stdout.decode()
    assert batch.place in said
    assert "DIFFERENT" in said
    for table in TABLES:
        add(stack, table, at(table, batch.rows), -1)
    answer(stack, "verify")


def test_one_changed_key_is_named(stack: Stack, batch: Batch) -> None:
    key = next(key for key in batch.rows if key[2])
    with added(stack, "engagement_day", {(*key[:4], key[4].replace(hour=0, minute=0)): 1_000_003}, 1):
        topic = views(answer(stack, "verify", code=1))
    (told,) = topic["keys"]
    assert (told["kind"], told["grain"], told["country"], told["hashtag"]) == ("extra", "day", key[1], key[2])
    assert told["found"] - told["truth"] == 1_000_003
    assert batch.place in told["claims"] or len(told["claims"]) == 3
    assert not topic["batches"]


def test_a_key_that_nobody_counted_is_named(stack: Stack, batch: Batch) -> None:
    moment = next(iter(batch.rows))[4]
    with added(stack, "engagement_minute", {("video_view", "XX", "nobody", "", moment): 5}, 1):
        (told,) = views(answer(stack, "verify", code=1))["keys"]
    stack.client.command("DELETE FROM engagement_minute WHERE hashtag = 'nobody'")  # else a key of 0 events stays
    assert (told["kind"], told["country"], told["truth"], told["found"], told["claims"]) == ("extra", "XX", 0, 5, [])


def test_a_period_takes_in_its_windows_only(stack: Stack, batch: Batch) -> None:
    key = max(batch.rows, key=lambda k: k[4])
    after, hour = key[4] + timedelta(minutes=1), key[4] - timedelta(hours=1)
    with added(stack, "engagement_minute", {key: 1}, -1):
        for bounds, code in (((hour, after), 1), ((hour, key[4]), 0), ((after, after + timedelta(hours=1)), 0)):
            begin, end = (f"{bound:%Y-%m-%dT%H:%M}" for bound in bounds)
            topic = views(answer(stack, "verify", "--since", begin, "--until", end, code=code))
            assert topic["tables"]["day"]["keys_compared_exactly"] == 0  # no whole day in so short a time
            assert topic["keys_different"] == code


def test_a_part_of_a_log_gives_lower_bounds(stack: Stack, batch: Batch) -> None:
    first, next_ = batch.place.split("[")[1].rstrip(")").split(", ")
    part = ("--topic", "video-views", "--partition", "1", "--from-offset", first, "--to-offset", next_)
    topic = views(answer(stack, "verify", *part))
    assert (topic["claims"], topic["records"]) == (1, len(batch.events))
    minute = topic["tables"]["minute"]
    assert (minute["keys_compared_exactly"], minute["keys_different"]) == (0, 0)
    assert minute["keys_compared_as_lower_bound"] >= len(batch.rows)
    key = max(batch.rows, key=lambda k: batch.rows[k])
    there = stack.ledger.settle().events["minute"][key]
    with added(stack, "engagement_minute", {key: there}, -1):
        assert views(answer(stack, "verify", *part, code=1))["keys_different"] == 1


def test_rejects_that_are_gone_or_changed_are_named(stack: Stack, batch: Batch) -> None:
    places = [place for place in stack.ledger.rejects if place[0] == "video-views"][:2]
    (topic, partition, gone), (_, other, changed) = places
    columns = "topic, incarnation, partition, offset, reason, field, raw, length, sha256"
    where = "topic = '{}' AND partition = {} AND offset = {}"
    one, two = where.format(topic, partition, gone), where.format(topic, other, changed)
    stack.client.command(f"CREATE TABLE kept ENGINE = Memory AS SELECT * FROM rejected_events WHERE ({one}) OR ({two})")
    stack.client.command(f"DELETE FROM rejected_events WHERE ({one}) OR ({two})")
    stack.client.command(
        f"INSERT INTO rejected_events ({columns}) SELECT {columns.replace('reason', chr(39) + 'empty' + chr(39))}"
        f" FROM kept WHERE {two}"
    )
    try:
        faults = views(answer(stack, "verify", code=1))["reject_faults"]
    finally:
        stack.client.command(f"DELETE FROM rejected_events WHERE {two}")
        stack.client.command("INSERT INTO rejected_events SELECT * FROM kept")
        stack.client.command("DROP TABLE kept")
    told = {(fault["log"].rsplit("/", 1)[-1], fault["offset"]): fault for fault in faults}
    assert set(told) == {(str(partition), gone), (str(other), changed)}
    assert told[str(partition), gone]["found"] == ""
    assert told[str(other), changed]["found"].startswith("empty")
    for place in places:
        assert told[str(place[1]), place[2]]["truth"].startswith(stack.ledger.rejects[place].reason)
    answer(stack, "verify")


def test_an_unreachable_broker_is_no_verdict(stack: Stack) -> None:
    done = run(stack, "verify", TAGPULSE_KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")
    assert done.returncode == 2
    assert b"no Kafka broker answers at 127.0.0.1:1" in done.stderr


BAD_ARGUMENTS = [
    (("--topic", "views"), "views"),
    (("--topic", "video-views", "--event", "sticker_use"), "video_view"),
    (("--partition", "1"), "--topic"),
    (("--from-offset", "1"), "--partition"),
    (("--since", "yesterday"), "yesterday"),
    (("--since", "2026-05-02", "--until", "2026-05-01"), "--since / --until"),
    (("--topic", "video-views", "--partition", "0", "--from-offset", "5", "--to-offset", "5"), "--to-offset"),
]


@pytest.mark.parametrize(("arguments", "named"), BAD_ARGUMENTS, ids=[" ".join(a) for a, _ in BAD_ARGUMENTS])
def test_a_bad_argument_is_named(stack: Stack, arguments: tuple[str, ...], named: str) -> None:
    done = run(stack, "verify", *arguments)
    assert done.returncode == 2
    assert named in done.stderr.decode()


def test_a_former_log_leaves_lower_bounds(stack: Stack, batch: Batch) -> None:
    """Last: the log in memory is lost, its counts stay."""
    stack.stop()
    stack.start()
    fresh = Batch(stack, 304, 0)
    topic = views(answer(stack, "verify", code=2))
    assert clean(topic)
    assert topic["records"] == len(fresh.events)
    assert topic["records_of_older_incarnations"] > 1_000
    assert topic["tables"]["minute"]["keys_compared_as_lower_bound"] >= len(fresh.rows)
    key = next(key for key in fresh.rows if stack.ledger.settle().events["minute"][key] == fresh.rows[key])
    with added(stack, "engagement_minute", {key: 1}, -1):
        assert views(answer(stack, "verify", code=1))["keys_different"] == 1
