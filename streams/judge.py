"""The careful reading of one record: the values to count, or the one reason why it cannot be counted.

This is the definition of what a consumer accepts (`decoding` has a faster way to the same values, and
comes here with every record that is in any way unusual). Checks are made in this order, and the first that
fails gives the reason: size, white space, UTF-8, depth, JSON, lone surrogates, object; then the fields
`schema`, `type`, `ts`, `video_id`, `country`, `hashtags`, `sticker`, `count`.

- A field that is null counts as absent. Of duplicate keys the last wins. Other fields are ignored; so are
  `sticker` on anything but a sticker use and `count` on anything but a view.
- Depth counts the object itself as 1 and ends at `MAX_DEPTH`, in ignored fields too. A parser's own limit
  would depend on the Python version and on who calls it, and a recount must come to the same verdict.
- A byte order mark is not JSON; neither are NaN and Infinity. Numbers of any size are.
- A number of integral value is an integer however it is written (`2.0`, `2e0`), as in JSON Schema.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

from schemas.countries import UNKNOWN_COUNTRY, normalise_country
from schemas.rejects import RejectReason
from schemas.tags import bounded_form
from schemas.timestamps import parse_timestamp
from schemas.topics import EventType
from streams.rules import Rules

MAX_DEPTH = 256
MAX_VIDEO_ID = 2**64 - 1
MAX_COUNT = 2**32 - 1
SCHEMA_VERSION = 1


class Reading(NamedTuple):
    """The values of a record that can be counted. `hashtags` are as written."""

    second: int
    video_id: int
    country: str
    hashtags: tuple[str, ...]
    sticker: str
    events: int


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a record cannot be counted; `field` is "" where the record as a whole is at fault."""

    reason: RejectReason
    field: str = ""


def time_bounds(rules: Rules, clock_s: float) -> tuple[int, int]:
    """The first and the last second that an event may carry when the clock stands at `clock_s`."""
    return rules.min_event_time_s, math.floor(clock_s + rules.max_future_s)


def judge(event_type: EventType, rules: Rules, value: bytes | None, clock_s: float) -> Reading | Fault:
    """Read `value` as an event of `event_type`. Never raises, whatever the bytes."""
    try:
        return _read(event_type, rules, _parse(value, rules.max_record_bytes), clock_s)
    except _FaultError as error:
        return error.fault


def event_id_of(value: bytes | None) -> str:
    """The `event_id` of a record that `judge` can read; "" where it has none: absent, empty, or no string."""
    try:
        event_id = _parse(value, len(value or b"")).get("event_id")
    except _FaultError:
        return ""
    return event_id if isinstance(event_id, str) else ""


class _FaultError(Exception):
    def __init__(self, reason: RejectReason, field: str = "") -> None:
        self.fault = Fault(reason, field)


def _read(event_type: EventType, rules: Rules, event: dict[str, Any], clock_s: float) -> Reading:
    schema = _number(event, "schema")
    if schema is not None and schema != SCHEMA_VERSION:
        raise _FaultError(RejectReason.UNSUPPORTED_SCHEMA, "schema")
    type_ = _text(event, "type")
    if type_ is not None and type_ != event_type.value:
        raise _FaultError(RejectReason.TYPE_MISMATCH, "type")
    return Reading(
        second=_second(event, rules, clock_s),
        video_id=_video_id(event),
        country=_country(event),
        hashtags=_hashtags(event),
        sticker=_sticker(event, rules) if event_type is EventType.STICKER_USE else "",
        events=_count(event) if event_type is EventType.VIDEO_VIEW else 1,
    )


# ---- fields -------------------------------------------------------------------------------------------


def _text(event: dict[str, Any], field: str) -> str | None:
    value = event.get(field)
    if value is None or isinstance(value, str):
        return value
    raise _FaultError(RejectReason.WRONG_TYPE, field)


def _required_text(event: dict[str, Any], field: str) -> str:
    value = _text(event, field)
    if value is None:
        raise _FaultError(RejectReason.MISSING, field)
    return value


