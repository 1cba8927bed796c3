"""Targets are judged by the medians, with and without merges; nothing is judged without figures."""

from __future__ import annotations

from loadtest.peers.registry import CONTESTANTS
from loadtest.targets import TARGETS, Target, Verdict, judge

IN_MEMORY = Target("tagpulse_memory", "faust_table", 450)
WITH_SERVER = Target("tagpulse_full+clickhouse", "clickhouse_tables", 5)
ALONE = Target("tagpulse_full", "tagpulse_memory", 0.7)
RATES = {
    "tagpulse_memory": 900.0,
    "faust_table": 2.0,
    "tagpulse_full": 600.0,
    "tagpulse_full+clickhouse": 100.0,
    "tagpulse_full+clickhouse+merges": 80.0,
    "clickhouse_tables": 20.0,
    "clickhouse_tables+merges": 20.0,
}


def test_targets_name_contestants() -> None:
    known = {contestant.name for contestant in CONTESTANTS}
    assert {side.split("+")[0] for target in TARGETS for side in (target.ours, target.against)} <= known


def test_a_target_is_met_from_its_ratio_on() -> None:
    assert judge(RATES, [IN_MEMORY]) == [Verdict(IN_MEMORY, 450.0, None)]
    assert judge(RATES, [IN_MEMORY])[0].met()
    assert judge(RATES | {"faust_table": 2.01}, [IN_MEMORY])[0].met() is False


def test_merges_count_on_both_sides() -> None:
    verdict = judge(RATES, [WITH_SERVER])[0]
    assert verdict == Verdict(WITH_SERVER, 5.0, 4.0)
    assert (verdict.met(), verdict.met_with_merges()) == (True, False)


def test_the_worker_alone_has_no_merges() -> None:
    verdict = judge(RATES, [ALONE])[0]
    assert verdict.with_merges is None
    assert verdict.met_with_merges() is None
    assert verdict.met() is False


def test_without_figures_nothing_is_judged() -> None:
    assert judge({"tagpulse_memory": 900.0}, [IN_MEMORY]) == [Verdict(IN_MEMORY, None, None)]
    assert judge({}, [IN_MEMORY])[0].met() is None
