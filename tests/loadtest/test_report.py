"""Medians and ratios; who gets no figures; what is shown and kept."""

from __future__ import annotations

import io
from pathlib import Path

import orjson
import pytest
from rich.console import Console

from loadtest.compare import Options
from loadtest.document import encode, header
from loadtest.peers.job import Figures
from loadtest.peers.registry import CONTESTANTS, STAGES, named
from loadtest.peers.report import Outcome, Report, Spread, remarks, sheets


def figures(cpu_s: float, **extra: float) -> Figures:
    return Figures(version="thing 1.0", wall_s=2 * cpu_s, cpu_s=cpu_s, peak_rss=50_000_000, extra=extra)


def outcome(name: str, events: int, *runs: Figures) -> Outcome:
    return Outcome(named((name,))[0], events, list(runs))


@pytest.fixture
def report() -> Report:
    found = Report({"runs": 3, "shape": "sample", "seed": 1})
    found.input = {"events": 1_000_000, "bytes_per_event": 258.0, "rows": 5_000_000, "keys": 2_000_000}
    found.outcomes = [
        outcome("faust_table", 10_000, figures(20), figures(10), figures(40)),
        outcome("aiokafka_dict", 1_000_000, figures(10), figures(8), figures(12.5)),
        outcome(
            "tagpulse_full",
            1_000_000,
            figures(5, clickhouse_cpu_s=5),
            figures(4, clickhouse_cpu_s=4),
            figures(10, clickhouse_cpu_s=40),
        ),
    ]
    stages = Outcome(STAGES, 1_000_000, [figures(1, fetch=300, decode=700), figures(1, fetch=500, decode=900)])
    found.stages = stages
    return found


def test_spread() -> None:
    assert Spread.of([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0)
    assert Spread.of([4.0, 1.0]) == Spread(2.5, 1.0, 4.0)


def test_rates_are_events_per_cpu_second(report: Report) -> None:
    assert report.rates() == {
        "faust_table": Spread(500, 250, 1_000),
        "aiokafka_dict": Spread(100_000, 80_000, 125_000),
        "tagpulse_full": Spread(200_000, 100_000, 250_000),
        "tagpulse_full+clickhouse": Spread(100_000, 20_000, 125_000),
    }


def test_ratios_are_of_medians_and_each_others_inverse(report: Report) -> None:
    ratios = report.ratios()
    assert ratios["aiokafka_dict"]["faust_table"] == 200
    assert ratios["tagpulse_full"]["aiokafka_dict"] == 2
    assert ratios["tagpulse_full+clickhouse"]["aiokafka_dict"] == 1
    for one, others in ratios.items():
        for other, ratio in others.items():
            assert ratio * ratios[other][one] == pytest.approx(1)


def test_who_counted_wrong_has_no_figures(report: Report) -> None:
    report.outcomes[0].wrong = ["1 of 10 keys are wrong"]
    assert not report.passed
    assert "faust_table" not in report.rates()
    assert report.baseline() == "aiokafka_dict"
    shown = text(report)
    assert "1 of 10 keys are wrong" in shown
    assert "Faust: windowed Table" not in shown.partition("Targets")[0]
    kept = next(c for c in report.document()["contestants"] if c["name"] == "faust_table")
    assert kept["wrong"] == ["1 of 10 keys are wrong"]
    assert "runs" not in kept


def test_who_is_absent_is_named_and_no_failure(report: Report) -> None:
    report.outcomes.append(Outcome(named(("quix_windows",))[0], 1_000, skipped="quixstreams cannot be imported"))
    assert report.passed
    assert "skipped Quix Streams: windowed count: quixstreams cannot be imported" in text(report)


def test_nobody_has_figures() -> None:
    empty = Report({"runs": 1, "shape": "sample", "seed": 1})
    empty.input = {"events": 1, "bytes_per_event": 1.0, "rows": 1, "keys": 1}
    assert empty.baseline() is None
    assert "Nobody has figures" in text(empty)


def test_stages_are_medians_and_their_sum_is_shown(report: Report) -> None:
    assert report.stage_medians() == {"fetch": 400, "decode": 800}
    assert "1,200" in text(report)


def test_the_document_holds_everything(report: Report) -> None:
    kept = orjson.loads(encode(header("compare", "tagpulse bench") | report.document()))
    assert kept["form"] == "compare"
    assert kept["options"]["seed"] == 1
    assert kept["machine"]["cores"] > 0
    assert kept["versions"]["tagpulse"]
    assert len(kept["contestants"][0]["runs"]) == 3
    assert kept["contestants"][0]["runs"][2]["cpu_s"] == 40
    assert kept["ratios"]["aiokafka_dict"]["faust_table"] == 200
    assert kept["stages_ns_per_event"] == {"fetch": 400, "decode": 800}


def test_merges_are_a_rate_of_their_own() -> None:
    full = outcome("tagpulse_full", 1_000, figures(1, clickhouse_cpu_s=3, merges_cpu_s=4, merges_settled=1))
    engine = outcome("clickhouse_tables", 1_000, figures(4, merges_cpu_s=1, merges_settled=0))
    assert {name: rate.median for name, rate in full.rates().items()} == {
        "tagpulse_full": 1_000, "tagpulse_full+clickhouse": 250, "tagpulse_full+clickhouse+merges": 125,
    }  # fmt: skip
    assert {name: rate.median for name, rate in engine.rates().items()} == {
        "clickhouse_tables": 250, "clickhouse_tables+merges": 200,
    }  # fmt: skip
    report = Report({"runs": 1, "shape": "sample", "seed": 1}, outcomes=[full, engine])
    assert remarks(report.document()) == [
        "ClickHouse: Kafka engine, our tables: merges went on past the deadline, their CPU is not all counted"
    ]


def test_slow_contestants_count_a_prefix() -> None:
    by_name = {contestant.name: contestant for contestant in CONTESTANTS}
    options = Options(events=2_000_000)
    assert options.share(by_name["tagpulse_full"]) == 2_000_000
    assert options.share(by_name["faust_table"]) == 20_000
    assert options.share(by_name["faust_dict"]) == 100_000
    assert Options(events=5_000).share(by_name["faust_table"]) == 5_000


def test_an_unknown_contestant_is_refused() -> None:
    with pytest.raises(ValueError, match="no contestant nobody; there are faust_table"):
        named(("nobody",))


def test_plot_is_written(report: Report, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from loadtest.plots import draw

    for suffix, magic in ((".png", b"\x89PNG"), (".svg", b"<?xml")):
        path = tmp_path / f"ratios{suffix}"
        draw({"form": "compare"} | report.document(), path)
        assert path.read_bytes().startswith(magic)
        assert path.stat().st_size > 5_000


def text(report: Report) -> str:
    out = io.StringIO()
    console, document = Console(file=out, width=160), report.document()
    for sheet in sheets(document):
        console.print(sheet.rich())
    for remark in remarks(document):
        console.print(remark)
    return out.getvalue()
