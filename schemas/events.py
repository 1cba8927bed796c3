"""Typed events: what the SDK sends. Stricter than what consumers accept (`schemas/v1` says what they are).

    VideoView(ts=datetime.now(UTC), video_id=7001, country="PH", hashtags=("love",), count=3)

Every way to make an event validates it and raises `InvalidEventError`, which names the field and the remedy.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

import msgspec
import orjson
from uuid_utils import uuid7

from schemas.countries import UNKNOWN_COUNTRY, normalise_country
from schemas.errors import InvalidEventError
from schemas.tags import bounded_form
from schemas.topics import EventType

#: The version of `schemas/v1`, in every event.
SCHEMA_VERSION = 1

MAX_VIDEO_ID = 2**64 - 1
MAX_COUNT = 2**32 - 1
MAX_HASHTAGS = 256
MAX_TAG_BYTES = 512
MAX_EVENT_ID_CHARACTERS = 64


def _new_event_id() -> str:
    return str(uuid7())


class _Event(msgspec.Struct, frozen=True, kw_only=True):
    event_type: ClassVar[EventType]

    ts: datetime
    """When it happened; must know its time zone. Kept and sent as UTC."""
    video_id: int
    """0 to 2^64-1; a string on the wire, where JSON parsers would round it."""
    country: str = UNKNOWN_COUNTRY
    """ISO 3166 alpha-2; kept upper-case, `UK` as `GB`."""
    hashtags: tuple[str, ...] = ()
    """As the author wrote them, with or without `#`; each not empty in normal form."""
    event_id: str = msgspec.field(default_factory=_new_event_id)
    """A UUIDv7 by default."""

    def __post_init__(self) -> None:
        _check_event_id(self.event_id)
        msgspec.structs.force_setattr(self, "ts", _utc(self.ts))
        _check_integer("video_id", self.video_id, 0, MAX_VIDEO_ID)
        msgspec.structs.force_setattr(self, "country", _country(self.country))
        msgspec.structs.force_setattr(self, "hashtags", _hashtags(self.hashtags))

    def to_json(self) -> bytes:
        """The event as sent: one JSON object that `schemas/v1/<event_type>.schema.json` describes."""
        return orjson.dumps(self._wire())

    def _wire(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA_VERSION,
            "type": self.event_type.value,
            "event_id": self.event_id,
            "ts": self.ts.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "video_id": str(self.video_id),
            "country": self.country,
            "hashtags": self.hashtags,
        }


class VideoCreation(_Event, frozen=True, kw_only=True):
    """A video was posted."""

    event_type: ClassVar[EventType] = EventType.VIDEO_CREATION


class StickerUse(_Event, frozen=True, kw_only=True):
    """A sticker or effect was put on a video."""

    event_type: ClassVar[EventType] = EventType.STICKER_USE

    sticker: str
    """Its name; counted by normal form, as hashtags are."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_name("sticker", self.sticker)

    def _wire(self) -> dict[str, Any]:
        return super()._wire() | {"sticker": self.sticker}


class VideoView(_Event, frozen=True, kw_only=True):
    """A video was watched, `count` times if views were summed at the edge."""

    event_type: ClassVar[EventType] = EventType.VIDEO_VIEW

    count: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_integer("count", self.count, 1, MAX_COUNT)

    def _wire(self) -> dict[str, Any]:
        return super()._wire() | {"count": self.count}


Event = VideoCreation | StickerUse | VideoView

_CLASSES: dict[str, type[VideoCreation] | type[StickerUse] | type[VideoView]] = {
    event_class.event_type.value: event_class for event_class in (VideoCreation, StickerUse, VideoView)
}


def event_from_dict(data: Mapping[str, Any]) -> Event:
    """The event that the parsed JSON object `data` is. Unknown fields are refused; no `schema` means 1.

    Raises InvalidEventError.
    """
    fields = dict(data)
    schema = fields.pop("schema", SCHEMA_VERSION)
    if schema != SCHEMA_VERSION or isinstance(schema, bool):
        raise InvalidEventError("schema", f"is {schema!r}", f"Send {SCHEMA_VERSION}.")
    name = fields.pop("type", None)
    event_class = _CLASSES.get(name) if isinstance(name, str) else None
    if event_class is None:
        raise InvalidEventError("type", f"is {name!r}", f"Send one of {', '.join(_CLASSES)}.")
    for field in fields.keys() - set(event_class.__struct_fields__):
        raise InvalidEventError(str(field), f"is not a field of {name}", "Leave it out.")
    for field in ("ts", "video_id", *(["sticker"] if event_class is StickerUse else [])):
        if field not in fields:
            raise InvalidEventError(field, "is missing", f"Every {name} needs it.")
    fields["ts"] = _parse_ts(fields["ts"])
    fields["video_id"] = _parse_video_id(fields["video_id"])
    return event_class(**fields)


# ---- checks -------------------------------------------------------------------------------------------


def _parse_ts(value: object) -> datetime:
    # msgspec reads RFC 3339 and not, as datetime.fromisoformat() does, the rest of ISO 8601.
    try:
        return msgspec.convert(value, datetime)
    except msgspec.ValidationError:
        raise InvalidEventError("ts", f"is {value!r}", "Send RFC 3339, such as 2026-03-01T12:00:00Z.") from None


def _parse_video_id(value: object) -> int:
    if not isinstance(value, str) or not (value.isascii() and value.isdigit() and len(value) <= 20):
        raise InvalidEventError("video_id", "is not a string of decimal digits", 'Send it as "7001".')
    return int(value)


def _check_event_id(value: object) -> None:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_EVENT_ID_CHARACTERS or not value.isascii():
        remedy = f"Leave it out for a UUIDv7, or use up to {MAX_EVENT_ID_CHARACTERS} ASCII characters."
        raise InvalidEventError("event_id", f"is {value!r}", remedy)


def _utc(value: object) -> datetime:
    if not isinstance(value, datetime):
        raise InvalidEventError("ts", "is not a datetime", "Use datetime.now(UTC).")
    if value.utcoffset() is None:
        raise InvalidEventError("ts", "has no time zone", "Use an aware datetime: datetime.now(UTC).")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise InvalidEventError("ts", "has no UTC equivalent", "Use a year from 1 to 9999 in UTC.") from None


def _check_integer(field: str, value: object, least: int, most: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise InvalidEventError(field, "is out of range", f"Use an int from {least} to {most}.")


def _country(value: object) -> str:
    if value is None or isinstance(value, str):
        try:
            return normalise_country(value)
        except ValueError:
            pass
    remedy = f"Use two ASCII letters, such as PH, or leave it out ({UNKNOWN_COUNTRY})."
    raise InvalidEventError("country", f"is {value!r}", remedy)


def _hashtags(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise InvalidEventError("hashtags", "is not a list or tuple", "Use a tuple of strings.")
    if len(value) > MAX_HASHTAGS:
        raise InvalidEventError("hashtags", f"has {len(value)} elements", f"Keep the first {MAX_HASHTAGS}.")
    for tag in value:
        _check_name("hashtags", tag)
    return tuple(value)


def _check_name(field: str, value: object) -> None:
    if not isinstance(value, str):
        raise InvalidEventError(field, f"{value!r} is not a string", "Use strings.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidEventError(field, "holds a lone surrogate", "Decode the text properly first.") from None
    form = bounded_form(value, MAX_TAG_BYTES)
    if form is None:
        raise InvalidEventError(field, f"is longer than {MAX_TAG_BYTES} bytes", "Shorten or leave out.")
    if not form:
        raise InvalidEventError(field, f"{value!r} is empty without its marks", "Leave it out.")
