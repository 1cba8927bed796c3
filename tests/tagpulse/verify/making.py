"""Claims, keys and values for the tests of a recount."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from schemas.topics import EventType
from sinks.claims import Claim, Log
from streams.rules import Rules
from tagpulse.verify.recount import Recount
from tagpulse.verify.windows import Key

LOG = Log("video-views", 0, 3)
MAY = 202605
NOON = int(datetime(2026, 5, 1, 12, tzinfo=UTC).timestamp())


def claim(first: int, next_: int, *, done: bool = True, log: Log = LOG, **more: Any) -> Claim:
    fields: dict[str, Any] = {"records": next_ - first, "months": (MAY,), "clock": float(NOON + 3600)} | more
    return Claim(log, first, next_, uuid4(), "w", rules="r", done=done, **fields)


def key(hashtag: str = "", window: int = NOON, country: str = "PH", sticker: str = "") -> Key:
    return Key(country, hashtag, sticker, window)


def view(**fields: Any) -> bytes:
    event = {"ts": "2026-05-01T12:00:30Z", "video_id": "7", "country": "PH", "hashtags": ["Love"]}
    return json.dumps(event | fields).encode()


def recounted(
    values: Sequence[bytes | None], event_type: EventType = EventType.VIDEO_VIEW, rules: Rules | None = None
) -> Recount:
    """The recount of records at the offsets from 10 on."""
    last = zlib.crc32(values[-1] or b"") if values else 0
    made = claim(10, 10 + len(values), last_offset=9 + len(values), last_checksum=last)
    recount = Recount(made, event_type, rules or Rules())
    for offset, value in enumerate(values, 10):
        recount.add(offset, value)
    return recount
