"""Distinct keys: against what can be counted by hand, drawn by dice, or taken from the real sample."""

from __future__ import annotations

import numpy as np
import pytest

from loadtest.peers.workload import Shape, Workload, real_videos
from loadtest.planner import longtail
from loadtest.planner.keys import STATE_IDS, Keys, RowCounts, product, sample_keys, shares, workload_keys, zipf


def test_few_even_keys_fill_up_as_a_formula_says() -> None:
    keys = shares([0.25] * 4)
    assert keys.distinct(1e-6) == pytest.approx(1e-6, rel=1e-3)
    assert keys.distinct(4) == pytest.approx(4 * (1 - np.exp(-1)))
    assert keys.distinct(1e6) == pytest.approx(4)


def test_drawn_keys_are_as_many_as_foretold() -> None:
    """A million draws from Zipf's law over 5,000 values."""
    weights = np.arange(1, 5_001) ** -1.2
    drawn = np.random.default_rng(1).choice(5_000, 30_000, p=weights / weights.sum())
    for number in (5_000, 30_000):
        assert zipf(5_000, 1.2).distinct(number) == pytest.approx(len(set(drawn[:number].tolist())), rel=0.05)


@pytest.mark.parametrize("exponent", [0.0, 1.0, 1.16])
def test_groups_of_ranks_are_as_good_as_all_of_them(exponent: float) -> None:
    shown = zipf(20_000, exponent, 10.0)
    weights = (np.arange(1, 20_001) + 10.0) ** -exponent
    whole = shares((weights / weights.sum()).tolist())
    assert shown.weights.sum() == pytest.approx(20_000)
    assert shown.uses_per_event == pytest.approx(1)
    for number in (10, 1_000, 100_000):
        assert shown.distinct(number) == pytest.approx(whole.distinct(number), rel=0.01)


def test_more_events_come_to_fewer_rows_each() -> None:
    per_event = [sample_keys()[1].distinct(10**power) / 10**power for power in range(7)]
    assert per_event == sorted(per_event, reverse=True)


def test_windows_share_no_rows() -> None:
    keys = shares([0.5, 0.5])
    assert keys.spread(1e6, 10) == pytest.approx(20)


def test_the_table_of_rows_agrees_with_the_sum() -> None:
    keys = sample_keys()[0] + sample_keys()[1]
    table = RowCounts(keys)
    for number in (0.5, 7.0, 1_234.0, 1e6, 1e12):
        assert table(number, 1.0) == pytest.approx(keys.distinct(number), rel=0.01)
    assert table(0) == 0


def test_a_state_keeps_no_more_ids_than_fit() -> None:
    hot = Keys(np.array([1.0]), np.array([2.0]))
    assert hot.kept_ids(10) == 20
    assert hot.kept_ids(1e9) == 2 * STATE_IDS


@pytest.mark.parametrize("shape", list(Shape))
@pytest.mark.parametrize("kind", ["video_creation", "sticker_use"])
def test_a_workload_has_as_many_keys_as_foretold(shape: Shape, kind: str) -> None:
    workload = Workload(shape=shape, seed=1, number=20_000, until_s=1_800_000_000, span_s=60, tags=3_000)
    events = [event for event in workload.events() if event.event_type == kind]
    found = {
        (event.country, tag, event.sticker)
        for event in events
        if event.minute == events[0].minute
        for tag in ("", *event.hashtags)
    }
    number = sum(event.minute == events[0].minute for event in events)
    keys = workload_keys(workload, kind == "sticker_use")
    assert keys.distinct(number) == pytest.approx(len(found), rel=0.03)
    assert keys.uses_per_event == pytest.approx(
        sum(1 + len(event.hashtags) for event in events) / len(events), rel=0.06
    )  # fmt: skip


def test_keys_of_two_dimensions() -> None:
    both = product(shares([0.5, 0.5]), shares([1.0]))
    assert (both.weights.sum(), both.uses_per_event) == (2, 1)


# ---- the long tail ------------------------------------------------------------------------------------


def test_rarefaction_of_a_small_urn() -> None:
    """Three things with keys a, a, b: two of them have 1 + 2/3 distinct keys on average."""
    assert longtail.rarefied(np.array([2.0, 1.0]), 3, 2) == pytest.approx(5 / 3)
    assert longtail.rarefied(np.array([2.0, 1.0]), 3, 3) == pytest.approx(2)


def test_the_curve_fits_the_sample_and_half_of_it_foretells_the_whole() -> None:
    found = longtail.fit_sample()
    assert found.error < 0.06
    assert abs(found.holdout_error) < 0.2
    assert found.tags_per_event == pytest.approx(sum(len(tags) for _, tags in real_videos()) / len(real_videos()))
    assert 0 <= found.affinity <= 1


def test_a_made_up_tail_is_found_again() -> None:
    """Videos drawn from the model itself, of one country: exponent and offset show in the curve."""
    dice = np.random.default_rng(3)
    ranks = np.arange(1, 10**6 + 1)
    weights = (ranks + 20.0) ** -1.3
    drawn = dice.choice(ranks, (20_000, 3), p=weights / weights.sum())
    videos = [("US", tuple(str(tag) for tag in set(row))) for row in drawn.tolist()]
    found = longtail.fit(videos)
    assert found.error < 0.03
    assert abs(found.holdout_error) < 0.03


def test_more_hashtags_countries_or_stickers_are_more_rows() -> None:
    tail = longtail.fit_sample()
    base = {"hashtags": 10_000, "countries": 20, "stickers": 1, "tags_per_event": 4.0}
    rows = longtail.keys(tail, **base).distinct(1e6)  # type: ignore[arg-type]
    for name, more in (("hashtags", 1_000_000), ("countries", 200), ("stickers", 100), ("tags_per_event", 8.0)):
        assert longtail.keys(tail, **base | {name: more}).distinct(1e6) > 1.1 * rows  # type: ignore[arg-type]
    assert longtail.keys(tail, **base).uses_per_event == pytest.approx(5)  # type: ignore[arg-type]
