"""The forms of measurement on real stacks, small: all is counted right, and every figure is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtest import keys, latency, workers
from loadtest.document import encode, header
from loadtest.forms import sheets
from loadtest.workers import Way

# Each stack takes its time to form a group, several times that on a busy machine.
pytestmark = pytest.mark.timeout(900)


@pytest.mark.e2e
async def test_two_workers_share_the_events(tmp_path: Path) -> None:
    found = header("workers", "test") | await workers.measure(workers.Options.quick(events=5_000, workers=(2,)))
    assert [(series["path"], series["workers"]) for series in found["series"]] == [(way.value, 2) for way in Way]
    for series in found["series"]:
        run = series["runs"][0]
        assert len(run["shares"]) == 2
        assert all(share > 0 for share in run["shares"])
        assert (run["clickhouse_cpu_s"] > 0) is (series["path"] == Way.FULL.value)
        assert series["drop"] == 0
    assert len(sheets(found)[0].rows) == 2
    drawn(found, tmp_path)


@pytest.mark.e2e
async def test_keys_are_as_many_as_asked_for(tmp_path: Path) -> None:
    found = header("keys", "test") | await keys.measure(keys.Options.quick(keys=(5_000,), events=5_000))
    assert keys.passed(found), found
    point = found["points"][0]
    assert point["keys"] == pytest.approx(5_000, rel=0.1)
    assert set(point["ways"]) == {
        *("tagpulse_memory", "tagpulse_full", "tagpulse_full+clickhouse", "tagpulse_full+clickhouse+merges"),
    }
    assert all(way["ns_per_event"]["median"] > 0 and way["peak_rss"]["median"] > 0 for way in point["ways"].values())
    drawn(found, tmp_path)


@pytest.mark.e2e
async def test_latency_of_every_event_is_known(tmp_path: Path) -> None:
    """Two producers. A busy machine may make the run void; the counts are right all the same."""
    found = header("latency", "test") | await latency.measure(latency.Options.quick(seconds=2, producers=2))
    assert found["events"] == 4_000
    assert encode(found)
    for name in ("counted", "visible"):
        seconds = found[name]["latency_s"]
        assert 0 < seconds["p50"] <= seconds["p90"] <= seconds["p99"] <= seconds["max"]
    assert found["visible"]["latency_s"]["p50"] > found["counted"]["latency_s"]["p50"]
    assert bool(sheets(found)[0].rows) is not found["void"]
    drawn(found | {"void": False}, tmp_path)


def drawn(document: dict[str, object], folder: Path) -> None:
    """Where matplotlib is installed."""
    try:
        import matplotlib  # type: ignore[import-not-found, unused-ignore]  # noqa: F401
    except ImportError:
        return
    from loadtest.plots import draw

    path = folder / "picture.svg"
    draw(document, path)
    assert path.read_bytes().startswith(b"<?xml")
