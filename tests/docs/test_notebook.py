"""The notebook of docs/notebooks runs from top to bottom on a real ClickHouse, and its answers are the truth."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from sinks.campaigns import Campaign, Campaigns
from sinks.client import connect
from sinks.migrations import Retention, migrate
from streams.rules import Rules
from tests.conftest import Server
from tests.counted import count
from tests.docs.pages import ROOT

PATH = ROOT / "docs" / "notebooks" / "campaign.ipynb"
NOW = datetime.now(UTC)
MEMBERS = ("createkindness", "kindness", "love")
MONDAY = (NOW - timedelta(days=NOW.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)
#: What a cell that the test adds tells of the others' answers.
TELL = """
import json
print(json.dumps({
    "totals": {row.event_type: [int(row.at_least), int(row.at_most)] for row in totals.itertuples()},
    "countries": {row.country: int(row.at_most) for row in campaign_countries.itertuples()},
    "hearts": {row.country: int(row.videos) for row in hearts.itertuples()},
    "world": int(world.videos[0]),
    "months": {tag: int(steps.events.sum()) for tag, steps in months.items()},
    "both": [int(both.events_a[0]), int(both.events_b[0])],
    "challenge": int(challenge.events.sum()),
    "rising": list(rising.hashtag),
    "regions": {row.region: int(row.events) for row in regions.itertuples()},
    "partitions": len(completeness),
}))
"""


def events() -> Iterator[dict[str, Any]]:
    """A year, with something for each question."""
    for number in range(300):
        ts = NOW - timedelta(days=number, hours=2)
        tags = [["Love", "Kindness"], ["MentalHealth"], ["SelfCare", "love"]][number % 3]
        common = {"ts": ts.isoformat(), "country": ("PH", "GB", "US")[number % 3 - 1], "hashtags": tags}
        common["video_id"] = str(number)
        yield common | {"type": "video_creation"}
        yield common | {"type": "video_view", "count": 1 + number % 7}
        yield common | {"type": "sticker_use", "sticker": "heart" if number % 4 else "hat"}
        yield common | {"type": "sticker_use", "sticker": "heart" if number % 4 else "hat"}
    for number in range(40):
        ts = MONDAY - timedelta(hours=1 + 4 * number)
        yield {"type": "video_creation", "ts": ts.isoformat(), "video_id": str(1000 + number), "country": "GB",
               "hashtags": ["#SpeakYourMind"]}  # fmt: skip
    for day in range(8):
        for number in range(50 if day else 100):
            ts = NOW - timedelta(days=day, minutes=20)
            yield {"type": "video_creation", "ts": ts.isoformat(), "video_id": str(2000 + number), "country": "US",
                   "hashtags": ["usual" if number < 50 else "rising"]}  # fmt: skip


EVENTS = list(events())


@pytest.fixture
def filled(clickhouse: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The database `tagpulse`, the only one that the analyst's login may read."""
    writer = connect(clickhouse.url, clickhouse.user, clickhouse.password)
    migrate(writer, "tagpulse", Retention())
    Campaigns(writer).define(Campaign("createkindness", MEMBERS), 0)
    count(writer, EVENTS, NOW, Rules(tag_groups={"createkindness": MEMBERS}))
    settings = {"CLICKHOUSE_URL": clickhouse.url, "ANALYST_USER": clickhouse.analyst_user,
                "ANALYST_PASSWORD": clickhouse.analyst_password}  # fmt: skip
    for name, value in settings.items():
        monkeypatch.setenv(f"TAGPULSE_{name}", value)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    yield
    writer.command("DROP DATABASE tagpulse")
    writer.close()


def total(kind: str, *tags: str, **fields: str) -> int:
    """Events of a type with any of the tags and these fields."""
    return sum(
        event.get("count", 1)
        for event in EVENTS
        if event["type"] == kind
        and (not tags or {tag.lower().lstrip("#") for tag in event["hashtags"]} & set(tags))
        and all(event[name] == value for name, value in fields.items())
    )


@pytest.mark.usefixtures("filled")
def test_the_notebook_runs_and_is_right() -> None:
    notebook = nbformat.read(PATH, as_version=4)  # type: ignore[no-untyped-call]
    assert all(not cell.get("outputs") and not cell.get("execution_count") for cell in notebook.cells)
    notebook.cells.append(nbformat.v4.new_code_cell(TELL))  # type: ignore[no-untyped-call]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of other people's event loops
        NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    told = json.loads(notebook.cells[-1].outputs[0].text)
    kinds = ("video_creation", "sticker_use", "video_view")
    assert told["totals"] == {kind: [total(kind, *MEMBERS)] * 2 for kind in kinds}
    assert told["countries"] == dict(
        Counter({c: total("video_view", *MEMBERS, country=c) for c in ("PH", "GB", "US")}) + Counter()
    )
    hearts = {c: total("sticker_use", sticker="heart", country=c) // 2 for c in ("PH", "GB", "US")}
    assert told["hearts"] == hearts
    assert told["world"] == pytest.approx(sum(hearts.values()), rel=0.02)
    assert told["months"] == {tag: total("video_view", tag.lower()) for tag in ("MentalHealth", "SelfCare")}
    assert told["both"] == list(told["months"].values())
    assert told["challenge"] == 40
    assert told["rising"] == ["rising"]
    assert told["regions"] == {"APAC": 2 * hearts["PH"], "Europe": 2 * hearts["GB"], "North America": 2 * hearts["US"]}
    assert told["partitions"] == 3
    plots = [out for cell in notebook.cells for out in cell.get("outputs", ()) if "image/png" in out.get("data", {})]
    assert len(plots) == 5
