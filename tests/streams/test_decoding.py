"""What each record counts for. Records that cannot be counted: `test_judge`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.topics import EventType
from streams import decoding
from streams.batch import RecordBatch
from streams.decoding import Decoded, Decoder, Forms
from streams.judge import MAX_COUNT, MAX_DEPTH, MAX_VIDEO_ID
from streams.rules import Rules

CLOCK = 1_772_366_400.0  # 2026-03-01T12:00:00Z
MINUTE = 1_772_366_400 // 60
VIEW = EventType.VIDEO_VIEW


def event(event_type: EventType = VIEW, **changes: Any) -> dict[str, Any]:
    """A good event with some fields changed; Ellipsis takes a field away."""
    base: dict[str, Any] = {"ts": "2026-03-01T12:00:00.123Z", "video_id": "7001", "country": "PH", "hashtags": ["Love"]}
    if event_type is EventType.STICKER_USE:
        base["sticker"] = "Heart"
    return {key: value for key, value in (base | changes).items() if value is not ...}


def encode(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def batch(*values: bytes | None) -> RecordBatch:
    return RecordBatch("t", 0, 1, 100, 100 + len(values), range(100, 100 + len(values)), values)


def decode(*values: bytes | None, event_type: EventType = VIEW, rules: Rules | None = None) -> Decoded:
    return Decoder(event_type, rules or Rules()).decode(batch(*values), CLOCK)


def rows(decoded: Decoded) -> list[tuple[Any, ...]]:
    columns = (decoded.minutes, decoded.countries, decoded.tags, decoded.stickers, decoded.counts, decoded.video_ids)
    return list(zip(*columns, strict=True))


GOOD = encode(event())
GOOD_ROW = (MINUTE, "PH", ("love",), "", 1, 7001)


# ---- counted ------------------------------------------------------------------------------------------


def test_an_empty_batch() -> None:
    assert len(decode()) == 0


@pytest.mark.parametrize("event_type", list(EventType))
def test_the_usual_record(event_type: EventType) -> None:
    sent = event(event_type, schema=1, type=event_type.value, event_id=7, count=5)
    sticker = "heart" if event_type is EventType.STICKER_USE else ""
    count = 5 if event_type is VIEW else 1
    decoded = decode(encode(sent), event_type=event_type)
    assert rows(decoded) == [(MINUTE, "PH", ("love",), sticker, count, 7001)]
    assert decoded.rejects == []


COUNTED: dict[str, tuple[dict[str, Any], dict[int, Any]]] = {
    "country-absent": ({"country": ...}, {1: "ZZ"}),
    "country-null": ({"country": None}, {1: "ZZ"}),
    "country-empty": ({"country": ""}, {1: "ZZ"}),
    "country-uk": ({"country": "uk"}, {1: "GB"}),
    "hashtags-absent": ({"hashtags": ...}, {2: ()}),
    "hashtags-null": ({"hashtags": None}, {2: ()}),
    "hashtags-repeated": ({"hashtags": ["a", "#A", "b", "＃a"]}, {2: ("a", "b")}),
    "hashtag-like-a-group": ({"hashtags": ["@summer"]}, {2: ("summer",)}),
    "count-null": ({"count": None}, {}),
    "count-integral": ({"count": 2.0}, {4: 2}),
    "count-largest": ({"count": MAX_COUNT}, {4: MAX_COUNT}),
    "schema-and-type-null": ({"schema": None, "type": None}, {}),
    "schema-integral": ({"schema": 1.0}, {}),
    "video-id-zero": ({"video_id": "0"}, {5: 0}),
    "video-id-largest": ({"video_id": str(MAX_VIDEO_ID)}, {5: MAX_VIDEO_ID}),
    "video-id-leading-zeros": ({"video_id": "0" * 5000 + "7"}, {5: 7}),
    "sticker-is-unknown-here": ({"sticker": 7}, {}),
    "unknown-fields": ({"a": {"b": [1, None, 1e-300]}, "n": 10**400}, {}),
    "ts-offset": ({"ts": "2026-03-01T17:29:59+05:30"}, {0: MINUTE - 1}),
    "ts-lower-case": ({"ts": "2026-03-01t12:00:59z"}, {}),
    "ts-latest": ({"ts": "2026-03-01T12:10:00.999Z"}, {0: MINUTE + 10}),
    "ts-oldest": ({"ts": "2016-01-01T00:00:00Z"}, {0: 1_451_606_400 // 60}),
    "ts-leap-second": ({"ts": "2016-12-31T23:59:60Z"}, {0: 1_483_228_740 // 60}),
}


@pytest.mark.parametrize(("changes", "expected"), COUNTED.values(), ids=COUNTED)
def test_counted(changes: dict[str, Any], expected: dict[int, Any]) -> None:
    row = tuple(expected.get(at, value) for at, value in enumerate(GOOD_ROW))
    assert rows(decode(encode(event(**changes)))) == [row]


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(
            b' \t\r\n{"ts":"2026-03-01T12:00:00Z","video_id":"7001","country":"PH","hashtags":["love"]}\n', id="space"
        ),
        pytest.param(
            rb'{"\u0074s":"2026-03-01T12:00:00\u005a","video_id":"\u0037001","country":"PH","hashtags":["lo\u0076e"],"z":"\ud83d\ude00"}',
            id="escapes",
        ),
        pytest.param(
            rb'{"ts":5,"video_id":"1","country":"PH","hashtags":["love"],"ts":"2026-03-01T12:00:00Z","video_id":"7001"}',
            id="of-duplicate-keys-the-last-wins",
        ),
        pytest.param(
            rb'{"z":"\\ud800","ts":"2026-03-01T12:00:00Z","video_id":"7001","country":"PH","hashtags":["love"]}',
            id="escaped-backslash",
        ),
    ],
)
def test_other_ways_to_write_the_same(value: bytes) -> None:
    assert rows(decode(value)) == [GOOD_ROW]


@pytest.mark.parametrize(
    "closed", ["[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1), '{"a":' * (MAX_DEPTH - 1) + "1" + "}" * (MAX_DEPTH - 1)]
)
def test_nesting_up_to_the_limit(closed: str) -> None:
    value = encode(event())[:-1] + b',"z":' + closed.encode() + b"}"
    assert rows(decode(value)) == [GOOD_ROW]


def test_brackets_in_strings_are_no_nesting() -> None:
    assert rows(decode(encode(event(z='["' * 2000, y=[[], []] * 400)))) == [GOOD_ROW]


# ---- tags ---------------------------------------------------------------------------------------------


def test_odd_tags_are_dropped_and_their_record_is_counted() -> None:
    decoded = decode(encode(event(hashtags=["", "#", "x" * 513, "é" * 257, "ok", "\u200b"])))
    assert decoded.tags == [("ok",)]
    assert decoded.dropped_tags == {"empty": 3, "too_long": 2}


def test_distinct_tags_past_the_limit_are_dropped() -> None:
    many = [f"T{n}" for n in range(300)]
    decoded = decode(encode(event(hashtags=many + many)))
    assert decoded.tags == [tuple(f"t{n}" for n in range(256))]
    assert decoded.dropped_tags == {"too_many": 44}


def test_drops_are_counted_per_batch() -> None:
    decoder = Decoder(VIEW, Rules())
    value = encode(event(hashtags=["#"]))
    assert [decoder.decode(batch(value), CLOCK).dropped_tags for _ in range(2)] == [{"empty": 1}, {"empty": 1}]


def test_a_group_counts_once_however_many_of_its_tags_there_are() -> None:
    rules = Rules(tag_groups={"summer": ("sun", "beach"), "all": ("sun", "snow"), "none": ()})
    values = [encode(event(hashtags=tags)) for tags in (["Sun", "#beach"], ["snow"], ["rain"], ["@summer"], [])]
    assert decode(*values, rules=rules).tags == [
        ("sun", "beach", "@all", "@summer"),
        ("snow", "@all"),
        ("rain",),
        ("summer",),
        (),
    ]


def test_display_forms_come_once_and_only_where_they_differ() -> None:
    decoder = Decoder(VIEW, Rules())
    values = [
        encode(event(hashtags=tags)) for tags in (["#love", "speakyourmind"], ["#SpeakYourMind", "speakYOURmind"])
    ]
    assert decoder.decode(batch(*values), CLOCK).display_forms == {"speakyourmind": "#SpeakYourMind"}
    assert decoder.decode(batch(*values), CLOCK).display_forms == {}


def test_full_caches_change_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    values = [
        encode(
            event(
                EventType.STICKER_USE,
                ts=f"2026-03-01T11:{n % 60:02}:00.{n}Z",
                hashtags=[f"T{n % 7}", "Long" * 40],
                sticker=f"S{n % 5}",
            )
        )
        for n in range(200)
    ]
    expected = rows(decode(*values, event_type=EventType.STICKER_USE))
    for bound in ("_MAX_SECONDS", "_MAX_TAILS", "_MAX_FORMS"):
        monkeypatch.setattr(decoding, bound, 2)
    decoder = Decoder(EventType.STICKER_USE, Rules())
    assert rows(decoder.decode(batch(*values), CLOCK)) == expected
    assert max(len(decoder._seconds), len(decoder._tails), len(decoder._forms), len(decoder._stickers)) <= 2


def test_the_usual_record_needs_no_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    """Speed rests on it: whatever an ordinary producer sends must take the fast way."""
    monkeypatch.setattr(decoding, "judge", None)
    for kind in EventType:
        usual = event(kind, schema=1, type=kind.value, hashtags=["fypシ", "a"])
        for ts in ("2026-03-01T12:00:00Z", "2026-03-01T12:00:00.123456+00:00", "2026-03-01T05:00:00.1-07:00"):
            for ascii_only in (True, False):
                value = json.dumps(usual | {"ts": ts}, ensure_ascii=ascii_only).encode()
                assert len(decode(value, event_type=kind)) == 1


def test_decoders_may_share_their_forms() -> None:
    """The second decoder finds what the first has normalised, and each reports its own drops."""
    rules = Rules()
    forms = Forms(rules.max_tag_bytes)
    record = b'{"ts":"2026-05-01T12:00:00Z","video_id":"1","hashtags":["#LOVE","love",""]}'
    batch = RecordBatch("t", 0, 1, 0, 1, [0], [record])
    first = Decoder(EventType.VIDEO_VIEW, rules, forms).decode(batch, 2e9)
    second = Decoder(EventType.VIDEO_CREATION, rules, forms).decode(batch, 2e9)
    assert first.tags == second.tags == [("love",)]
    assert first.dropped_tags == second.dropped_tags == {"empty": 1}
    assert (first.display_forms, second.display_forms) == ({"love": "#LOVE"}, {})
    assert forms["#LOVE"] == "love"