def _number(event: dict[str, Any], field: str) -> int | float | None:
    value = event.get(field)
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    raise _FaultError(RejectReason.WRONG_TYPE, field)


def _second(event: dict[str, Any], rules: Rules, clock_s: float) -> int:
    text = _required_text(event, "ts")
    try:
        second = parse_timestamp(text)
    except ValueError:
        raise _FaultError(RejectReason.INVALID, "ts") from None
    oldest, latest = time_bounds(rules, clock_s)
    if second < oldest:
        raise _FaultError(RejectReason.TOO_OLD, "ts")
    if second > latest:
        raise _FaultError(RejectReason.IN_FUTURE, "ts")
    return second


def _video_id(event: dict[str, Any]) -> int:
    text = _required_text(event, "video_id")
    # Leading zeros go first: int() refuses strings of more than 4,300 digits.
    digits = text.lstrip("0") or text[:1]
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 20 or int(digits) > MAX_VIDEO_ID:
        raise _FaultError(RejectReason.INVALID, "video_id")
    return int(digits)


def _country(event: dict[str, Any]) -> str:
    text = _text(event, "country")
    if not text:
        return UNKNOWN_COUNTRY
    try:
        return normalise_country(text)
    except ValueError:
        raise _FaultError(RejectReason.INVALID, "country") from None


def _hashtags(event: dict[str, Any]) -> tuple[str, ...]:
    value = event.get("hashtags")
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(tag, str) for tag in value):
        raise _FaultError(RejectReason.WRONG_TYPE, "hashtags")
    return tuple(value)


def _sticker(event: dict[str, Any], rules: Rules) -> str:
    form = bounded_form(_required_text(event, "sticker"), rules.max_tag_bytes)
    if not form:
        raise _FaultError(RejectReason.INVALID, "sticker")
    return form


def _count(event: dict[str, Any]) -> int:
    value = _number(event, "count")
    if value is None:
        return 1
    if not 1 <= value <= MAX_COUNT or value != int(value):
        raise _FaultError(RejectReason.INVALID, "count")
    return int(value)


# ---- the record as a whole ----------------------------------------------------------------------------


def _parse(value: bytes | None, max_bytes: int) -> dict[str, Any]:
    if value is None:
        raise _FaultError(RejectReason.EMPTY)
    if len(value) > max_bytes:
        raise _FaultError(RejectReason.TOO_LARGE)
    if not value or value.isspace():
        raise _FaultError(RejectReason.EMPTY)
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise _FaultError(RejectReason.NOT_UTF8) from None
    if _too_deep(text):
        raise _FaultError(RejectReason.TOO_DEEP)
    try:
        parsed = _JSON.decode(text)
    except ValueError:
        raise _FaultError(RejectReason.NOT_JSON) from None
    if _LONE_SURROGATE.search(_PAIRED_ESCAPES.sub("-", text)) is not None:
        raise _FaultError(RejectReason.NOT_UTF8)
    if not isinstance(parsed, dict):
        raise _FaultError(RejectReason.NOT_OBJECT)
    return parsed


# An escaped backslash, so that what follows it is no escape; and a surrogate pair.
_PAIRED_ESCAPES = re.compile(r"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_LONE_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")

# A string runs to its closing quote, or to the end where it has none.
_BRACKET_OR_STRING = re.compile(r'[\[{]|[\]}]|"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)


def _too_deep(text: str) -> bool:
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    depth = 0
    for token in _BRACKET_OR_STRING.findall(text):
        if token in ("[", "{"):
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif token in ("]", "}"):
            depth -= 1
    return False


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _integer(digits: str) -> int | float:
    # int() refuses more than 4,300 digits; no field of ours has a use for more than 20.
    return int(digits) if len(digits) <= 20 else math.inf


_JSON = json.JSONDecoder(parse_int=_integer, parse_constant=_no_constant)
