"""A campaign from its definition to its report, on a running stack."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from loadtest.events import Workload
from schemas.tags import normalise_tag
from tests.e2e.commands import answer, run
from tests.e2e.harness import Stack
from tests.e2e.ledger import plain_record

pytestmark = pytest.mark.e2e


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    # An event is sure to be counted by a definition ten seconds after it, not ten minutes: the test has not the time.
    stack = Stack(tmp_path, workers=2, partitions=2, settings={"TAGPULSE_MAX_FUTURE_S": "10"}, keep=False)
    yield stack
    stack.abandon()


def test_a_campaign_is_counted_from_its_definition_on_and_again_before(stack: Stack) -> None:
    stack.start()
    until = datetime.now(UTC)
    events = list(Workload(seed=17, until=until).events(4_000))
    tags = sorted(
        {tag for event in events for tag in event["hashtags"]}, key=lambda t: -sum(t in e["hashtags"] for e in events)
    )
    members = set([tag for tag in tags if re.fullmatch("[a-z0-9]+", tag)][:3])
    # Half of them are counted before the campaign is there.
    stack.sender.send([plain_record(event) for event in events[::2]])
    stack.wait_counted()
    done = run(stack, "campaign", "add", "CreateKindness", "--hashtags", ",".join(members), "--stickers", "heart")
    assert done.returncode == 0, done.stderr.decode()

    def told() -> int:
        texts = [path.read_text(errors="replace") for path in stack.log_paths()]
        return sum(text.count("groups createkindness") for text in texts)

    stack.wait_for(lambda: told() >= 2, "both workers know the campaign")
    stack.ledger.groups = {"createkindness": sorted(members)}
    stack.sender.send([plain_record(event) for event in events[1::2]])
    stack.wait_counted()
    span = ("--since", (until - timedelta(days=2)).isoformat(), "--until", (until + timedelta(days=1)).isoformat())
    assert {row["answer"] for row in answer(stack, "campaign", "show", "createkindness", *span)["totals"]} > {"exact"}
    total = ("total", "--hashtag", "@CreateKindness", *span)
    (note,) = answer(stack, *total)["notes"]
    assert re.match(r"@createkindness counts exactly from 20\d\d-\d\d-\d\d \d\d:\d\d UTC on\. ", note)
    assert answer(stack, "compare", "--hashtag", min(members), "--with-hashtag", "@createkindness", *span)["notes"] == [
        note
    ]
    spoken = [run(stack, *total, "--format", form) for form in ("table", "csv")]
    assert all(note[:30].encode() in (done.stdout, done.stderr)[n] for n, done in enumerate(spoken))
    assert answer(stack, "series", "--hashtag", min(members), *span)["notes"] == []
    kill_a_backfill(stack)
    backfilled = answer(stack, "campaign", "backfill", "createkindness")
    assert not any(log["lost"] for log in backfilled["logs"])
    assert backfilled["exact_from"] is None
    stack.check()  # every key of every grain, those of @createkindness among them
    again = answer(stack, "campaign", "backfill", "createkindness")
    assert sum(log["records"] + log["inserts"] for log in again["logs"]) == 0
    answer(stack, "verify")
    assert answer(stack, *total)["notes"] == []
    shown = answer(stack, "campaign", "show", "createkindness", *span)
    assert {row["answer"] for row in shown["totals"]} == {"exact"}
    assert shown["hashtags"] == sorted(members)
    assert shown["exact_from"] is None
    found = {row["event_type"]: row for row in shown["totals"]}
    truth = {
        kind: sum(
            e.get("count", 1) for e in events if e["type"] == kind and members & set(map(normalise_tag, e["hashtags"]))
        )
        for kind in ("video_creation", "video_view")
    }
    assert {kind: (found[kind]["at_least"], found[kind]["exact"]) for kind in truth} == {
        kind: (number, True) for kind, number in truth.items()
    }
    report = stack.folder / "report.html"
    done = run(stack, "report", "campaign", "createkindness", *span, "--out", str(report))
    assert done.returncode == 0, done.stderr.decode()
    assert f"{truth['video_creation']:,}" in report.read_text()
    assert answer(stack, "trend", "--each-country")["as_of"]
    stack.stop()


def kill_a_backfill(stack: Stack) -> None:
    """Start one, and kill it as soon as it has begun to write."""
    command = [sys.executable, "-m", "tagpulse", "campaign", "backfill", "createkindness", "--batch-records", "1"]
    output = stack.folder / "backfill.txt"
    with output.open("wb") as to:
        process = subprocess.Popen(command, env=stack.worker_environment("cli"), cwd=stack.folder, stdout=to, stderr=to)
    written = "SELECT count() FROM backfill_claims WHERE next > first"
    stack.wait_for(lambda: process.poll() is not None or stack.rows(written)[0][0], "the backfill writes")
    process.kill()
    process.wait()
