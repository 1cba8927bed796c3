"""What the counts must be, computed from the events alone.

Written apart from the worker: it shares no code with schemas, streams or sinks, so that a fault there cannot
hide here. It spells the rules out in the plainest way and is slow.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

_INVISIBLE = re.compile("[\u200b\ufeff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_OLDEST = datetime(2016, 1, 1, tzinfo=UTC)

#: event type, country, hashtag, sticker, window start
Key = tuple[str, str, str, str, datetime]


@dataclass
class Truth:
    """Events and distinct videos per key, at the grains minute and day, and rejects per reason."""

    events: dict[str, Counter[Key]] = field(default_factory=lambda: {"minute": Counter(), "day": Counter()})
    videos: dict[str, defaultdict[Key, set[int]]] = field(
        default_factory=lambda: {"minute": defaultdict(set), "day": defaultdict(set)}
    )
    rejects: Counter[str] = field(default_factory=Counter)
    records: int = 0


def normal_form(text: str) -> str:
    """The normal form of a tag or sticker."""
    while True:
        form = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", _INVISIBLE.sub("", text)).casefold())
        form = re.sub(r"^[#@\s]+", "", form).rstrip()
        if form == text:
            return form
        text = form


def compute(events: Iterable[Mapping[str, Any]], groups: Mapping[str, Iterable[str]], now: datetime) -> Truth:
    """Fold well-formed events (fields of the right type) into the truth. `groups`: name -> normal forms."""
    truth = Truth()
    for event in events:
        truth.records += 1
        moment = datetime.fromisoformat(event["ts"]).astimezone(UTC)
        if moment < _OLDEST:
            truth.rejects["too_old"] += 1
        elif moment > now + timedelta(minutes=10):
            truth.rejects["in_future"] += 1
        else:
            _count(truth, event, moment, groups)
    return truth


def _count(truth: Truth, event: Mapping[str, Any], moment: datetime, groups: Mapping[str, Iterable[str]]) -> None:
    country = (event["country"] or "ZZ").upper().replace("UK", "GB")
    forms = [normal_form(tag) for tag in event["hashtags"] or []]
    tags = list(dict.fromkeys(f for f in forms if f and len(f.encode()) <= 512))[:256]
    rows = ["", *tags, *(f"@{name}" for name, members in groups.items() if set(members) & set(tags))]
    windows = {"minute": moment.replace(second=0, microsecond=0)}
    windows["day"] = windows["minute"].replace(hour=0, minute=0)
    for grain, window in windows.items():
        for tag in rows:
            key = (event["type"], country, tag, normal_form(event.get("sticker", "")), window)
            truth.events[grain][key] += event.get("count", 1)
            if event["type"] == "sticker_use":
                truth.videos[grain][key].add(int(event["video_id"]))
