"""What a replay would send, and what it leaves out."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from sinks.rejected import KeptReject, Place
from streams.rules import Rules
from tagpulse.rejects.errors import RepairsError
from tagpulse.rejects.replay import Plan, originals, plan

GOOD = b'{"ts": "2026-05-01T12:00:00Z", "video_id": "7"}'
NOW_S = datetime(2026, 5, 1, 13, tzinfo=UTC).timestamp()


def reject(raw: bytes = b"x", *, length: int | None = None, replay: str = "", offset: int = 3) -> KeptReject:
    place = Place("video-views", 1, 0, offset)
    digest, size = hashlib.sha256(raw).hexdigest(), len(raw) if length is None else length
    return KeptReject(place, "not_json", "", raw, size, digest, datetime.now(UTC), replay)


def planned(wanted: KeptReject, value: bytes | None, *, again: bool = False, unchecked: bool = False) -> Plan:
    return plan([(wanted, value)], Rules(), NOW_S, again=again, unchecked=unchecked)


def test_a_repaired_record_is_sent() -> None:
    (item,) = planned(reject(), GOOD).items
    assert (item.value, item.repaired, item.mark.length) == (GOOD, True, len(GOOD))


def test_an_original_that_can_be_counted_now_is_sent_as_it_was() -> None:
    ((kept, value),) = originals([reject(GOOD)])
    (item,) = planned(kept, value).items
    assert not item.repaired


@pytest.mark.parametrize(
    ("kept", "value", "why"),
    [
        (reject(b"x" * 9, length=70_000), None, "only the first 9 of its 70,000 bytes"),
        (reject(), b"x", "would be rejected again: not_json"),
        (reject(), b'{"ts": "2026-05-01T12:00:00Z"}', r"would be rejected again: missing (video_id)"),
        (reject(replay="sent"), GOOD, "was replayed before"),
        (reject(replay="unknown"), GOOD, "may be in Kafka"),
    ],
)
def test_what_is_left_out_says_why(kept: KeptReject, value: bytes | None, why: str) -> None:
    result = planned(kept, value)
    assert not result.items
    assert why in result.left_out["video-views/1/0/3"]


def test_a_duplicate_is_sent_only_as_another_event() -> None:
    kept = replace(reject(GOOD), reason="duplicate")
    result = planned(kept, GOOD, again=True, unchecked=True)
    assert not result.items
    assert "might be counted twice" in result.left_out["video-views/1/0/3"]
    assert planned(kept, GOOD[:-1] + b', "event_id": "another"}').items


def test_what_the_broker_refused_is_free() -> None:
    assert planned(reject(replay="refused"), GOOD).items


def test_again_and_unchecked_lift_what_they_name() -> None:
    assert planned(reject(replay="unknown"), GOOD, again=True).items
    assert planned(reject(), b"x", unchecked=True).items
    assert not planned(reject(b"x", length=9), None, again=True, unchecked=True).items


def test_two_for_one_record_are_refused() -> None:
    with pytest.raises(RepairsError, match="named twice"):
        plan([(reject(), GOOD), (reject(), GOOD)], Rules(), NOW_S, again=False, unchecked=False)
