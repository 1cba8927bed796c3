"""Sizes follow from costs: what more traffic, less patience and longer memory ask for; and bad demands are refused."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from loadtest.planner.capacity import DEDUPLICATION_WINDOW, Capacity, capacity, tokens
from loadtest.planner.demand import Demand, DemandError, flows
from loadtest.planner.limits import limits, one_server, words
from loadtest.planner.load import load, row_bound, write_s
from loadtest.planner.plan import plan, sheets
from tests.loadtest.planner.made import COSTS

PLAIN = Demand(events_per_day=1e10)


@pytest.fixture(scope="module")
def plain() -> Capacity:
    return capacity(PLAIN, COSTS)


def test_costs_add_up() -> None:
    found = flows(PLAIN, COSTS)
    made = load(1e5, PLAIN, found, COSTS, partitions=4, interval_s=2.0, most_rows=1e9)
    # Three topics with four logs each, a delta every two seconds.
    assert made.deltas == pytest.approx(6)
    reading = 1e-6 + 260 * 1e-9 + 5.37 * 1e-7
    assert made.worker_cores == pytest.approx(1e5 * reading + made.rows * 5e-7 + 6 * 0.01)
    assert made.clickhouse_cores == pytest.approx(made.rows * 4e-6 + 6 * 0.1)
    assert made.busiest_log == pytest.approx(1e5 * 0.6 / 4)
    assert 1 < made.rows_per_event < 5.37


def test_a_full_delta_is_written_early() -> None:
    found = flows(PLAIN, COSTS)
    made = load(1e5, PLAIN, found, COSTS, partitions=1, interval_s=600.0, most_rows=200_000)
    assert made.rows_per_delta == pytest.approx(200_000)
    assert made.deltas > 3 / 600


def test_rare_events_make_a_delta_each() -> None:
    made = load(1.0, PLAIN, flows(PLAIN, COSTS), COSTS, partitions=100, interval_s=1.0, most_rows=200_000)
    assert made.deltas == pytest.approx(1.0)


def test_sizes_do_for_peak_and_recovery(plain: Capacity) -> None:
    demand = plain.demand
    assert plain.peak.events == pytest.approx(1e10 / 86_400 * 3)
    assert plain.peak.worker_cores <= plain.workers * demand.utilisation
    assert plain.peak.clickhouse_cores <= plain.servers * demand.clickhouse_cores * demand.utilisation
    assert plain.catching_up.worker_cores <= plain.workers
    assert plain.catching_up.writer_busy <= 1
    assert plain.partitions % plain.workers == 0
    assert plain.window <= DEDUPLICATION_WINDOW
    assert all(failure.drain_s <= demand.recovery_s for failure in plain.failures)


@pytest.mark.parametrize(
    ("change", "grows"),
    [
        ({"events_per_day": 1e12}, "workers"),
        ({"events_per_day": 1e12}, "servers"),
        ({"peak_factor": 30.0}, "workers"),
        ({"event_bytes": 10_000.0}, "workers"),
        ({"utilisation": 0.1}, "workers"),
        ({"outage_s": 3_000.0}, "workers"),
        ({"hashtags": 1e9}, "stored_bytes"),
        ({"minute_days": 300.0}, "stored_bytes"),
        ({"stickers": 100_000.0}, "stored_bytes"),
        ({"clickhouse_replicas": 3.0}, "stored_bytes"),
    ],
)
def test_more_asks_for_more(plain: Capacity, change: dict[str, float], grows: str) -> None:
    more = capacity(replace(PLAIN, **change), COSTS)
    assert getattr(more, grows) > getattr(plain, grows)


def test_a_longer_interval_makes_fewer_rows_and_inserts(plain: Capacity) -> None:
    longer = capacity(replace(PLAIN, flush_interval_s=30.0), COSTS)
    assert longer.peak.rows < plain.peak.rows
    assert longer.peak.deltas < plain.peak.deltas
    assert longer.peak.clickhouse_cores < plain.peak.clickhouse_cores


def test_kafka_is_bytes_of_records_and_copies(plain: Capacity) -> None:
    kafka = plain.kafka
    assert kafka.in_bytes_s == pytest.approx(1e10 / 86_400 * 3 * 300)
    assert kafka.stored_bytes == pytest.approx(1e10 * 300 * 3 * 3)
    assert kafka.partitions == 3 * plain.partitions


def test_merged_rows_are_keys_of_a_window(plain: Capacity) -> None:
    """No more rows than counts added to, no more minutes than hours than days."""
    minute, hour, day = plain.grains
    assert 1e10 * 5.37 > minute.rows_a_day > hour.rows_a_day > day.rows_a_day
    assert day.rows == pytest.approx(day.rows_a_day * 3_650)


def test_the_failure_of_a_worker_is_its_session_claims_and_recount(plain: Capacity) -> None:
    crash, outage = plain.failures
    assert crash.pause_s == pytest.approx(10 + crash.claims_s)
    assert crash.claims_s == pytest.approx(2 * 0.01)
    assert crash.whole_s == pytest.approx(crash.pause_s + crash.recount_s + crash.drain_s)
    assert outage.backlog == pytest.approx(60 * plain.peak.events)
    assert outage.recount_s == 0


def test_without_an_outage_there_is_none() -> None:
    assert [failure.name for failure in capacity(replace(PLAIN, outage_s=0.0), COSTS).failures] == ["a worker dies"]


def test_a_partition_that_is_too_busy_is_the_first_limit() -> None:
    found = capacity(replace(PLAIN, events_per_day=1e11, partitions=1), COSTS)
    assert limits(found)[0].name == "the busiest partition"
    assert limits(found)[0].share > 1
    assert words(found)[-1].startswith("Not recovered within 300 s: ")


def test_an_outage_past_the_deadline_of_an_insert_is_recounted() -> None:
    _, outage = capacity(replace(PLAIN, outage_s=600.0), COSTS).failures
    assert outage.recount_s > 0
    assert outage.pause_s > 600 + COSTS.recovery.start_s


def test_the_window_is_that_of_the_protocol() -> None:
    """docs/protocol.md: 12 deltas a second and default deadlines are 36,000 tokens."""
    assert tokens(12) == 36_000


def test_the_bound_of_rows_is_that_of_the_settings() -> None:
    assert row_bound(1) == 200_000
    assert row_bound(12) == pytest.approx(2_000_000 / 24)


def test_writing_takes_worker_and_clickhouse() -> None:
    assert write_s(COSTS, 1e5) == pytest.approx(1e5 * 5e-7 + 0.01 + 1e5 * 3e-6 + 0.05)


def test_limits_are_ordered_and_said(plain: Capacity) -> None:
    found = limits(plain)
    hard = [limit.share for limit in found if not limit.soft]
    assert hard == sorted(hard, reverse=True)
    assert [limit.soft for limit in found] == [False] * len(hard) + [True]
    said = words(plain)
    assert said[0].startswith(f"First limit: {found[0].name}, ")
    assert any("events a day" in sentence for sentence in said)


def test_one_server_takes_as_much_as_it_is_said_to(plain: Capacity) -> None:
    most = one_server(plain)
    at = capacity(replace(PLAIN, events_per_day=most, flush_interval_s=plain.interval_s), COSTS)
    assert at.peak.clickhouse_cores == pytest.approx(32 * 0.6, rel=0.05)


def test_a_plan_has_tables_and_words() -> None:
    document = plan(replace(PLAIN, recovery_s=60.0, outage_s=10.0), COSTS)
    titles = [sheet.title for sheet in sheets(document)]
    assert titles[0] == "What it takes"
    assert titles[-1] == "Simulated"
    for one in document["simulated"]:
        assert one["arrived"] == pytest.approx(one["visible"] + one["pending"] + one["queued"])
    crash, outage = (one["recovered_s"] for one in document["simulated"][1:])
    assert 0 < crash < 120
    assert 10 < outage < 10 + 120


# ---- demands ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [field.name for field in fields(Demand)])
@pytest.mark.parametrize("value", [-1.0, float("nan"), 1e30])
def test_a_number_out_of_bounds_is_named_with_the_remedy(name: str, value: float) -> None:
    option = "--" + name.replace("_", "-")
    with pytest.raises(DemandError, match=rf"^{option} is (-1|nan|1e\+30): give .+ to .+ \(.+\)$"):
        Demand(**{"events_per_day": 1e9, name: value})


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"countries": 1.5}, "--countries is 1.5: give a whole number"),
        ({"sticker_share": 0.7, "creation_share": 0.7}, "give shares that add up to at most 1"),
        ({"hashtags": 2.0}, "--tags-per-event is 4.37, more than the 2 of --hashtags"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(numbers: dict[str, float], message: str) -> None:
    with pytest.raises(DemandError, match=message):
        Demand(**{"events_per_day": 1e9, **numbers})


def test_types_without_events_are_left_out() -> None:
    only = replace(PLAIN, sticker_share=1.0, creation_share=0.0)
    assert len(only.shares()) == 1
    assert capacity(only, COSTS).logs == capacity(only, COSTS).partitions
