"""Good events, and what can happen to them: the inputs of the differential tests. The same seed, the same values."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from loadtest.events import Workload, encode
from schemas.topics import EventType
from tests.streams.kernel.comparing import CLOCK

EXAMPLES = Path(__file__).parents[3] / "schemas" / "v1" / "examples"

_TOKENS = [
    *(bytes([byte]) for byte in b'"\\{}[],:1-.+eE0 TZtz#@\x00\x1f\x7f\x80\xc3\xe2\xf0\xff'),
    *(b"null", b"true", b"false", b"NaN", b"60", b"59", b"+01:00", b"-00:00", b".5", b"\xc3\xa9", b"\xed\xa0\x80"),
    *("＃".encode(), "💃🏽".encode(), "\u200b".encode(), b"\xf4\x90\x80\x80", b"\xc0\x80", b"\xe0\x80\x80", b" \t\r\n"),
    *(b"\\u", b"\\ud83d", b"\\ude00", b"\\u0000", b"\\u0041", b"\\n", b"\\/", b"\\q", b'\\"', b"\\\\"),
    *(b'"ts":', b'"count":', b'"video_id":"1",', b'"type":null,', b'"country":"", ', b'"hashtags":[""],'),
    *(b'"sticker":" ",', b'"schema":1.0,', b'"z":{"a":[1,{}]},', b'"z":[],', b'"z":-0.1e+5,', b'"hashtags":null,'),
    *(b'"country":"uk",', b'"schema":null,', b'"z":"\\ud83d\\ude00",', b'"count":4294967296,', b"18446744073709551616"),
    *(b'"video_id":"18446744073709551615",', b'"video_id":"00000000000000000007",', b'"\\u0074s":1,'),
]
_FIELDS: dict[str, list[Any]] = {
    "schema": [1, 1.0, 2, "1", None, True, 10, 11, -1],
    "type": ["video_view", "sticker_use", "video_creation", "video_vie", "", None, 1],
    "ts": [
        "2026-03-01T12:00:00+00:00", "2026-03-01t12:10:00.999999999z", "2026-03-01T12:10:01Z", "2016-12-31T23:59:60Z",
        "2026-02-29T12:00:00Z", "2024-02-29T00:00:00Z", "2026-03-01T23:59:59-00:01", "2026-03-01T00:00:00+23:59",
        "2015-12-31T23:59:59Z", "2016-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "2026-03-01T12:00:00", "2026-03-01",
        "2026-03-01 12:00:00Z", "2026-03-01T24:00:00Z", "2026-03-01T12:60:00Z", "2026-13-01T12:00:00Z", 5, None, "",
        "2026-03-00T12:00:00Z", "2026-04-31T12:00:00Z", "2026-03-01T12:00:00.Z", "2026-03-01T12:00:00+24:00", "２026",
    ],
    "video_id": ["0", "18446744073709551615", "18446744073709551616", "9" * 21, "-1", "", "1_0", "٣", 7, None,
                 "0" * 30],
    "country": ["us", "UK", "uK", "", "USA", "ſa", "U", 63, None, "1A", "A@", "zz", "[{"],
    "hashtags": [
        None, [], [""], ["#", "#A", "a", "＃a"], ["a", None], "a", {"a": 1}, ["x" * 600], ["é" * 257],
        ["e\u0301" * 300],
        [f"t{n}" for n in range(70)], [f"t{n % 9}" for n in range(200)], [f"t{n}" for n in range(300)],
        ["\u200b", "a\\b"],
        ["x" * 513, "y" * 512, "z" * 511], ["a\"b", "tab\t", "\u2028"], [[]], ["@summer", "sun", "snow"], ["SUN"],
    ],
    "sticker": ["Heart", "", "#", "🎉", "x" * 513, None, 3, "a\tb", "e\u0301", ["a"], "\u200b#Heart "],
    "count": [1, 0, -3, 4294967295, 4294967296, 1.0, 1e3, 1.5, "1", None, True, 10**400, 12345678901],
    "z": [{"a": {"b": [1, None, 1e-300]}}, [[[]]] * 3, "x" * 100, "\x7f", "\"\\/\b\f\n\r\t", True, 0, -0.0, {}, [{}],
          ""],
    "video": [1], "hashtag": ["a"], "": [0], "ts\x00": [0],
}  # fmt: skip


def examples(event_type: EventType) -> list[bytes]:
    """The examples of schemas/v1: valid, odd and invalid ones."""
    return [path.read_bytes() for path in sorted((EXAMPLES / event_type.value).rglob("*.json"))]


def good(seed: int, number: int) -> list[bytes]:
    """Events of the load generator, of all types."""
    until = datetime.fromtimestamp(CLOCK, UTC)
    return [encode(event) for event in Workload(seed=seed, until=until, tags=300, videos=500).events(number)]


class Mutator:
    """Damages good events: bytes and tokens at random places, fields taken from a list of oddities, other spellings."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self._good = good(seed, 400)
        self._examples = [example for event_type in EventType for example in examples(event_type)]

    def values(self, number: int) -> Iterator[bytes | None]:
        """So many values: some as they were, most damaged."""
        dice = self._dice
        for _ in range(number):
            way = dice.randrange(100)
            if way < 15:
                yield dice.choice(self._good)
            elif way < 16:
                yield None
            elif way < 45:
                yield self._odd_fields()
            else:
                value = dice.choice(self._good if way < 90 else self._examples)
                yield self._damaged(self._odd_fields() if way > 95 else value)

    def _odd_fields(self) -> bytes:
        dice = self._dice
        event = json.loads(dice.choice(self._good))
        for _ in range(dice.randrange(1, 4)):
            name = dice.choice(list(_FIELDS))
            event[name] = dice.choice(_FIELDS[name])
            if dice.randrange(8) == 0:
                event.pop(dice.choice(list(event)))
        items = list(event.items())
        dice.shuffle(items)
        style: dict[str, Any] = dice.choice([{}, {"separators": (",", ":")}, {"indent": 1}])
        return json.dumps(dict(items), ensure_ascii=dice.randrange(2) == 0, **style).encode("utf-8", "surrogatepass")

    def _damaged(self, value: bytes) -> bytes:
        dice, damaged = self._dice, bytearray(value)
        for _ in range(dice.choice((1, 1, 1, 2, 3))):
            at = dice.randrange(len(damaged) + 1)
            way = dice.randrange(6)
            if way == 0 and at < len(damaged):
                damaged[at] = dice.randrange(256)
            elif way == 1 and at < len(damaged):
                damaged[at] ^= 1 << dice.randrange(8)
            elif way == 2:
                del damaged[at : at + dice.randrange(1, 6)]
            elif way == 3:
                damaged = damaged[:at]
            else:
                damaged[at : at + dice.choice((0, 0, 1, 4))] = dice.choice(_TOKENS)
        return bytes(damaged)
