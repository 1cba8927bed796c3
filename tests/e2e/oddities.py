"""Records that are not the usual event: what becomes of each is known from the rules, not from our code.

`BAD` are (name, bytes or None, reason, field); `good` are what looks odd and counts nevertheless.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

from loadtest.events import Event
from tests.e2e.ledger import Record

_TS = "2026-01-05T12:00:00Z"
_VIEW: Event = {"type": "video_view", "ts": _TS, "video_id": "77", "country": "PH", "hashtags": ["x"], "count": 2}
_USE: Event = {k: v for k, v in _VIEW.items() if k != "count"} | {"type": "sticker_use", "sticker": "heart"}
_CREATION: Event = {k: v for k, v in _USE.items() if k != "sticker"} | {"type": "video_creation"}


def _with(event: Event, **fields: Any) -> bytes:
    return json.dumps(event | fields).encode()


def _without(event: Event, field: str) -> bytes:
    return json.dumps({k: v for k, v in event.items() if k != field}).encode()


def _raw(event: Event, field: str, text: str) -> bytes:
    """`text` stands as the JSON of `field`."""
    return json.dumps(event | {field: "@@"}).replace('"@@"', text).encode()


def _size(number: int) -> bytes:
    return _with(_VIEW, padding="x" * number)


_HUGE = "9" * 5_000

BAD: dict[str, list[tuple[str, bytes | None, str, str]]] = {
    "video_view": [
        ("not JSON", b"hello", "not_json", ""),
        ("cut off", _with(_VIEW)[:-1], "not_json", ""),
        ("two events", _with(_VIEW) * 2, "not_json", ""),
        ("single quotes", b"{'ts': 1}", "not_json", ""),
        ("byte order mark", b"\xef\xbb\xbf" + _with(_VIEW), "not_json", ""),
        ("null", b"null", "not_object", ""),
        ("list", b"[]", "not_object", ""),
        ("list of events", b"[" + _with(_VIEW) + b"]", "not_object", ""),
        ("string", b'"video_view"', "not_object", ""),
        ("number", b"17", "not_object", ""),
        ("empty object", b"{}", "missing", "ts"),
        ("empty value", b"", "empty", ""),
        ("white space", b" \n\t ", "empty", ""),
        ("tombstone", None, "empty", ""),
        ("900 kB", _size(900_000), "too_large", ""),
        ("one byte too large", _size(256 * 1024 + 1 - len(_size(0))), "too_large", ""),
        ("900 kB that are not JSON", b"\xff" * 900_000, "too_large", ""),
        ("binary", bytes(range(256)), "not_utf8", ""),
        ("Latin-1", _raw(_VIEW, "country", '"\xe9"').decode().encode("latin-1"), "not_utf8", ""),
        ("UTF-16", _with(_VIEW).decode().encode("utf-16"), "not_utf8", ""),
        ("bad byte in an ignored field", _raw(_VIEW, "note", '"#"').replace(b"#", b"\xc3("), "not_utf8", ""),
        ("lone surrogate in a tag", _raw(_VIEW, "hashtags", r'["\ud83d"]'), "not_utf8", ""),
        ("lone surrogate in an ignored field", _raw(_VIEW, "note", r'"\udc00"'), "not_utf8", ""),
        ("surrogate as bytes", _raw(_VIEW, "note", '"#"').replace(b"#", b"\xed\xa0\xbd"), "not_utf8", ""),
        ("NaN", _raw(_VIEW, "count", "NaN"), "not_json", ""),
        ("Infinity", _raw(_VIEW, "note", "-Infinity"), "not_json", ""),
        ("deep lists", b"[" * 100_000 + b"]" * 100_000, "too_deep", ""),
        ("deep objects never closed", b'{"a":' * 40_000, "too_deep", ""),
        ("deep in an ignored field", _raw(_VIEW, "note", "[" * 3_000 + "]" * 3_000), "too_deep", ""),
        ("huge count", _raw(_VIEW, "count", _HUGE), "invalid", "count"),
        ("count past 32 bits", _with(_VIEW, count=2**32), "invalid", "count"),
        ("huge exponent", _raw(_VIEW, "count", "1e400"), "invalid", "count"),
        ("zero", _with(_VIEW, count=0), "invalid", "count"),
        ("negative", _with(_VIEW, count=-3), "invalid", "count"),
        ("half a view", _with(_VIEW, count=0.5), "invalid", "count"),
        ("count as text", _with(_VIEW, count="3"), "wrong_type", "count"),
        ("count is true", _with(_VIEW, count=True), "wrong_type", "count"),
        ("no ts", _without(_VIEW, "ts"), "missing", "ts"),
        ("ts null", _with(_VIEW, ts=None), "missing", "ts"),
        ("ts as a number", _with(_VIEW, ts=1767614400), "wrong_type", "ts"),
        ("ts without an offset", _with(_VIEW, ts="2026-01-05T12:00:00"), "invalid", "ts"),
        ("ts is words", _with(_VIEW, ts="yesterday"), "invalid", "ts"),
        ("29 February of no leap year", _with(_VIEW, ts="2025-02-29T00:00:00Z"), "invalid", "ts"),
        ("1970", _with(_VIEW, ts="1970-01-01T00:00:00Z"), "too_old", "ts"),
        ("year 0001", _with(_VIEW, ts="0001-01-01T00:00:00+14:00"), "too_old", "ts"),
        ("year 2300", _with(_VIEW, ts="2300-01-01T00:00:00Z"), "in_future", "ts"),
        ("year 9999", _with(_VIEW, ts="9999-12-31T23:59:59-14:00"), "in_future", "ts"),
        ("no video", _without(_VIEW, "video_id"), "missing", "video_id"),
        ("video as a number", _with(_VIEW, video_id=77), "wrong_type", "video_id"),
        ("video is no number", _with(_VIEW, video_id="7a"), "invalid", "video_id"),
        ("video empty", _with(_VIEW, video_id=""), "invalid", "video_id"),
        ("video past 64 bits", _with(_VIEW, video_id=str(2**64)), "invalid", "video_id"),
        ("video in other digits", _with(_VIEW, video_id="٧٧"), "invalid", "video_id"),
        ("country of three", _with(_VIEW, country="PHL"), "invalid", "country"),
        ("country as a list", _with(_VIEW, country=["PH"]), "wrong_type", "country"),
        ("tags as a string", _with(_VIEW, hashtags="x"), "wrong_type", "hashtags"),
        ("a tag is a number", _with(_VIEW, hashtags=["x", 5]), "wrong_type", "hashtags"),
        ("a tag is null", _with(_VIEW, hashtags=["x", None]), "wrong_type", "hashtags"),
        ("another schema", _with(_VIEW, schema=2), "unsupported_schema", "schema"),
        ("schema as text", _with(_VIEW, schema="1"), "wrong_type", "schema"),
        ("type of another topic", _with(_VIEW, type="video_creation"), "type_mismatch", "type"),
        ("type as a number", _with(_VIEW, type=3), "wrong_type", "type"),
    ],
    "sticker_use": [
        ("no sticker", _without(_USE, "sticker"), "missing", "sticker"),
        ("sticker null", _with(_USE, sticker=None), "missing", "sticker"),
        ("sticker as an object", _with(_USE, sticker={"name": "heart"}), "wrong_type", "sticker"),
        ("sticker of nothing", _with(_USE, sticker="# \u200b"), "invalid", "sticker"),
        ("sticker of 600 bytes", _with(_USE, sticker="s" * 600), "invalid", "sticker"),
        ("1970", _with(_USE, ts="1970-01-01T00:00:00Z"), "too_old", "ts"),
    ],
    "video_creation": [
        ("not JSON", b"\x00\x01", "not_json", ""),
        ("tombstone", None, "empty", ""),
        ("no video", _without(_CREATION, "video_id"), "missing", "video_id"),
    ],
}


def good(moment: datetime) -> Iterator[tuple[str, Record]]:
    """Odd records of `moment` (UTC, whole seconds) that count: (name, record)."""
    ts = moment.isoformat()
    view, use, creation = (event | {"ts": ts} for event in (_VIEW, _USE, _CREATION))
    elsewhere = [
        moment.astimezone(timezone(timedelta(hours=h, minutes=m))).isoformat() for h, m in ((5, 45), (-9, -30))
    ]

    def text(event: Event) -> str:
        return json.dumps(event)

    twice = text(view).replace('"country": "PH"', '"country": "XX", "country": "PH", "ts": "2001-01-01T00:00:00Z"')
    twice = twice.replace(f'"ts": "{ts}", ', "").replace("2001-01-01T00:00:00Z", ts)
    views = {
        "duplicate keys: the last wins": (twice, view),
        "unknown fields": (text(view | {"a": [1, {"b": None}], "sticker": 5, "": {}}), view),
        "escapes": (text(view).replace("video_id", r"video\u005fid").replace('"x"', r'"\u0023X\t"'), view),
        "white space": (f"\r\n\t {json.dumps(view, indent=7)}  \n", view),
        "five hours and 45 minutes ahead": (text(view | {"ts": elsewhere[0]}), view),
        "nine and a half behind": (text(view | {"ts": elsewhere[1]}), view),
        "nine decimals": (text(view | {"ts": moment.strftime("%Y-%m-%dT%H:%M:%S.123456789Z")}), view),
        "lower-case t and z": (text(view | {"ts": moment.strftime("%Y-%m-%dt%H:%M:%Sz")}), view),
        "UK": (text(view | {"country": "UK"}), view | {"country": "GB"}),
        "lower-case country": (text(view | {"country": "gb"}), view | {"country": "GB"}),
        "lower-case uk": (text(view | {"country": "uk"}), view | {"country": "GB"}),
        "no country": (text({k: v for k, v in view.items() if k != "country"}), view | {"country": None}),
        "country empty": (text(view | {"country": ""}), view | {"country": None}),
        "tags null": (text(view | {"hashtags": None}), view | {"hashtags": None}),
        "no tags": (text({k: v for k, v in view.items() if k != "hashtags"}), view | {"hashtags": None}),
        "no count": (text({k: v for k, v in view.items() if k != "count"}), view | {"count": 1}),
        "count null": (text(view | {"count": None}), view | {"count": 1}),
        "the largest count": (text(view | {"count": 2**32 - 1}), view | {"count": 2**32 - 1}),
        "schema 1": (text(view | {"schema": 1}), view),
        "only what is required": (text({"ts": ts, "video_id": "0077"}), view | _BARE),
        "just small enough": (text(view | {"p": "x" * (256 * 1024 - len(text(view | {"p": ""})))}), view),
    }
    for name, (written, meant) in views.items():
        yield name, Record("video_view", written.encode(), meant)
    tags = [
        "Straße",
        "STRASSE",
        "#strasse",
        "  ",
        "",
        "#",
        "𝖺𝖽",
        "ad",
        "İ",
        "e\u0301",
        "é",
        "t" * 600,
        "👍🏽",
        "fyp\u200b",
    ]
    many = [f"many{n}" for n in range(400)]
    yield (
        "tags in many spellings",
        Record("sticker_use", text(use | {"hashtags": tags}).encode(), use | {"hashtags": tags}),
    )
    yield (
        "400 tags",
        Record("video_creation", text(creation | {"hashtags": many}).encode(), creation | {"hashtags": many}),
    )
    spelled = use | {"sticker": "\u200b#Heart "}
    yield "sticker with marks", Record("sticker_use", text(spelled).encode(), spelled)
    largest = use | {"video_id": str(2**64 - 1)}
    yield "the largest video", Record("sticker_use", text(largest).encode(), largest)
    yield "count on a creation", Record("video_creation", text(creation | {"count": "many"}).encode(), creation)


_BARE: Event = {"country": None, "hashtags": None, "count": 1}
