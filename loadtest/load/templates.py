"""Events that are encoded once and sent many times: id, time and, where asked for, one hashtag are patched in.

Sender and truth build the same templates from the same workload. What a template counts for is worked out from
its own fields by `tagpulse.demo.truth`, which shares no code with the worker.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property

import numpy as np
import numpy.typing as npt
import orjson
from aiokafka.partitioner import murmur2

from loadtest.load.workload import Workload
from loadtest.peers.workload import STICKERS
from schemas.topics import TOPICS, EventType, topic_for
from tagpulse.demo import sample
from tagpulse.demo.truth import normal_form

Ints = npt.NDArray[np.int64]
#: event type, country, hashtag ("" = all), sticker ("" = none)
Cell = tuple[str, str, str, str]

_FIRST_VIDEO = 7_000_000_000_000_000_000
_SPOTLIT_VIDEOS = 1_000
_SLOT = "\ufffdslot\ufffd"
FRESH_WIDTH = 7
_ID, _TIME = "\ufffdid\ufffd", "\ufffdtime\ufffd"
#: Reason, and the record. Of the topic of video views.
POISON: tuple[tuple[str, bytes], ...] = (
    ("not_json", b'{"schema":1,"type":"video_view",'),
    ("not_object", b"[1,2,3]"),
    ("not_utf8", b'{"schema":1,"type":"\xff"}'),
    ("missing", b'{"schema":1,"type":"video_view","video_id":"7000000000000000001","country":"PH"}'),
    ("type_mismatch", b'{"schema":1,"type":"sticker_use","ts":"2026-01-01T00:00:00Z","video_id":"1"}'),
    ("unsupported_schema", b'{"schema":99,"type":"video_view"}'),
    ("too_old", b'{"schema":1,"type":"video_view","ts":"1970-01-01T00:00:00Z","video_id":"7000000000000000001"}'),
    ("empty", b" "),
)


@dataclass(frozen=True, slots=True)
class Template:
    """One event, in pieces: `before` the id, `between` id and time, `after` the time up to the slot, and `rest`."""

    before: bytes
    between: bytes
    after: bytes
    rest: bytes
    key: bytes
    cells: tuple[Cell, ...]
    """What it adds `count` to. Of poison: none."""
    count: int
    has_slot: bool
    reason: str = ""
    """Why it cannot be counted; "" where it can."""


@dataclass(frozen=True, slots=True)
class Block:
    """Templates [first, end): all that a spotlight, the poison or the rest of the traffic consists of."""

    first: int
    end: int


class Templates:
    """All templates of a workload."""

    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        self._rng = np.random.default_rng(workload.seed)
        self._kinds = list(workload.mix)
        self.all: list[Template] = []
        self.ordinary = self._block(workload.videos, "", tuple(workload.countries), tuple(workload.countries.values()))
        self.spotlights = []
        for spot in workload.spotlights:
            countries = spot.countries or tuple(workload.countries)
            weights = (1.0,) * len(spot.countries) or tuple(workload.countries.values())
            self.spotlights.append(
                self._block(min(_SPOTLIT_VIDEOS, workload.videos), spot.hashtag, countries, weights)
            )  # fmt: skip
        self.poison = Block(len(self.all), len(self.all) + len(POISON))
        for reason, value in POISON:
            self.all.append(Template(value, b"", b"", b"", b"", (), 0, has_slot=False, reason=reason))

    @cached_property
    def places(self) -> Ints:
        """By template: topic number x partitions + partition, as Kafka's clients choose it by video."""
        partitions, numbers = self.workload.partitions, topic_numbers()
        kinds = [t.cells[0][0] if t.cells else EventType.VIDEO_VIEW.value for t in self.all]
        return np.array(
            [numbers[k] * partitions + partition_of(t.key, partitions) for k, t in zip(kinds, self.all, strict=True)],
            "i8",
        )

    def choose(self, rng: np.random.Generator, number: int, second: float) -> Ints:
        """Templates of `number` events that are due at `second`."""
        chosen = rng.integers(self.ordinary.first, self.ordinary.end, number)
        if not self.spotlights and not self.workload.poison:
            return chosen
        draw, edge = rng.random(number), 0.0
        parts = [(block, spot.share_at(second)) for block, spot in zip(
            self.spotlights, self.workload.spotlights, strict=True)]  # fmt: skip
        for block, share in [*parts, (self.poison, self.workload.poison)]:
            inside = (edge <= draw) & (draw < edge + share)
            chosen[inside] = rng.integers(block.first, block.end, int(inside.sum()))
            edge += share
        return chosen

    def _block(self, number: int, hashtag: str, countries: Sequence[str], weights: Sequence[float]) -> Block:
        first, rng, real = len(self.all), self._rng, _real_hashtags()
        mix = np.array([self.workload.mix[kind] for kind in self._kinds])
        kinds = rng.choice(len(self._kinds), number, p=mix / mix.sum()).tolist()
        places = rng.choice(len(countries), number, p=np.array(weights) / sum(weights)).tolist()
        tags = rng.integers(0, len(real), number).tolist()
        stickers = (rng.zipf(1.6, number) % len(STICKERS)).tolist()
        views = (1 + rng.zipf(1.8, number) % 1_000).tolist()
        for i in range(number):
            hashtags = ([hashtag] if hashtag else []) + list(real[tags[i]])
            kind = self._kinds[kinds[i]]
            video = _FIRST_VIDEO + first + i
            self.all.append(
                self._template(kind, video, countries[places[i]], hashtags, STICKERS[stickers[i]], views[i])
            )
        return Block(first, first + number)

    def _template(
        self, kind: EventType, video: int, country: str, hashtags: list[str], sticker: str, views: int
    ) -> Template:
        slot = bool(self.workload.fresh_hashtags)
        event = {
            "schema": 1,
            "type": kind.value,
            "event_id": _ID,
            "ts": _TIME,
            "video_id": str(video),
            "country": country,
            "hashtags": [*hashtags, _SLOT] if slot else hashtags,
            **({"sticker": sticker} if kind is EventType.STICKER_USE else {}),
            **({"count": views} if kind is EventType.VIDEO_VIEW else {}),
            "source": {"app": "android"},
        }
        value = orjson.dumps(event).decode()
        if (short := self.workload.record_bytes - len(value.encode())) > 0:
            value = orjson.dumps({**event, "padding": "x" * max(0, short - len(',"padding":""'))}).decode()
        before, _, rest = value.partition(_ID)
        between, _, rest = rest.partition(_TIME)
        after, _, rest = rest.partition(_SLOT) if slot else (rest, "", "")
        forms = dict.fromkeys(form for form in map(normal_form, hashtags) if form)
        name = normal_form(sticker) if kind is EventType.STICKER_USE else ""
        return Template(
            before.encode(), between.encode(), after.encode() + (b"fresh" if slot else b""), rest.encode(),
            str(video).encode(), tuple((kind.value, country, tag, name) for tag in ("", *forms)),
            views if kind is EventType.VIDEO_VIEW else 1, has_slot=slot,
        )  # fmt: skip


def fresh_cells(template: Template, slot: int) -> Iterator[Cell]:
    """What an event with the fresh hashtag `slot` adds to, beside the cells of its template."""
    if template.has_slot:
        kind, country, _, sticker = template.cells[0]
        yield kind, country, f"fresh{slot:0{FRESH_WIDTH}}", sticker


def topic_numbers() -> dict[str, int]:
    """Event type -> number of its topic, as in `Templates.places`."""
    return {kind.value: TOPICS.index(topic_for(kind)) for kind in EventType}


def partition_of(key: bytes, partitions: int) -> int:
    """Where Kafka's clients put a record with that key."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)


def iso_seconds(unix_s: int) -> bytes:
    """`2026-05-01T12:00:00.`: an ISO time up to its milliseconds."""
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.").encode()


@cache
def _real_hashtags() -> list[tuple[str, ...]]:
    """Hashtags of each real video, as people wrote them; the same tag once."""
    return [tuple(dict.fromkeys(video["hashtags"] or ()))[:30] for video in sample.videos()]
