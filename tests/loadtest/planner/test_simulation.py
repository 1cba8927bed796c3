"""The simulation against queueing theory, the plain fluid formula, and conservation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from loadtest.planner.coefficients import InsertCost
from loadtest.planner.simulation import Simulation
from loadtest.planner.system import Faults, Freshness, Result, Source, System

FREE = InsertCost(row=0.0, delta=0.0)


def system(**others: Any) -> System:
    """One worker that does 1,000 events a second and writes for nothing."""
    plain = System(
        sources=[Source(rate=500.0, rows=lambda events, _: events)],
        workers=1,
        read_s=0.001,
        worker_write=FREE,
        clickhouse_cores=1,
        insert=FREE,
        merge=FREE,
        max_delta_rows=1e12,
        start_s=1.0,
    )
    return replace(plain, **others)


#: Two workers that share four logs of 250 events a second each.
FOUR = replace(
    system(), sources=[Source(rate=250.0, rows=lambda events, _: events)] * 4,
    workers=2, arrivals="even", catchup_flush_interval_s=1.0, batch_events=50, chunk_events=5,
)  # fmt: skip


def conserved(result: Result) -> None:
    assert result.arrived == pytest.approx(result.visible + result.pending + result.queued)
    assert min(result.visible, result.pending, result.queued) >= 0


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_waiting_is_that_of_an_m_d_1_queue(load: float) -> None:
    """One event at a time, Poisson arrivals: mean time in the system is s + load x s / (2 (1 - load))."""
    source = Source(rate=load * 1_000, rows=lambda events, _: events)
    result = Simulation(system(sources=[source], batch_events=1), seed=4).run(120)
    assert result.counted_s == pytest.approx(0.001 * (1 + load / (2 * (1 - load))), rel=0.05)
    assert result.worker_busy == pytest.approx(load, rel=0.02)
    conserved(result)


def test_even_arrivals_at_an_idle_worker_do_not_wait() -> None:
    result = Simulation(system(batch_events=1, arrivals="even")).run(20)
    assert result.counted_s == pytest.approx(0.001)


def test_an_event_waits_for_the_flush_and_the_insert() -> None:
    """Even arrivals, a flush every second, an insert of 0.2 s: from 0.2 s to 1.2 s, 0.7 s in the middle."""
    slow = system(arrivals="even", chunk_events=5, insert=InsertCost(row=0, delta=0.2))
    result = Simulation(slow).run(200)
    assert result.fresh is not None
    assert result.fresh.p50 == pytest.approx(0.7, abs=0.03)
    assert result.fresh.p99 == pytest.approx(1.19, abs=0.03)
    assert result.deltas == pytest.approx(200, abs=3)
    conserved(result)


@pytest.mark.parametrize("outage_s", [5.0, 30.0])
def test_after_an_outage_the_backlog_drains_as_the_fluid_formula_says(outage_s: float) -> None:
    """T x arrivals / (capacity - arrivals), from the end of the outage on. The worker is what limits."""
    # Memory is small, so that it cannot count ahead while ClickHouse is away.
    tight = system(arrivals="even", max_delta_rows=100.0, batch_events=50)
    result = Simulation(tight, Faults(at_s=20.0, outage_s=outage_s)).run(20 + 4 * outage_s, look_s=0.1)
    assert result.recovered_s is not None
    assert result.recovered_s - outage_s == pytest.approx(outage_s * 500 / (1_000 - 500), rel=0.1)
    assert result.backlog_peak == pytest.approx(outage_s * 500, rel=0.1)
    conserved(result)


def test_a_crash_stops_the_group_until_the_session_has_run_out() -> None:
    """What was counted and not written is counted again; nothing is lost."""
    four = replace(FOUR, start_s=0.5)
    result = Simulation(four, Faults(at_s=20.0, crash=True)).run(60, look_s=0.1)
    # From the crash at 20 s, or half a second later, until 10 s after it.
    assert result.backlog_peak == pytest.approx(10.0 * 1_000, rel=0.12)
    assert result.recovered_s is not None
    assert 10 < result.recovered_s < 10 + 1.2 * 10.0 * 1_000 / (2_000 - 1_000)
    conserved(result)


def test_a_worker_that_starts_slowly_is_stood_in_for() -> None:
    """Its logs alone wait for the session timeout; the others stop for the rebalances only."""
    four = replace(FOUR, start_s=30.0)
    result = Simulation(four, Faults(at_s=20.0, crash=True)).run(90, look_s=0.1)
    assert 10.0 * 500 < result.backlog_peak < 0.7 * 10.0 * 1_000
    conserved(result)


def test_an_outage_past_the_deadline_costs_a_restart_and_a_recount() -> None:
    short = system(arrivals="even", insert_deadline_s=10.0, start_s=5.0, chunk_events=10)
    result = Simulation(short, Faults(at_s=20.0, outage_s=30.0)).run(150, look_s=0.1)
    plain = Simulation(replace(short, insert_deadline_s=1e9), Faults(at_s=20.0, outage_s=30.0)).run(150, look_s=0.1)
    assert result.recovered_s is not None
    assert plain.recovered_s is not None
    assert result.recovered_s > plain.recovered_s + 4
    conserved(result)


def test_too_little_capacity_never_recovers() -> None:
    slow = system(
        sources=[Source(rate=990.0, rows=lambda events, _: events)],
        arrivals="even", max_delta_rows=100.0, batch_events=50, chunk_events=5,
    )  # fmt: skip
    result = Simulation(slow, Faults(at_s=20.0, outage_s=30.0)).run(100)
    assert result.recovered_s is None
    assert result.backlog_peak > 25_000
    conserved(result)


def test_merges_give_way_to_inserts_and_pile_up() -> None:
    """Ten logs, an insert each a second, half a second of merging for each: one core does a fifth of it."""
    heavy = system(
        sources=[Source(rate=50.0, rows=lambda events, _: events)] * 10,
        arrivals="even", chunk_events=5, insert=InsertCost(row=0, delta=0.01), merge=InsertCost(row=0, delta=0.5),
    )  # fmt: skip
    result = Simulation(heavy).run(100)
    assert result.merge_backlog_s > 200
    assert result.visible > 0.9 * result.arrived
    assert result.clickhouse_busy == pytest.approx(1, abs=0.1)


def test_a_backlog_is_drained_in_full_deltas() -> None:
    drained = system(
        sources=[Source(rate=0.0, backlog=10_000, event_time_rate=1.0, rows=lambda events, _: events)],
        batch_events=100,
        max_delta_rows=1_000.0,
    )
    result = Simulation(drained).run(1_000)
    assert (result.visible, result.pending, result.queued) == (10_000, 0, 0)
    assert result.deltas in (10, 11)
    assert result.ended_s == pytest.approx(10, abs=1.5)


def test_late_worker_writes_fewer_larger_deltas() -> None:
    late = system(sources=[Source(rate=900.0, backlog=20_000, rows=lambda events, _: events)], arrivals="even")
    behind, even = Simulation(late).run(40), Simulation(system(arrivals="even")).run(40)
    assert behind.deltas < even.deltas / 3


def test_the_same_seed_gives_the_same_result() -> None:
    crash = Faults(at_s=5.0, crash=True)
    first, again, other = (Simulation(system(), crash, seed).run(30) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_percentiles_are_weighted_by_events() -> None:
    assert Freshness.of([3.0, 1.0], [1.0, 99.0]) == Freshness(p50=1.0, p99=1.0, most=3.0)
    assert Freshness.of([], []) is None
