"""The one reason for each record that cannot be counted, and that the fast way never differs from `judge`."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.rejects import RejectReason
from schemas.topics import EventType
from streams.decoding import Decoded, Decoder
from streams.judge import MAX_COUNT, MAX_DEPTH, MAX_VIDEO_ID, Fault, judge
from streams.rules import Rules
from tests.streams.test_decoding import CLOCK, GOOD, GOOD_ROW, VIEW, batch, decode, encode, event, rows

# ---- rejected -----------------------------------------------------------------------------------------

R = RejectReason
BAD_RECORDS: dict[str, tuple[bytes | None, RejectReason]] = {
    "tombstone": (None, R.EMPTY),
    "zero-bytes": (b"", R.EMPTY),
    "white-space": (b" \n\t", R.EMPTY),
    "900-kb": (encode(event(z="x" * 900_000)), R.TOO_LARGE),
    "900-kb-of-space": (b" " * 900_000, R.TOO_LARGE),
    "not-json": (b"hello", R.NOT_JSON),
    "truncated": (GOOD[:-1], R.NOT_JSON),
    "trailing-bytes": (GOOD + b"x", R.NOT_JSON),
    "two-values": (GOOD + GOOD, R.NOT_JSON),
    "trailing-nul": (GOOD + b"\0", R.NOT_JSON),
    "byte-order-mark": (b"\xef\xbb\xbf" + GOOD, R.NOT_JSON),
    "nan": (GOOD[:-1] + b',"z":NaN}', R.NOT_JSON),
    "minus-infinity": (GOOD[:-1] + b',"z":[-Infinity]}', R.NOT_JSON),
    "control-character": (GOOD[:-1] + b',"z":"\x01"}', R.NOT_JSON),
    "bad-escape": (GOOD[:-1] + rb',"z":"\q"}', R.NOT_JSON),
    "leading-zero": (GOOD[:-1] + b',"z":01}', R.NOT_JSON),
    "null": (b"null", R.NOT_OBJECT),
    "list": (b"[]", R.NOT_OBJECT),
    "string": (b'"x"', R.NOT_OBJECT),
    "huge-number": (b"9" * 5000, R.NOT_OBJECT),
    "utf-8-in-value": (GOOD.replace(b"Love", b"Lo\xff"), R.NOT_UTF8),
    "utf-8-in-ignored-value": (GOOD[:-1] + b',"z":"\xc3"}', R.NOT_UTF8),
    "utf-8-in-ignored-key": (GOOD[:-1] + b',"\xed\xa0\x80":1}', R.NOT_UTF8),
    "utf-8-outside-json": (b"\xfe\xff", R.NOT_UTF8),
    "lone-surrogate": (GOOD.replace(b"Love", rb"\ud800"), R.NOT_UTF8),
    "lone-surrogate-ignored": (GOOD[:-1] + rb',"z":["\udc00x"]}', R.NOT_UTF8),
    "lone-surrogate-in-key": (GOOD[:-1] + rb',"\ud83d\ud83d":1}', R.NOT_UTF8),
    "deep": (b"[" * 100_000 + b"]" * 100_000, R.TOO_DEEP),
    "deep-and-open": (b'{"a":' * 40_000, R.TOO_DEEP),
    "deep-ignored": (GOOD[:-1] + b',"z":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}", R.TOO_DEEP),
}  # fmt: skip


@pytest.mark.parametrize(("value", "reason"), BAD_RECORDS.values(), ids=BAD_RECORDS)
def test_a_bad_record_is_rejected_and_its_neighbours_are_counted(value: bytes | None, reason: RejectReason) -> None:
    decoded = decode(GOOD, value, GOOD)
    assert rows(decoded) == [GOOD_ROW, GOOD_ROW]
    [reject] = decoded.rejects
    assert (reject.offset, reject.reason, reject.field) == (101, reason, "")
    assert (reject.length, reject.raw) == (len(value or b""), (value or b"")[: 64 * 1024])


BAD_FIELDS: dict[str, tuple[EventType, dict[str, Any], RejectReason, str]] = {
    "schema-2": (VIEW, {"schema": 2}, R.UNSUPPORTED_SCHEMA, "schema"),
    "schema-fraction": (VIEW, {"schema": 1.5}, R.UNSUPPORTED_SCHEMA, "schema"),
    "schema-huge": (VIEW, {"schema": 10**400}, R.UNSUPPORTED_SCHEMA, "schema"),
    "schema-text": (VIEW, {"schema": "1"}, R.WRONG_TYPE, "schema"),
    "schema-true": (VIEW, {"schema": True}, R.WRONG_TYPE, "schema"),
    "type-of-another-topic": (VIEW, {"type": "sticker_use"}, R.TYPE_MISMATCH, "type"),
    "type-number": (VIEW, {"type": 1}, R.WRONG_TYPE, "type"),
    "ts-absent": (VIEW, {"ts": ...}, R.MISSING, "ts"),
    "ts-null": (VIEW, {"ts": None}, R.MISSING, "ts"),
    "ts-number": (VIEW, {"ts": 1772366400}, R.WRONG_TYPE, "ts"),
    "ts-empty": (VIEW, {"ts": ""}, R.INVALID, "ts"),
    "ts-no-such-day": (VIEW, {"ts": "2026-02-29T12:00:00Z"}, R.INVALID, "ts"),
    "ts-local": (VIEW, {"ts": "2026-03-01T12:00:00"}, R.INVALID, "ts"),
    "ts-no-leap-second": (VIEW, {"ts": "2016-12-31T23:59:60+01:00"}, R.INVALID, "ts"),
    "ts-1970": (VIEW, {"ts": "1970-01-01T00:00:00Z"}, R.TOO_OLD, "ts"),
    "ts-just-too-old": (VIEW, {"ts": "2015-12-31T23:59:59.9Z"}, R.TOO_OLD, "ts"),
    "ts-year-0": (VIEW, {"ts": "0000-01-01T00:00:00+23:59"}, R.TOO_OLD, "ts"),
    "ts-future": (VIEW, {"ts": "2026-03-01T12:10:01Z"}, R.IN_FUTURE, "ts"),
    "ts-year-9999": (VIEW, {"ts": "9999-12-31T23:59:59-23:59"}, R.IN_FUTURE, "ts"),
    "video-id-absent": (VIEW, {"video_id": ...}, R.MISSING, "video_id"),
    "video-id-null": (VIEW, {"video_id": None}, R.MISSING, "video_id"),
    "video-id-number": (VIEW, {"video_id": 7001}, R.WRONG_TYPE, "video_id"),
    "video-id-empty": (VIEW, {"video_id": ""}, R.INVALID, "video_id"),
    "video-id-negative": (VIEW, {"video_id": "-1"}, R.INVALID, "video_id"),
    "video-id-space": (VIEW, {"video_id": " 1"}, R.INVALID, "video_id"),
    "video-id-arabic": (VIEW, {"video_id": "٣"}, R.INVALID, "video_id"),
    "video-id-superscript": (VIEW, {"video_id": "0²"}, R.INVALID, "video_id"),
    "video-id-underscore": (VIEW, {"video_id": "1_0"}, R.INVALID, "video_id"),
    "video-id-too-large": (VIEW, {"video_id": str(MAX_VIDEO_ID + 1)}, R.INVALID, "video_id"),
    "video-id-huge": (VIEW, {"video_id": "9" * 5000}, R.INVALID, "video_id"),
    "country-name": (VIEW, {"country": "Philippines"}, R.INVALID, "country"),
    "country-space": (VIEW, {"country": " "}, R.INVALID, "country"),
    "country-long-s": (VIEW, {"country": "ſa"}, R.INVALID, "country"),
    "country-number": (VIEW, {"country": 63}, R.WRONG_TYPE, "country"),
    "hashtags-text": (VIEW, {"hashtags": "love"}, R.WRONG_TYPE, "hashtags"),
    "hashtags-object": (VIEW, {"hashtags": {"a": 1}}, R.WRONG_TYPE, "hashtags"),
    "hashtags-null-inside": (VIEW, {"hashtags": ["a", None]}, R.WRONG_TYPE, "hashtags"),
    "count-zero": (VIEW, {"count": 0}, R.INVALID, "count"),
    "count-negative": (VIEW, {"count": -3}, R.INVALID, "count"),
    "count-too-large": (VIEW, {"count": MAX_COUNT + 1}, R.INVALID, "count"),
    "count-huge": (VIEW, {"count": 10**400}, R.INVALID, "count"),
    "count-fraction": (VIEW, {"count": 1.5}, R.INVALID, "count"),
    "count-text": (VIEW, {"count": "1"}, R.WRONG_TYPE, "count"),
    "count-true": (VIEW, {"count": True}, R.WRONG_TYPE, "count"),
    "sticker-absent": (EventType.STICKER_USE, {"sticker": ...}, R.MISSING, "sticker"),
    "sticker-null": (EventType.STICKER_USE, {"sticker": None}, R.MISSING, "sticker"),
    "sticker-number": (EventType.STICKER_USE, {"sticker": 3}, R.WRONG_TYPE, "sticker"),
    "sticker-empty-in-normal-form": (EventType.STICKER_USE, {"sticker": "#\u200b"}, R.INVALID, "sticker"),
    "sticker-too-long": (EventType.STICKER_USE, {"sticker": "x" * 513}, R.INVALID, "sticker"),
    "the-first-fault-in-order": (VIEW, {"count": 0, "country": 1, "video_id": "x"}, R.INVALID, "video_id"),
}  # fmt: skip


@pytest.mark.parametrize(("event_type", "changes", "reason", "field"), BAD_FIELDS.values(), ids=BAD_FIELDS)
def test_a_bad_field_is_named(event_type: EventType, changes: dict[str, Any], reason: RejectReason, field: str) -> None:
    good = encode(event(event_type))
    decoded = decode(good, encode(event(event_type, **changes)), good, event_type=event_type)
    assert [(r.offset, r.reason, r.field) for r in decoded.rejects] == [(101, reason, field)]
    assert decoded.video_ids == [7001, 7001]


def test_an_infinite_number_is_invalid() -> None:
    value = GOOD[:-1] + b',"count":1e999}'
    assert decode(value).rejects[0].reason is R.INVALID
    assert decode(GOOD[:-1] + b',"schema":' + b"1" * 5000 + b"}").rejects[0].reason is R.UNSUPPORTED_SCHEMA


def test_the_verdict_does_not_depend_on_the_depth_of_the_caller() -> None:
    """msgspec counts the frames of its caller; a recount from elsewhere must decide alike."""
    value = GOOD[:-1] + b',"z":' + b"[" * 250 + b"]" * 250 + b"}"

    def nested(frames: int) -> Decoded:
        return decode(value) if frames == 0 else nested(frames - 1)

    assert rows(nested(400)) == rows(nested(0)) == [GOOD_ROW]


# ---- the fast way agrees with the judge ---------------------------------------------------------------

_SEEDS = [
    encode(
        event(
            kind,
            schema=1,
            type=kind.value,
            event_id="018f",
            count=3,
            hashtags=["Love", "fypシ", "Ad"],
            z={"a": ["\\", 1.5e3]},
        )
    )
    for kind in EventType
] + [GOOD[:-1] + rb',"z":"\ud83d\ude00\\u0041"}']
_TOKENS = st.binary(min_size=1, max_size=3) | st.sampled_from(
    [
        *(bytes([byte]) for byte in b'"\\{}[],:1-.e0 TZ\x00\xff'),
        *(b"null", b"true", b"NaN", b"60", b"+01:00", b"\xc3\xa9", b"\xed\xa0\x80", "＃".encode()),
        *(b"\\u", b"\\ud83d", b"\\ude00", b"\\u0000", b'"ts":', b'"count":', b'"video_id":"1",', b'"type":null,'),
        *(b'"country":"", ', b'"hashtags":[""],', b'"sticker":" ",', b'"schema":1.0,'),
    ]
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    value = bytearray(draw(st.sampled_from(_SEEDS)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(value)))
        value[at : at + draw(st.integers(0, 5))] = draw(_TOKENS | st.just(b""))
    return bytes(value)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
_fields = st.dictionaries(
    st.sampled_from(["schema", "type", "ts", "video_id", "country", "hashtags", "sticker", "count", "z"]),
    st.just(...)
    | _json
    | st.sampled_from([1, 1.0, "video_view", "2016-12-31T23:59:60Z", "2026-03-01T12:00:00+00:00", "0", "us", ["@x"]]),
)


def assert_agrees(value: bytes) -> None:
    for event_type in EventType:
        decoded = decode(value, event_type=event_type)
        verdict = judge(event_type, Rules(), value, CLOCK)
        if isinstance(verdict, Fault):
            assert [(r.reason, r.field) for r in decoded.rejects] == [(verdict.reason, verdict.field)]
            assert rows(decoded) == []
        else:
            [(minute, country, tags, sticker, count, video_id)] = rows(decoded)
            expected = decode(encode(event(hashtags=list(verdict.hashtags)))).tags[0]
            assert (minute, country, tags) == (verdict.second // 60, verdict.country, expected)
            assert (sticker, count, video_id) == (verdict.sticker, verdict.events, verdict.video_id)


@settings(max_examples=400, deadline=None)
@given(mutated())
def test_mutated_bytes_get_the_verdict_of_the_judge(value: bytes) -> None:
    assert_agrees(value)


@settings(max_examples=200, deadline=None)
@given(_fields, st.booleans())
def test_mutated_fields_get_the_verdict_of_the_judge(changes: dict[str, Any], ascii_only: bool) -> None:
    try:
        value = json.dumps(event(**changes), ensure_ascii=ascii_only, allow_nan=True).encode("utf-8", "surrogatepass")
    except ValueError:  # too many digits to print
        return
    assert_agrees(value)


@given(st.binary(max_size=64))
def test_no_bytes_raise(value: bytes) -> None:
    assert len(decode(value)) + len(decode(value).rejects) == 1


def test_the_clock_decides_what_is_in_the_future() -> None:
    decoder = Decoder(VIEW, Rules(max_future_s=0))
    assert len(decoder.decode(batch(GOOD), math.nextafter(CLOCK, 0)).rejects) == 1
    assert len(decoder.decode(batch(GOOD), CLOCK)) == 1
