"""The commands of a user against a running stack: what goes in by `emit` comes out of `top` and `total`."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from loadtest.events import Workload, encode
from tagpulse.demo.truth import Key
from tests.e2e.conftest import Shared
from tests.e2e.harness import Stack
from tests.e2e.ledger import plain_record

pytestmark = pytest.mark.e2e


def run(stack: Stack, *arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "tagpulse", *arguments]
    environment = stack.worker_environment("cli") | {"COLUMNS": "200"}
    done = subprocess.run(command, input=given, capture_output=True, env=environment, cwd=stack.folder, timeout=120)
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return done


def ask(stack: Stack, *arguments: str) -> dict[str, Any]:
    done = run(stack, *arguments, "--format", "json")
    assert done.returncode == 0, done.stderr.decode()
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


# -- emit ------------------------------------------------------------------------------------------------------

BAD_LINES = {
    b"hello": "not JSON",
    b"[1, 2]": "not an object",
    b'{"type": "video_view", "ts": "2026-01-01T00:00:00Z"}': "video_id",
    b'{"type": "video_view", "ts": "yesterday", "video_id": "7"}': "ts",
    b'{"type": "party", "ts": "2026-01-01T00:00:00Z", "video_id": "7"}': "type",
}


@pytest.mark.parametrize("source", ["file", "stdin"])
def test_emit_sends_what_is_good_and_names_what_is_not(stack: Stack, tmp_path: Path, source: str) -> None:
    events = list(Workload(seed=91, until=datetime.now(UTC)).events(300))
    for event in events:
        del event["source"]  # the SDK is strict: no unknown fields
    lines = [encode(event) for event in events]
    for number, bad in enumerate(BAD_LINES):
        lines.insert(40 * number, bad)
    text = b"\n".join(lines) + b"\n\n"
    file = tmp_path / "events.ndjson"
    file.write_bytes(text)
    done = run(stack, "emit", str(file)) if source == "file" else run(stack, "emit", "-", given=text)
    said = done.stderr.decode()
    assert done.returncode == 1, said
    assert f"sent 300, refused {len(BAD_LINES)}" in said
    for number, field in enumerate(BAD_LINES.values()):
        told = next(line for line in said.splitlines() if f"line {40 * number + 1}:" in line)
        assert field in told
    stack.ledger.note_events(events)
    stack.check()


def test_emit_of_good_events_succeeds(stack: Stack) -> None:
    events = list(Workload(seed=92, until=datetime.now(UTC)).events(200))
    for event in events:
        del event["source"]
    done = run(stack, "emit", "-", given=b"\n".join(map(encode, events)))
    assert (done.returncode, b"sent 200, refused 0" in done.stderr) == (0, True), done.stderr.decode()
    stack.ledger.note_events(events)
    stack.check()


# -- answers ---------------------------------------------------------------------------------------------------

Wanted = Callable[[Key], str | None]


def truth(stack: Stack, answer: dict[str, Any], name: Wanted) -> Counter[str]:
    """Events by what `name` makes of a key, in the period of the answer; None leaves a key out."""
    since, until = (datetime.fromisoformat(answer[bound]) for bound in ("since", "until"))
    counts: Counter[str] = Counter()
    for key, number in stack.ledger.settle().events["minute"].items():
        if since <= key[4] < until and (found := name(key)) is not None:
            counts[found] += number
    return counts


def ranked(counts: Counter[str], limit: int) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0].encode()))[:limit]


QUESTIONS: dict[str, tuple[Sequence[str], str, Wanted]] = {
    "countries by heart": (
        ("top", "countries", "--sticker", "heart"),
        "country",
        lambda k: k[1] if (k[0], k[2], k[3]) == ("sticker_use", "", "heart") else None,
    ),
    "countries by views of a tag": (
        ("top", "countries", "--hashtag", "#LOVE"),
        "country",
        lambda k: k[1] if (k[0], k[2]) == ("video_view", "love") else None,
    ),
    "hashtags by creations in PH": (
        ("top", "hashtags", "--event", "video_creation", "--country", "PH"),
        "hashtag",
        lambda k: k[2] if (k[0], k[1]) == ("video_creation", "PH") and k[2] and k[2][0] != "@" else None,
    ),
    "hashtags on hearts": (
        ("top", "hashtags", "--event", "sticker_use", "--sticker", "Heart", "--limit", "25"),
        "hashtag",
        lambda k: k[2] if (k[0], k[3]) == ("sticker_use", "heart") and k[2] and k[2][0] != "@" else None,
    ),
    "all of a tag": (
        ("total", "--hashtag", "mentalhealth"),
        "event_type",
        lambda k: k[0] if k[2] == "mentalhealth" else None,
    ),
    "countries by a group of stickers": (
        ("top", "countries", "--sticker", "heart", "--sticker", "Sparkles"),
        "country",
        lambda k: k[1] if (k[0], k[2]) == ("sticker_use", "") and k[3] in ("heart", "sparkles") else None,
    ),
    "stickers in PH": (
        ("top", "stickers", "--country", "ph"),
        "sticker",
        lambda k: k[3] if (k[0], k[1], k[2]) == ("sticker_use", "PH", "") else None,
    ),
    "all of a group in one country": (
        ("total", "--hashtag", "@kindness", "--country", "uk"),
        "event_type",
        lambda k: k[0] if (k[1], k[2]) == ("GB", "@kindness") else None,
    ),
}
_NOW = datetime.now(UTC)
PERIODS = {
    "all time": (),
    "last 90 minutes": ("--last", "90m"),
    "last day": ("--last", "1d"),
    "since a minute": ("--since", f"{_NOW - timedelta(minutes=50):%Y-%m-%dT%H:%M}"),
    "until a minute, in another zone": ("--until", f"{_NOW + timedelta(hours=2, minutes=20):%Y-%m-%dT%H:%M}+03:00"),
    "between": ("--since", "2010-03-01", "--until", f"{_NOW - timedelta(minutes=20):%Y-%m-%dT%H:%M}"),
}


@pytest.fixture(scope="module")
def asked_stack(shared: Shared) -> Stack:
    stack = shared.get()
    events = Workload(seed=93, until=datetime.now(UTC), tags=200).events(4_000)
    stack.sender.send([plain_record(event) for event in events])
    stack.check()
    return stack


#: Every question over all time, and every period for one question.
PAIRS = [(question, "all time") for question in QUESTIONS] + [("countries by heart", period) for period in PERIODS][1:]


@pytest.mark.parametrize(("question", "period"), PAIRS)
def test_answers_equal_the_truth(asked_stack: Stack, question: str, period: str) -> None:
    arguments, column, name = QUESTIONS[question]
    answer = ask(asked_stack, *arguments, *PERIODS[period])
    counts = truth(asked_stack, answer, name)
    found = [(row[column], row["events"]) for row in answer["rows"]]
    limit = 25 if "--limit" in arguments else 10
    assert sorted(found) == sorted(counts.items()) if arguments[0] == "total" else found == ranked(counts, limit)
    assert found
    assert not answer["widened"]


@pytest.mark.parametrize("step", ["hour", "day"])
def test_a_series_equals_the_truth(asked_stack: Stack, step: str) -> None:
    answer = ask(asked_stack, "series", "--step", step, "--sticker", "heart", "--last", "3d")
    kept = 13 if step == "hour" else 10
    heart = truth(
        asked_stack,
        answer,
        lambda k: f"{k[4]:%Y-%m-%dT%H}"[:kept] if (k[0], k[2], k[3]) == ("sticker_use", "", "heart") else None,
    )
    assert heart
    assert {row["begins"][:kept]: row["events"] for row in answer["rows"] if row["events"]} == heart


def test_a_comparison_and_a_union_equal_the_truth(asked_stack: Stack) -> None:
    sides = ask(asked_stack, "compare", "--event", "video_view", "--hashtag", "love", "--with-hashtag", "@kindness")
    views = truth(
        asked_stack, sides, lambda k: k[2] if k[0] == "video_view" and k[2] in ("love", "@kindness") else None
    )
    assert [row["events"] for row in sides["rows"]] == [views["love"], views["@kindness"]]
    union = ask(asked_stack, "videos", "--sticker", "heart", "--sticker", "sparkles")
    uses = truth(asked_stack, union, lambda k: "" if k[2] == "" and k[3] in ("heart", "sparkles") else None)
    [row] = union["rows"]
    assert row["uses_at_least"] == row["uses_at_most"] == uses[""]
    assert 0 < row["videos"] <= row["videos_high"]


def test_status_says_what_is_final(asked_stack: Stack) -> None:
    past = ("--since", "2010-01-01", "--until", "2020-01-01")
    rows = ask(asked_stack, "status", *past, "--wait", "60")["rows"]
    assert len(rows) == 12
    for row in rows:
        end = asked_stack.ledger.ends.get((row["topic"], row["partition"]), 0)
        assert (row["final"], row["lag"], row["counted_to"]) == (True, 0, end)
    running = run(asked_stack, "status", "--until", "2100-01-01")
    assert running.returncode == 1
    assert b"has not ended" in running.stdout


def test_storage_names_every_grain(asked_stack: Stack) -> None:
    sizes = {row["table"]: row["rows"] for row in ask(asked_stack, "storage")["rows"]}
    assert min(sizes[f"engagement_{grain}"] for grain in ("minute", "hour", "day")) > 0


def test_all_formats_say_the_same(asked_stack: Stack) -> None:
    question = ("top", "countries", "--sticker", "heart", "--until", f"{_NOW:%Y-%m-%dT%H:%M}")
    rows = ask(asked_stack, *question)["rows"]
    as_csv = run(asked_stack, *question, "--format", "csv")
    assert list(csv.DictReader(io.StringIO(as_csv.stdout.decode()))) == [
        {name: str(value) for name, value in row.items()} for row in rows
    ]
    lines = run(asked_stack, *question, "--format", "table").stdout.decode().splitlines()
    for row in rows:
        assert any(row["country"] in line and f"{row['events']:,}" in line for line in lines), lines


def test_nothing_found_is_said(asked_stack: Stack) -> None:
    done = run(asked_stack, "top", "countries", "--sticker", "never used")
    assert done.returncode == 0
    assert b"no events" in done.stdout


BAD_ARGUMENTS = [
    (("top", "countries", "--last", "fortnight"), "fortnight"),
    (("top", "countries", "--last", "1d", "--since", "2026-01-01"), "--since"),
    (("total", "--since", "01.05.2026"), "01.05.2026"),
    (("total", "--since", "2026-05-02", "--until", "2026-05-01"), "--since / --until"),
    (("total", "--country", "PHL"), "--country"),
    (("total", "--hashtag", "x", "--format", "xml"), "xml"),
    (("top", "hashtags", "--event", "likes"), "likes"),
    (("top", "hashtags", "--limit", "0"), "--limit"),
    (("top", "videos"), "videos"),
    (("top", "hashtags", "--by", "videos"), "--by"),
    (("top", "countries", "--change"), "--change"),
    (("series", "--step", "fortnight"), "fortnight"),
    (("series", "--sticker", "#"), "--sticker"),
    (("compare", "--hashtag", "love"), "--since"),
    (("status", "--since", "yesterday"), "yesterday"),
    (("emit", "no-such-file.ndjson"), "no-such-file.ndjson"),
]


@pytest.mark.parametrize(("arguments", "named"), BAD_ARGUMENTS, ids=[" ".join(a) for a, _ in BAD_ARGUMENTS])
def test_a_bad_argument_is_named(stack: Stack, arguments: Sequence[str], named: str) -> None:
    done = run(stack, *arguments)
    assert done.returncode == 2, done.stderr.decode()
    assert named in done.stderr.decode()
