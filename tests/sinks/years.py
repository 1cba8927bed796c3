"""Events of generated years, dense where calendars are odd, and what the answers must be, in plain Python.

Shares no code with the views or the counting: an event is a tuple, an answer a loop over all of them.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

from schemas.topics import EventType

#: Leap day, ends of years and of ISO weeks 52, 53 and 1, ends of months, days when clocks change.
BORDERS = [
    date(2023, 12, 31),
    date(2024, 1, 1),
    date(2024, 2, 28),
    date(2024, 2, 29),
    date(2024, 3, 1),
    date(2024, 3, 10),
    date(2024, 3, 31),
    date(2024, 4, 30),
    date(2024, 10, 27),
    date(2024, 12, 29),
    date(2024, 12, 30),
    date(2024, 12, 31),
    date(2025, 1, 1),
    date(2025, 2, 28),
]
REGIONS = {
    "PH": "APAC",
    "ID": "APAC",
    "US": "North America",
    "BR": "LATAM",
    "MX": "LATAM",
    "GB": "Europe",
    "XK": "Europe",
    "EG": "MENA",
    "NG": "Africa",
    "ZZ": "Unknown",
    "QM": "Unassigned",
}
#: Tags that a careless query would run.
HOSTILE = [
    "' or 1=1 --",
    "'); drop table engagement_day; --",
    "\\' or '1'='1",
    "{since:datetime}",
    "%' union all select 1 --",
    "\"`]),('",
    "a\tb\nc",
    "\\",
    "null",
]
TAGS = ["love", "kindness", "mentalhealth", "booktok", "été", "爱", *HOSTILE]
STICKERS = ["heart", "star", "it's", "🎉"]


@dataclass(frozen=True)
class Event:
    kind: EventType
    at: datetime
    video: int
    country: str
    tags: frozenset[str]
    sticker: str
    count: int

    def record(self, rng: random.Random) -> dict[str, Any]:
        """As a producer would send it: any zone, tags as people write them."""
        zone = timezone(timedelta(minutes=rng.choice([0, 480, -300, 345, 60])))
        fields: dict[str, Any] = {
            "ts": self.at.astimezone(zone).isoformat(),
            "video_id": str(self.video),
            "hashtags": [rng.choice(["#", ""]) + tag for tag in sorted(self.tags)],
        }
        if self.country != "ZZ":
            fields["country"] = self.country
        if self.kind is EventType.STICKER_USE:
            fields["sticker"] = self.sticker
        if self.kind is EventType.VIDEO_VIEW:
            fields["count"] = self.count
        return fields


def events(seed: int, number: int) -> list[Event]:
    """`number` events from December 2023 to February 2025; half of them within hours of a border."""
    rng, begin = random.Random(seed), datetime(2023, 12, 20, tzinfo=UTC)
    found = []
    for _ in range(number):
        if rng.random() < 0.5:
            day = datetime.combine(rng.choice(BORDERS), datetime.min.time(), UTC)
            at = day + timedelta(seconds=rng.choice([0, 1, 59, 3599, 3600, 86399, rng.randrange(86400)]))
        else:
            at = begin + timedelta(seconds=rng.randrange(430 * 86400))
        kind = rng.choice(
            [EventType.VIDEO_CREATION, EventType.STICKER_USE, EventType.STICKER_USE, EventType.VIDEO_VIEW]
        )
        found.append(
            Event(
                kind,
                at,
                rng.randrange(1, 450),  # so few that sketches are exact
                rng.choices(list(REGIONS), range(len(REGIONS), 0, -1))[0],
                frozenset(rng.sample(TAGS, rng.randrange(4))),
                rng.choice(STICKERS) if kind is EventType.STICKER_USE else "",
                rng.randrange(1, 50) if kind is EventType.VIDEO_VIEW else 1,
            )
        )
    return found


Key = Callable[[Event], Iterable[Any]]


def grouped(chosen: Iterable[Event], key: Key) -> dict[Any, tuple[int, int]]:
    """Each key -> (events, distinct videos of sticker uses). An event counts under every key that it has."""
    counts: defaultdict[Any, int] = defaultdict(int)
    videos: defaultdict[Any, set[int]] = defaultdict(set)
    for event in chosen:
        for name in key(event):
            counts[name] += event.count
            videos[name] |= {event.video} if event.kind is EventType.STICKER_USE else set()
    return {name: (counts[name], len(videos[name])) for name in counts}


def total(chosen: Iterable[Event]) -> tuple[int, int]:
    return grouped(chosen, lambda _: [""]).get("", (0, 0))


def step_of(step: str, at: datetime) -> datetime:
    """The begin of a step, by the calendar of the standard library."""
    if step == "month":
        return datetime(at.year, at.month, 1, tzinfo=UTC)
    if step == "week":
        year, week, _ = at.isocalendar()
        return datetime.combine(date.fromisocalendar(year, week, 1), datetime.min.time(), UTC)
    return at.replace(
        hour=0 if step == "day" else at.hour, minute=at.minute if step == "minute" else 0, second=0, microsecond=0
    )


def windows(since: datetime, until: datetime, size: timedelta, hop: timedelta) -> Iterator[tuple[datetime, datetime]]:
    """Every [begin, end) within [since, until) that begins at a multiple of `hop` since 1970."""
    begin = datetime(1970, 1, 1, tzinfo=UTC) + hop * ((since - datetime(1970, 1, 1, tzinfo=UTC)) // hop)
    while begin + size <= until:
        if begin >= since:
            yield begin, begin + size
        begin += hop
