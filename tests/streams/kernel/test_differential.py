"""The kernel counts and rejects what `Decoder` and `Counts` do, whatever the bytes."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from schemas.topics import EventType
from streams.rules import Rules
from tests.streams.kernel.comparing import Pair
from tests.streams.kernel.mutating import Mutator, examples, good
from tests.streams.test_decoding import COUNTED, VIEW, encode, event
from tests.streams.test_judge import BAD_FIELDS, BAD_RECORDS, _fields, mutated

GROUPED = Rules(tag_groups={"summer": ("sun", "tag1", "fyp"), "all": ("sun", "snow", "tag2"), "none": ()})
STRICT = Rules(max_tag_bytes=6, max_hashtags_per_event=2, max_record_bytes=300, max_future_s=1)


@pytest.fixture(params=list(EventType))
def pair(request: pytest.FixtureRequest) -> Pair:
    return Pair(request.param)


def test_good_events_need_the_slow_way_never(pair: Pair) -> None:
    """Speed rests on it: whatever an ordinary producer sends must be counted by the compiled code."""
    values = [value for value in good(1, 5000) if json.loads(value)["type"] == pair.event_type.value]
    escaped = [json.dumps(json.loads(value)).encode() for value in values]
    assert pair.compare(values + escaped, pieces=3)[1] == 0


def test_the_examples(pair: Pair) -> None:
    pair.compare([*examples(pair.event_type), None, b""])


def test_what_the_tests_of_the_reference_know(pair: Pair) -> None:
    for values in (
        [encode(event(pair.event_type, **changes)) for changes, _ in COUNTED.values()],
        [value for value, _ in BAD_RECORDS.values()],
        [encode(event(pair.event_type, **changes)) for _, changes, _, _ in BAD_FIELDS.values()],
    ):
        pair.compare(values)


_pairs: dict[EventType, Pair] = {}


def _compare_all(value: bytes) -> None:
    for event_type in EventType:
        # One counter for all examples: what it learnt from one must not change the next.
        _pairs.setdefault(event_type, Pair(event_type)).compare([value])


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutated())
def test_mutated_bytes(value: bytes) -> None:
    _compare_all(value)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_fields)
def test_mutated_fields(changes: dict[str, Any]) -> None:
    try:
        value = json.dumps(event(**changes), ensure_ascii=False).encode("utf-8", "surrogatepass")
    except ValueError:  # too many digits to print
        return
    _compare_all(value)


@pytest.mark.parametrize("rules", [Rules(), GROUPED, STRICT], ids=["default", "groups", "strict"])
def test_mutated_events(pair: Pair, rules: Rules) -> None:
    pair = Pair(pair.event_type, rules)
    mutator = Mutator(7)
    for _ in range(2):
        pair.compare(list(mutator.values(1500)), pieces=4)


@pytest.mark.timeout(7200)
@pytest.mark.skipif(os.environ.get("TAGPULSE_LONG_TESTS") != "1", reason="takes minutes; TAGPULSE_LONG_TESTS=1")
def test_a_million_mutated_events() -> None:
    for seed in range(40):
        for event_type in EventType:
            pair = Pair(event_type, (Rules(), GROUPED, Rules(), STRICT)[seed % 4])
            mutator = Mutator(1000 + seed)
            for _ in range(3):
                pair.compare(list(mutator.values(3000)), pieces=2)


def test_a_delta_of_another_clock() -> None:
    pair = Pair(VIEW)
    value = encode(event(ts="2026-03-01T12:10:00Z"))
    for clock in (1_772_366_400.0, 1_772_366_399.5, 1_772_366_400.0):
        pair.compare([value], clock)
