"""tagpulse rejects on a whole stack: find what was rejected, repair it, send it again, once."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from sinks.rejected import Filter, RejectedEvents
from sinks.replays import Replays
from streams.rules import Rules
from tagpulse.rejects.replay import HEADER, originals, plan, replay
from tests.e2e.commands import answer, run
from tests.e2e.harness import Stack
from tests.e2e.ledger import Place, Record
from tests.e2e.oddities import BAD

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

TOPICS = {"video_view": "video-views", "sticker_use": "sticker-uses", "video_creation": "video-creations"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("rejects"), partitions=2).start()
    try:
        bad = [Record(kind, value, None, reason, field) for kind in BAD for _, value, reason, field in BAD[kind]]
        stack.sender.send(bad)
        stack.check()
        yield stack
        stack.stop()
    finally:
        stack.abandon()


def name_of(place: Place) -> str:
    return "/".join(map(str, place))


def place_of(stack: Stack, value: bytes | None) -> Place:
    """Where the reject with this value lies."""
    return next(place for place, record in stack.ledger.rejects.items() if record.value == value)


def case(kind: str, name: str) -> bytes | None:
    return next(value for called, value, _, _ in BAD[kind] if called == name)


def messages(done: Any) -> str:
    return str(done.stderr.decode())


def test_all_are_listed(stack: Stack) -> None:
    listed = answer(stack, "rejects", "list", "--limit", "10000")
    found = {(r["topic"], r["partition"], r["offset"]): (r["reason"], r["field"], r["sha256"]) for r in listed}
    assert found == {
        place: (record.reason, record.field, hashlib.sha256(record.value or b"").hexdigest())
        for place, record in stack.ledger.rejects.items()
    }


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (("--reason", "missing"), lambda p, r: r.reason == "missing"),
        (("--topic", "sticker-uses"), lambda p, r: p[0] == "sticker-uses"),
        (("--field", "count"), lambda p, r: r.field == "count"),
        (("--reason", "invalid", "--field", "ts"), lambda p, r: (r.reason, r.field) == ("invalid", "ts")),
        (("--since", "2020-01-01", "--until", "2100-01-01"), lambda p, r: True),
        (("--until", "2020-01-01"), lambda p, r: False),
        (("--since", "2100-01-01"), lambda p, r: False),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, tuple) else "",
)
def test_filters(stack: Stack, arguments: tuple[str, ...], wanted: Any) -> None:
    listed = answer(stack, "rejects", "list", *arguments, "--limit", "10000")
    found = {(row["topic"], row["partition"], row["offset"]) for row in listed}
    assert found == {place for place, record in stack.ledger.rejects.items() if wanted(place, record)}


def test_the_limit_and_the_table(stack: Stack) -> None:
    assert len(answer(stack, "rejects", "list", "--limit", "7")) == 7
    done = run(stack, "rejects", "list", "--reason", "too_deep")
    assert (done.returncode, done.stdout.count(b"too_deep")) == (0, 3)
    assert b"no rejects" in run(stack, "rejects", "list", "--until", "2020-01-01").stdout


def test_one_is_shown_as_text(stack: Stack) -> None:
    value = case("video_view", "video past 64 bits")
    assert value is not None
    shown = run(stack, "rejects", "show", name_of(place_of(stack, value))).stdout.decode()
    for part in ("reason: invalid", "a value that is not allowed", "field: video_id", value.decode()):
        assert part in shown
    assert hashlib.sha256(value).hexdigest() in shown


def test_binary_is_shown_as_a_dump(stack: Stack) -> None:
    shown = run(stack, "rejects", "show", name_of(place_of(stack, bytes(range(256))))).stdout.decode()
    assert "00000040  40 41 42 43" in shown
    assert "|@ABCDEFGHIJKLMNO|" in shown


def test_a_truncated_one_says_so_and_cannot_be_replayed(stack: Stack) -> None:
    place = name_of(place_of(stack, case("video_view", "900 kB")))
    shown = run(stack, "rejects", "show", place).stdout.decode()
    assert "only the first 65,536 bytes are kept" in shown
    done = run(stack, "rejects", "replay", place, "--yes")
    assert done.returncode == 1
    assert "only the first 65,536 of its" in messages(done)
    assert stack.rows("SELECT count() FROM replayed_events") == [(0,)]


def test_export_holds_the_bytes(stack: Stack, tmp_path: Path) -> None:
    file = tmp_path / "rejects.ndjson"
    done = run(stack, "rejects", "export", "--out", str(file), "--limit", "10000")
    assert done.returncode == 0, messages(done)
    rows = [json.loads(line) for line in file.read_bytes().splitlines()]
    assert len(rows) == len(stack.ledger.rejects)
    for row in rows:
        value = stack.ledger.rejects[row["topic"], row["partition"], row["offset"]].value or b""
        assert base64.b64decode(row["raw_base64"]) == value[: 64 * 1024]
        assert (row["length"], row["truncated"]) == (len(value), len(value) > 64 * 1024)
        if row["text"] is not None:
            assert row["text"].encode() == value[: 64 * 1024]
    piped = run(stack, "rejects", "export", "--out", "-", "--reason", "too_old")
    assert piped.stdout.count(b"\n") == sum(r.reason == "too_old" for r in stack.ledger.rejects.values())


def record_at(stack: Stack, topic: str, partition: int, offset: int) -> Any:
    """The record as Kafka has it."""

    async def read() -> Any:
        async with AIOKafkaConsumer(bootstrap_servers=stack.ready["kafka"], group_id=None) as consumer:
            there = TopicPartition(topic, partition)
            consumer.assign([there])
            consumer.seek(there, offset)
            return await consumer.getone()

    return asyncio.run(read())


def replayed(stack: Stack) -> dict[Place, tuple[str, int, int]]:
    """State and new place of every replay that was concluded."""
    rows = stack.rows(
        "SELECT topic, partition, offset, state, to_partition, to_offset FROM replayed_events WHERE state != 'sending'"
    )
    return {tuple(row[:3]): tuple(row[3:]) for row in rows}


def test_repaired_records_are_counted_once_and_marked(stack: Stack, tmp_path: Path) -> None:
    run(stack, "rejects", "export", "--out", str(tmp_path / "all.ndjson"), "--reason", "wrong_type", "--limit", "10000")
    events: dict[Place, Any] = {}
    lines: list[str] = []
    for line in (tmp_path / "all.ndjson").read_text().splitlines():
        row = json.loads(line)
        event = json.loads(row["text"])
        kind = next(kind for kind, topic in TOPICS.items() if topic == row["topic"])
        event |= {"type": kind, "schema": 1, "ts": "2026-01-06T08:09:10Z", "video_id": "991", "country": "DE"}
        event |= {"hashtags": ["mended"], **({"count": 3} if kind == "video_view" else {})}
        event |= {"sticker": "patch"} if kind == "sticker_use" else {}
        events[row["topic"], row["partition"], row["offset"]] = event
        value = json.dumps(event)
        encoded = {"value_base64": base64.b64encode(value.encode()).decode()}
        lines.append(json.dumps(row | (encoded if len(lines) % 2 else {"value": value})))
    assert len(events) > 8
    file = tmp_path / "repaired.ndjson"
    file.write_text("\n".join(lines) + "\n")

    dry = run(stack, "rejects", "replay", "--file", str(file), "--dry-run")
    assert (dry.returncode, "would send" in messages(dry)) == (0, True)
    asked = run(stack, "rejects", "replay", "--file", str(file), given=b"n\n")
    assert (asked.returncode, "Aborted" in messages(asked)) == (1, True)
    assert stack.rows("SELECT count() FROM replayed_events") == [(0,)]

    done = run(stack, "rejects", "replay", "--file", str(file), given=b"y\n")
    assert done.returncode == 0, messages(done)
    assert f"sent {len(events)}, not sent 0" in messages(done)
    stack.ledger.note_events(list(events.values()))
    stack.check()  # counted, once each
    sent = replayed(stack)
    assert sent.keys() == events.keys()
    for place, (state, partition, offset) in sent.items():
        assert state == "sent"
        record = record_at(stack, place[0], partition, offset)
        assert (json.loads(record.value), record.key) == (events[place], b"991")
        topic, incarnation, *rest = dict(record.headers)[HEADER].decode().split("/")
        assert (topic, incarnation, *map(int, rest)) == (place[0], "1", *place[1:])
    listed = answer(stack, "rejects", "list", "--reason", "wrong_type", "--limit", "10000")
    assert {row["replay"] for row in listed} == {"sent"}

    second = run(stack, "rejects", "replay", "--file", str(file), "--yes")
    assert second.returncode == 1
    assert messages(second).count("was replayed before") == min(len(events), 20)
    assert replayed(stack) == sent
    place = next(iter(events))
    again = run(stack, "rejects", "replay", "--file", "-", "--again", "--yes", given=lines[0].encode())
    assert again.returncode == 0, messages(again)
    stack.ledger.note_events([events[place]])
    stack.check()
    assert answer(stack, "verify")["exit_code"] == 0


def test_what_would_be_rejected_again_is_left_out(stack: Stack) -> None:
    place = name_of(place_of(stack, case("video_view", "half a view")))
    done = run(stack, "rejects", "replay", place, "--yes")
    assert done.returncode == 1
    assert "would be rejected again: invalid (count)" in messages(done)


def test_unchecked_sends_as_it_was(stack: Stack) -> None:
    value = case("sticker_use", "sticker null")
    place = place_of(stack, value)
    done = run(stack, "rejects", "replay", name_of(place), "--yes", "--unchecked")
    assert done.returncode == 0, messages(done)
    _, partition, offset = replayed(stack)[place]
    record = record_at(stack, place[0], partition, offset)
    assert (record.value, record.key) == (value, b"77")
    stack.ledger.note([(stack.ledger.rejects[place], (place[0], partition, offset))])
    stack.check()


@pytest.mark.parametrize("step", ["marked", "sent"])
def test_a_replay_that_dies_leaves_an_unknown(stack: Stack, step: str) -> None:
    """At least once, by the operator: nobody can tell, and nothing is sent again unasked."""

    class Died(BaseException):
        pass

    def at(name: str) -> None:
        if name == step:
            raise Died

    name = {"marked": "zero", "sent": "huge count"}[step]
    place = place_of(stack, case("video_view", name))
    table = RejectedEvents(stack.client)
    reject = table.at(*place)
    assert reject is not None
    planned = plan(originals([reject]), Rules(), 0.0, again=True, unchecked=True)
    options = {"enable_idempotence": False}
    with pytest.raises(Died):
        asyncio.run(
            replay(planned.items, Replays(stack.client), "me", stack.ready["kafka"], options, again=True, at=at)
        )
    kept = table.at(*place)
    assert kept is not None
    if step == "sent":  # it is in Kafka, and is rejected once more
        stack.wait_for(lambda: (stack.counted() or 0) > stack.ledger.sent, "the record that was sent is seen")
        (newest, *_) = table.find(Filter(), 1)
        stack.ledger.note([(stack.ledger.rejects[place], (place[0], newest.place.partition, newest.place.offset))])
    stack.check()
    assert kept.replay == "unknown"
    done = run(stack, "rejects", "replay", name_of(place), "--yes", "--unchecked")
    assert done.returncode == 1
    assert "may be in Kafka" in messages(done)
    assert "may be in Kafka" in run(stack, "rejects", "show", name_of(place)).stdout.decode()


BAD_FILES = {
    b"hello": "line 1: not JSON",
    b"[]": "line 1: not a JSON object",
    b'{"topic": "video-views", "partition": 0}': "line 1: offset is not a number",
    b'{"topic": 7, "partition": 0, "offset": 1}': "line 1: topic",
    b'{"topic": "video-views", "partition": 0, "offset": 1}': "line 1: give the repaired record as value",
    b'{"topic": "video-views", "partition": 0, "offset": 1, "value": {}}': "line 1: value is not a string",
    b'{"topic": "video-views", "partition": 0, "offset": 1, "value_base64": "%"}': "line 1: value_base64",
    b'\n{"topic": "video-views", "partition": 0, "offset": 99999999, "value": "{}"}': "line 2: nothing is kept",
    b'{"topic": "video-views", "partition": 0, "offset": 1, "value": "1"}\n' * 2: "line 2: line 1 repairs the same",
}


@pytest.mark.parametrize(("text", "named"), BAD_FILES.items(), ids=range(len(BAD_FILES)))
def test_a_bad_file_is_named_and_nothing_sent(stack: Stack, text: bytes, named: str) -> None:
    done = run(stack, "rejects", "replay", "--file", "-", "--yes", given=text)
    assert done.returncode == 1
    assert named in messages(done)


BAD_ARGUMENTS = [
    (("rejects", "list", "--reason", "bored"), 2, "bored"),
    (("rejects", "list", "--topic", "views"), 2, "views"),
    (("rejects", "list", "--since", "noon"), 2, "noon"),
    (("rejects", "show", "video-views"), 2, "TOPIC/PARTITION/OFFSET"),
    (("rejects", "show", "video-views/0/987654321"), 1, "rejects list"),
    (("rejects", "replay"), 2, "--file"),
    (("rejects", "replay", "video-views/0/1", "--reason", "missing"), 2, "--file"),
    (("rejects", "replay", "--file", "no-such-file"), 2, "no-such-file"),
    (("rejects", "export", "--out", "no/such/folder/file"), 2, "no/such/folder"),
]


@pytest.mark.parametrize(("arguments", "code", "named"), BAD_ARGUMENTS, ids=[" ".join(a) for a, *_ in BAD_ARGUMENTS])
def test_a_bad_argument_is_named(stack: Stack, arguments: tuple[str, ...], code: int, named: str) -> None:
    done = run(stack, *arguments)
    assert done.returncode == code, messages(done)
    assert named in messages(done)
