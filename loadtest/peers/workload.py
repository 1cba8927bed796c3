"""Events by seed, and the exact counts they must come to.

`sample`: hashtags, how many there are per video and countries are those of real public short videos
(tagpulse/demo/data), drawn video by video, so that their long tail and their company stay as they are; types,
stickers and times are made up. `uniform`: the worst case for anything that keeps counts in memory: four
hashtags out of a million (or as many as are asked for), each as likely as the next, so that nearly every row is a
new one.

Hashtags are in normal form already and no event counts for more than one: contestants need neither normalise
nor validate. Event times grow, with up to five seconds of disorder.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import NamedTuple

import numpy as np
import orjson

from tagpulse.demo import sample
from tagpulse.demo.truth import normal_form

TYPES = (("video_view", 0.60), ("sticker_use", 0.25), ("video_creation", 0.15))
STICKERS = ("heart", "sparkles", "birthday cake", "🎉", "fire", "rainbow filter", "dog ears", "bold glamour")
_TAIL = 1.6
#: How often each sticker is drawn: the tail of a zeta distribution, folded onto the stickers there are.
_WEIGHTS = np.arange(1, 80_001, dtype="f8") ** -_TAIL
STICKER_SHARES: tuple[float, ...] = tuple(
    float(_WEIGHTS[np.arange(1, 80_001) % len(STICKERS) == place].sum() / _WEIGHTS.sum())
    for place in range(len(STICKERS))
)
MINUTES = 10
_CHUNK = 10_000
_DISORDER_MS = 5_000
_VIDEOS = 1_000_000
UNIFORM_TAGS_PER_EVENT = 4


class Shape(StrEnum):
    """Where hashtags and countries come from."""

    SAMPLE = "sample"
    UNIFORM = "uniform"


class Event(NamedTuple):
    """An event, as a producer sends it (`value`) and as it must be counted (the rest)."""

    event_type: str
    minute: int
    country: str
    hashtags: tuple[str, ...]
    sticker: str
    timestamp_ms: int
    video_id: int
    value: bytes


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What to make; the same workload always gives the same events.

    Event times end before `until_s` (unix seconds) and fill the `span_s` before it. `tags` and `countries` (0: all
    of the sample) are those of the uniform shape.
    """

    shape: Shape
    seed: int
    number: int
    until_s: int
    span_s: int = MINUTES * 60
    tags: int = 1_000_000
    countries: int = 0

    def events(self) -> Iterator[Event]:
        """All events, in the order in which they are sent."""
        rng = np.random.default_rng(self.seed)
        draw = self._drawer(rng)
        begin_ms, span_ms = (self.until_s - self.span_s) * 1000, self.span_s * 1000 - _DISORDER_MS
        for first in range(0, self.number, _CHUNK):
            size = min(_CHUNK, self.number - first)
            places = np.arange(first, first + size) * span_ms // self.number
            times = (begin_ms + places + rng.integers(0, _DISORDER_MS, size)).tolist()
            types = rng.choice(len(TYPES), size, p=[share for _, share in TYPES]).tolist()
            stickers = (rng.zipf(_TAIL, size) % len(STICKERS)).tolist()
            videos = (7_000_000_000_000_000_000 + rng.integers(0, _VIDEOS, size)).tolist()
            ids = rng.bytes(16 * size).hex()
            for i, (country, hashtags) in enumerate(draw(size)):
                kind = TYPES[types[i]][0]
                sticker = STICKERS[stickers[i]] if kind == "sticker_use" else ""
                event = {
                    "schema": 1,
                    "type": kind,
                    "event_id": ids[32 * i : 32 * i + 32],
                    "ts": datetime.fromtimestamp(times[i] / 1000, UTC).isoformat(timespec="milliseconds")[:23] + "Z",
                    "video_id": str(videos[i]),
                    "country": country,
                    "hashtags": hashtags,
                    **({"sticker": sticker} if sticker else {}),
                    "source": {"app": "android"},
                }
                minute = times[i] // 60_000
                yield Event(kind, minute, country, hashtags, sticker, times[i], videos[i], orjson.dumps(event))

    def _drawer(self, rng: np.random.Generator) -> _Draw:
        videos = real_videos()
        if self.shape is Shape.UNIFORM:
            countries = sorted({country for country, _ in videos})
            chosen = countries[: self.countries] if self.countries else countries
            return lambda size: _uniform(rng, self.tags, chosen, size)
        return lambda size: (videos[i] for i in rng.integers(0, len(videos), size).tolist())


def rows(event: Event) -> Iterator[bytes]:
    """The rows that `event` adds one to: `job.Key` as JSON."""
    for tag in ("", *event.hashtags):
        yield orjson.dumps((event.event_type, event.country, tag, event.sticker, event.minute))


def count(truth: Counter[bytes], event: Event) -> None:
    """Add the rows of `event` to `truth`."""
    for key in rows(event):
        truth[key] += 1


_Draw = Callable[[int], Iterator[tuple[str, tuple[str, ...]]]]


def _uniform(
    rng: np.random.Generator, tags: int, countries: list[str], size: int
) -> Iterator[tuple[str, tuple[str, ...]]]:
    for numbers, place in zip(
        rng.integers(0, tags, (size, UNIFORM_TAGS_PER_EVENT)).tolist(),
        rng.integers(0, len(countries), size).tolist(),
        strict=True,
    ):
        yield countries[place], tuple(dict.fromkeys(f"tag{number:06}" for number in numbers))


@cache
def real_videos() -> list[tuple[str, tuple[str, ...]]]:
    """Country and distinct hashtags in normal form of every video of the sample."""
    return [
        (video["country"] or "ZZ", tuple(dict.fromkeys(filter(None, map(normal_form, video["hashtags"] or ())))))
        for video in sample.videos()
    ]
