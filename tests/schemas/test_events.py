from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import jsonschema
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import InvalidEventError
from schemas.events import StickerUse, VideoCreation, VideoView, event_from_dict
from schemas.tags import normalise_tag
from schemas.topics import EventType
from tests.schemas.test_examples import decode, json_schema

NOON = datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=UTC)
GOOD: dict[str, Any] = {"ts": NOON, "video_id": 7001}
WIRE: dict[str, Any] = orjson.loads(VideoView(**GOOD).to_json())


def test_what_is_sent() -> None:
    event = StickerUse(ts=NOON.astimezone(timezone(timedelta(hours=8))), video_id=2**64 - 1, country="uk",
                       hashtags=("#Love",), sticker="Heart", event_id="e-1")  # fmt: skip
    assert orjson.loads(event.to_json()) == {
        "schema": 1,
        "type": "sticker_use",
        "event_id": "e-1",
        "ts": "2026-03-01T12:00:00.000005Z",
        "video_id": "18446744073709551615",
        "country": "GB",
        "hashtags": ["#Love"],
        "sticker": "Heart",
    }


def test_event_ids_are_uuid7_and_differ() -> None:
    ids = [UUID(VideoCreation(**GOOD).event_id) for _ in range(3)]
    assert len(set(ids)) == 3
    assert {each.version for each in ids} == {7}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"ts": datetime(2026, 3, 1)}, "ts"),  # noqa: DTZ001
        ({"ts": "2026-03-01T12:00:00Z"}, "ts"),
        ({"ts": datetime.max.replace(tzinfo=timezone(timedelta(hours=-1)))}, "ts"),
        ({"video_id": -1}, "video_id"),
        ({"video_id": 2**64}, "video_id"),
        ({"video_id": "7001"}, "video_id"),
        ({"video_id": True}, "video_id"),
        ({"country": "PHL"}, "country"),
        ({"country": 63}, "country"),
        ({"hashtags": "love"}, "hashtags"),
        ({"hashtags": ("#",)}, "hashtags"),
        ({"hashtags": (7,)}, "hashtags"),
        ({"hashtags": ("x" * 513,)}, "hashtags"),
        ({"hashtags": ("\ud800",)}, "hashtags"),
        ({"hashtags": ("a",) * 257}, "hashtags"),
        ({"event_id": ""}, "event_id"),
        ({"event_id": "é"}, "event_id"),
        ({"event_id": None}, "event_id"),
        ({"count": 0}, "count"),
        ({"count": 2**32}, "count"),
        ({"count": 1.0}, "count"),
    ],
)
def test_an_invalid_event_names_its_field_and_a_remedy(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidEventError) as caught:
        VideoView(**(GOOD | changes))
    assert caught.value.field == field
    assert caught.value.remedy in str(caught.value)


@pytest.mark.parametrize("sticker", ["", "#", None, "x" * 513])
def test_a_sticker_needs_a_name(sticker: Any) -> None:
    with pytest.raises(InvalidEventError, match="sticker"):
        StickerUse(**GOOD, sticker=sticker)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"schema": 2}, "schema"),
        ({"schema": True}, "schema"),
        ({"type": "like"}, "type"),
        ({"type": ["video_view"]}, "type"),
        ({"likes": 1}, "likes"),
        ({"sticker": "Heart"}, "sticker"),
        ({"ts": "2026-03-01"}, "ts"),
        ({"ts": 5}, "ts"),
        ({"ts": "2026-03-01T12:00:00"}, "ts"),
        ({"video_id": 7001}, "video_id"),
        ({"video_id": "٣"}, "video_id"),
        ({"video_id": str(2**64)}, "video_id"),
    ],
)
def test_from_dict_is_closed_and_strict(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidEventError) as caught:
        event_from_dict(WIRE | changes)
    assert caught.value.field == field


@pytest.mark.parametrize("field", ["ts", "video_id", "type"])
def test_from_dict_names_what_is_missing(field: str) -> None:
    with pytest.raises(InvalidEventError, match=field):
        event_from_dict({key: value for key, value in WIRE.items() if key != field})


def test_a_time_that_no_clock_shows_is_kept_as_utc() -> None:
    """Two o'clock is left out that night; Python compares such times with no other zone."""
    skipped = datetime(2016, 3, 13, 2, 0, tzinfo=ZoneInfo("America/Adak"))
    event = VideoView(ts=skipped, video_id=0)
    assert event.ts.isoformat() == "2016-03-13T12:00:00+00:00"
    assert event_from_dict(orjson.loads(event.to_json())) == event


@given(
    st.datetimes(min_value=datetime(2016, 1, 3), max_value=datetime(2026, 2, 1), timezones=st.timezones()),  # noqa: DTZ001
    st.integers(0, 2**64 - 1),
    st.sampled_from(["ph", "US", "", "UK"]),
    st.lists(st.text().filter(normalise_tag), max_size=5),
    st.integers(1, 2**32 - 1),
)
def test_whatever_the_sdk_sends_fits_the_schema_and_is_counted(
    ts: datetime, video_id: int, country: str, hashtags: list[str], count: int
) -> None:
    event = VideoView(ts=ts, video_id=video_id, country=country, hashtags=tuple(hashtags), count=count)
    value = event.to_json()
    jsonschema.validate(orjson.loads(value), json_schema(EventType.VIDEO_VIEW))
    decoded = decode(EventType.VIDEO_VIEW, value)
    assert decoded.rejects == []
    assert decoded.dropped_tags == {}
    assert (decoded.video_ids, decoded.counts) == ([video_id], [count])
    assert decoded.minutes == [int(ts.timestamp() // 60)]
    assert event_from_dict(orjson.loads(value)) == event
