"""A campaign from its definition to its report, on a running stack."""

from __future__ import annotations

import re
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


def test_a_campaign_is_counted_from_its_definition_on(stack: Stack) -> None:
    stack.start()
    until = datetime.now(UTC)
    events = list(Workload(seed=17, until=until).events(4_000))
    tags = sorted(
        {tag for event in events for tag in event["hashtags"]}, key=lambda t: -sum(t in e["hashtags"] for e in events)
    )
    members = set([tag for tag in tags if re.fullmatch("[a-z0-9]+", tag)][:3])
    done = run(stack, "campaign", "add", "CreateKindness", "--hashtags", ",".join(members), "--stickers", "heart")
    assert done.returncode == 0, done.stderr.decode()

    def told() -> int:
        texts = [path.read_text(errors="replace") for path in stack.log_paths()]
        return sum(text.count("groups createkindness") for text in texts)

    stack.wait_for(lambda: told() >= 2, "both workers know the campaign")
    stack.ledger.groups = {"createkindness": sorted(members)}
    stack.sender.send([plain_record(event) for event in events])
    stack.check()  # every key of every grain, those of @createkindness among them

    # All claims that hold records name the definition, so it is exact for any time.
    span = ("--since", (until - timedelta(days=2)).isoformat(), "--until", (until + timedelta(days=1)).isoformat())
    shown = answer(stack, "campaign", "show", "createkindness", *span)
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
    assert run(stack, "trend", "--each-country").returncode == 0
    stack.stop()
