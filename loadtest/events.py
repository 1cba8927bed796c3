"""Events by seed: what is sent is known exactly, so what must be counted is, too.

Countries, tags and stickers are long-tailed; tags are written in the ways people write them. About 250 bytes
an event.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any

import orjson

Event = dict[str, Any]

COUNTRIES = ("US", "PH", "GB", "IN", "BR", "DE", "ID", "MX", "JP", "TR", "VN", "FR", "EG", "NG", "IT", "KE", None)
STICKERS = ("heart", "Sparkles", "birthday cake", "🎉", "fire", "rainbow filter", "dog ears", "bold glamour")
_NAMED_TAGS = ("fyp", "love", "mentalhealth", "dance", "speakyourmind", "çay", "İzmir", "推し", "💃🏽", "straße")
_TYPES = (("video_view", 60), ("sticker_use", 25), ("video_creation", 15))
_TAGS_PER_EVENT = ((0, 15), (1, 20), (2, 25), (3, 20), (5, 12), (9, 8))


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What to make. The same workload always gives the same events.

    `until` is the end of the event times, exclusive; they are spread over the `minutes` before it.
    """

    seed: int
    until: datetime
    minutes: int = 120
    tags: int = 5_000
    videos: int = 50_000

    def events(self, number: int) -> Iterator[Event]:
        """Well-formed events with all fields of their type, `type` included."""
        dice = random.Random(self.seed)  # noqa: S311 - reproducible, not secret
        countries = _long_tail(COUNTRIES)
        stickers = _long_tail(STICKERS)
        names = [*_NAMED_TAGS, *(f"tag{n}" for n in range(self.tags - len(_NAMED_TAGS)))]
        tags = _long_tail(names)
        types, sizes = _weighted(_TYPES), _weighted(_TAGS_PER_EVENT)
        for _ in range(number):
            kind = types.pick(dice)
            event: Event = {
                "schema": 1,
                "type": kind,
                "event_id": str(uuid.UUID(int=dice.getrandbits(128), version=4)),
                "ts": _written(self.until - timedelta(milliseconds=1 + dice.randrange(self.minutes * 60_000))),
                "video_id": str(7_000_000_000_000_000_000 + dice.randrange(self.videos)),
                "country": countries.pick(dice),
                "hashtags": [_spelled(tag, dice) for tag in tags.pick_some(dice, sizes.pick(dice))],
                "source": {"app": "android", "version": "38.4.1"},
            }
            if kind == "sticker_use":
                event["sticker"] = stickers.pick(dice)
            elif kind == "video_view":
                event["count"] = 1 + int(dice.paretovariate(1.2))
            yield event


def encode(event: Event) -> bytes:
    """An event as most producers write it."""
    return orjson.dumps(event)


class _Choice:
    def __init__(self, values: Sequence[Any], weights: Sequence[float]) -> None:
        self._values, self._weights = values, list(accumulate(weights))

    def pick(self, dice: random.Random) -> Any:
        return dice.choices(self._values, cum_weights=self._weights)[0]

    def pick_some(self, dice: random.Random, number: int) -> list[Any]:
        return dice.choices(self._values, cum_weights=self._weights, k=number)


def _long_tail(values: Sequence[Any]) -> _Choice:
    return _Choice(values, [1 / rank for rank in range(1, len(values) + 1)])


def _weighted(pairs: Sequence[tuple[Any, int]]) -> _Choice:
    return _Choice([value for value, _ in pairs], [weight for _, weight in pairs])


def _spelled(tag: str, dice: random.Random) -> str:
    way = dice.randrange(20)
    if way == 0:
        return "#" + tag.upper()
    if way == 1:
        return tag.title() + "\u200b "
    return tag if way > 10 else "#" + tag


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
