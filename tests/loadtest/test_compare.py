"""The comparison on real processes, with the contestants that need no further package."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from loadtest import compare as module
from loadtest.compare import Options, compare
from loadtest.document import encode
from loadtest.peers.registry import CONTESTANTS, Contestant

NEEDS_NOTHING = ("faust_dict", "aiokafka_dict", "aiokafka_ceiling", "tagpulse_counts", "tagpulse_memory")


@pytest.mark.e2e
async def test_quick_form_counts_right() -> None:
    """And the absent are skipped, and the stages add up."""
    absent = Contestant(name="absent", title="absent", fair="", needs=("no_such_module",))
    options = Options.quick(contestants=(*NEEDS_NOTHING, "tagpulse_full"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("loadtest.peers.registry.CONTESTANTS", (*CONTESTANTS, absent))
        report = await compare(replace(options, contestants=(*options.contestants, "absent")))
    assert report.passed, [outcome.wrong for outcome in report.outcomes]
    assert report.outcomes[-1].skipped.startswith("no_such_module cannot be imported")
    full = report.rates()
    assert set(full) == {
        *(*NEEDS_NOTHING, "tagpulse_full", "tagpulse_full+clickhouse", "tagpulse_full+clickhouse+merges"),
    }
    assert all(rate.median > 0 for rate in full.values())
    stages = report.stages
    assert stages is not None
    assert not stages.wrong
    run = stages.runs[0]
    assert all(nanoseconds >= -1_000 for nanoseconds in run.extra.values()), run.extra
    document = orjson.loads(encode(report.document()))
    assert document["input"]["events"] == 20_000
    judged = [target for target in document["targets"] if target["against"] == "aiokafka_dict"]
    assert judged[0]["measured"] == full["tagpulse_memory"].median / full["aiokafka_dict"].median


@pytest.mark.e2e
async def test_the_others_count_right() -> None:
    """Those of an extra package where it is installed, and those that take their time."""
    others = tuple(c.name for c in CONTESTANTS if c.name not in (*NEEDS_NOTHING, "tagpulse_full"))
    report = await compare(Options.quick(contestants=others, stages=False))
    assert report.passed, [outcome.wrong for outcome in report.outcomes]
    assert all(outcome.valid or outcome.skipped for outcome in report.outcomes)
    assert report.rates()["clickhouse_tables+merges"].median <= report.rates()["clickhouse_tables"].median


@pytest.mark.e2e
async def test_a_contestant_that_counts_wrong_or_fails_gets_no_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One counts every event twice, one ends with an error."""
    package = tmp_path / "foul"
    package.mkdir()
    (package / "__init__.py").touch()
    honest = Path(module.__file__).parent / "peers" / "aiokafka_dict.py"
    (package / "doubles.py").write_text(honest.read_text().replace('sticker, ""] += 1', 'sticker, ""] += 2'))
    (package / "fails.py").write_text("raise SystemExit('no luck today')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    foul = tuple(Foul(name=name, title=name, fair="") for name in ("doubles", "fails"))
    monkeypatch.setattr("loadtest.peers.registry.CONTESTANTS", foul)
    report = await compare(Options.quick(events=2_000, stages=False))
    doubles, fails = report.outcomes
    assert not report.passed
    assert "keys are wrong" in doubles.wrong[0]
    assert "no luck today" in fails.wrong[0]
    assert report.rates() == {}


class Foul(Contestant):
    """A contestant of another package."""

    @property
    def module(self) -> str:
        return f"foul.{self.name}"


def test_import_needs_no_peers() -> None:
    """Neither does the comparison itself."""
    code = (
        "import sys, loadtest, loadtest.forms, loadtest.compare, loadtest.plots;"
        " print([n for n in ('quixstreams', 'bytewax', 'matplotlib', 'confluent_kafka') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
