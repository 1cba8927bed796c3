"""The workload: the same for a seed, in the stated shape, and its truth is that of the demo's plain reading."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise

import orjson
import pytest

from loadtest.peers.workload import MINUTES, Shape, Workload, count
from schemas.tags import normalise_tag
from tagpulse.demo.truth import compute

UNTIL_S = 1_790_000_000


def workload(shape: Shape, number: int = 3_000, seed: int = 3) -> Workload:
    return Workload(shape=shape, seed=seed, number=number, until_s=UNTIL_S)


@pytest.mark.parametrize("shape", Shape)
def test_a_seed_decides(shape: Shape) -> None:
    assert list(workload(shape).events()) == list(workload(shape).events())
    assert list(workload(shape, seed=4).events()) != list(workload(shape).events())


@pytest.mark.parametrize("shape", Shape)
def test_the_truth_is_that_of_a_plain_reading_of_the_records(shape: Shape) -> None:
    events = list(workload(shape).events())
    found: Counter[bytes] = Counter()
    for event in events:
        count(found, event)
    plain = compute([orjson.loads(event.value) for event in events], {}, datetime.fromtimestamp(UNTIL_S, UTC))
    assert not plain.rejects
    assert found == {
        orjson.dumps((kind, country, tag, sticker, int(window.timestamp()) // 60)): number
        for (kind, country, tag, sticker, window), number in plain.events["minute"].items()
    }


@pytest.mark.parametrize("shape", Shape)
def test_hashtags_are_normal_forms_and_distinct(shape: Shape) -> None:
    for event in workload(shape).events():
        assert len(set(event.hashtags)) == len(event.hashtags)
        assert all(tag == normalise_tag(tag) != "" for tag in event.hashtags)


@pytest.mark.parametrize("shape", Shape)
def test_events_fill_the_minutes_before_the_end_and_are_nearly_in_order(shape: Shape) -> None:
    times = [event.timestamp_ms for event in workload(shape).events()]
    assert (UNTIL_S - MINUTES * 60) * 1000 <= min(times) <= max(times) < UNTIL_S * 1000
    assert max(times) - min(times) > (MINUTES * 60 - 10) * 1000
    assert all(later > earlier - 5_000 for earlier, later in pairwise(times))


def test_events_are_as_large_as_stated() -> None:
    for shape in Shape:
        sizes = [len(event.value) for event in workload(shape).events()]
        assert 230 < sum(sizes) / len(sizes) < 280


def test_uniform_makes_nearly_every_row_a_new_key() -> None:
    truth: Counter[bytes] = Counter()
    for event in workload(Shape.UNIFORM).events():
        count(truth, event)
    assert len(truth) > 0.8 * truth.total()
