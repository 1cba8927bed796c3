"""What a plan is asked for: traffic, how long counts are kept, and what must hold when something fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache

from loadtest.planner.coefficients import Coefficients
from loadtest.planner.keys import Keys, RowCounts
from loadtest.planner.longtail import Tail, keys
from schemas.topics import EventType

DAY_S = 86_400.0
#: A day.
MOST_EVENTS = 1e18


class DemandError(Exception):
    """A number that cannot be planned for; the text names it and says what to give instead."""


@dataclass(frozen=True, kw_only=True)
class Demand:
    """Rates are of the whole system. Raises DemandError where a number is out of bounds."""

    events_per_day: float
    peak_factor: float = 3.0
    """Rate at the peak over the day's average."""
    hashtags: float = 1e6
    """Distinct hashtags in use on a day."""
    countries: float = 200
    stickers: float = 1_000
    tags_per_event: float = 4.37
    event_bytes: float = 260.0
    """Of a record's value, as JSON."""
    sticker_share: float = 0.25
    """Of all events; what is neither a sticker use nor a creation is a view."""
    creation_share: float = 0.15
    kafka_replication: float = 3
    kafka_hours: float = 72.0
    """How long Kafka keeps events: longer than the longest outage."""
    compression: float = 1.0
    """Bytes of a record over its bytes in the log, as producers compress."""
    minute_days: float = 30.0
    hour_days: float = 400.0
    day_days: float = 3_650.0
    flush_interval_s: float = 0.0
    """0: the shortest that ClickHouse's deduplication windows allow."""
    partitions: float = 0
    """Of each topic; 0: as many as there are workers."""
    utilisation: float = 0.6
    """Share of the CPU that may be busy at the peak."""
    outage_s: float = 60.0
    """ClickHouse may be away so long at the peak..."""
    recovery_s: float = 300.0
    """...and the backlog must be gone so long after it."""
    session_timeout_s: float = 10.0
    clickhouse_cores: float = 32
    """Of one server."""
    clickhouse_replicas: float = 2
    """Servers that hold the same rows."""

    def __post_init__(self) -> None:
        for field in fields(self):
            low, high, advice = _BOUNDS[field.name]
            value = getattr(self, field.name)
            if not low <= value <= high:  # NaN, too
                raise DemandError(f"{option(field.name)} is {value:g}: give {_said(low)} to {_said(high)} ({advice})")
            if field.name in _WHOLE and value != int(value):
                raise DemandError(f"{option(field.name)} is {value:g}: give a whole number ({advice})")
        if self.sticker_share + self.creation_share > 1:
            raise DemandError(
                f"--sticker-share and --creation-share are {self.sticker_share:g} and {self.creation_share:g}, "
                "more than all events: give shares that add up to at most 1"
            )
        if self.tags_per_event > self.hashtags:
            raise DemandError(
                f"--tags-per-event is {self.tags_per_event:g}, more than the {self.hashtags:g} of --hashtags: "
                "raise the one or lower the other"
            )

    @property
    def average(self) -> float:
        """Events per second over the day."""
        return self.events_per_day / DAY_S

    @property
    def peak(self) -> float:
        """Events per second at the peak."""
        return self.average * self.peak_factor

    @property
    def updates(self) -> float:
        """Counts that an event adds to."""
        return 1 + self.tags_per_event

    def shares(self) -> dict[EventType, float]:
        """Of each event type, of all events; types without events are left out."""
        found = {
            EventType.VIDEO_CREATION: self.creation_share,
            EventType.STICKER_USE: self.sticker_share,
            EventType.VIDEO_VIEW: 1 - self.sticker_share - self.creation_share,
        }
        return {kind: share for kind, share in found.items() if share > 1e-12}


@dataclass(frozen=True)
class Flow:
    """One event type: its share of all events, and what its events come to."""

    share: float
    keys: Keys
    rows: RowCounts
    keeps_ids: bool


def flows(demand: Demand, coefficients: Coefficients) -> list[Flow]:
    """Of each event type there is."""
    found = []
    for kind, share in demand.shares().items():
        with_sticker = kind is EventType.STICKER_USE
        one = _keys(
            coefficients.tail,
            int(demand.hashtags),
            int(demand.countries),
            int(demand.stickers) if with_sticker else 1,
            demand.tags_per_event,
        )
        found.append(Flow(share, *one, keeps_ids=with_sticker))
    return found


@lru_cache(maxsize=32)
def _keys(tail: Tail, hashtags: int, countries: int, stickers: int, tags: float) -> tuple[Keys, RowCounts]:
    """Made once: a plan is sized many times over."""
    made = keys(tail, hashtags=hashtags, countries=countries, stickers=stickers, tags_per_event=tags)
    return made, RowCounts(made)


def option(name: str) -> str:
    """What a field is called on the command line."""
    return "--" + name.replace("_", "-")


def _said(value: float) -> str:
    return f"{value:,.15g}" if value < 1e6 else f"{value:.0e}".replace("+", "")


_WHOLE = frozenset(
    ("hashtags", "countries", "stickers", "kafka_replication", "partitions", "clickhouse_cores", "clickhouse_replicas")
)
_BOUNDS: Mapping[str, tuple[float, float, str]] = {
    "events_per_day": (1, MOST_EVENTS, "all three types together"),
    "peak_factor": (1, 1_000, "rate at the peak over the day's average"),
    "hashtags": (1, 1e10, "distinct ones in use on a day"),
    "countries": (1, 677, "two letters, and one for unknown"),
    "stickers": (1, 1e6, "distinct ones in use"),
    "tags_per_event": (0, 256, "past max_hashtags_per_event they are dropped"),
    "event_bytes": (50, 262_144, "larger ones than max_record_bytes are rejected"),
    "sticker_share": (0, 1, "share of all events"),
    "creation_share": (0, 1, "share of all events"),
    "kafka_replication": (1, 10, "copies of each partition"),
    "kafka_hours": (0.1, 87_600, "how long Kafka keeps events"),
    "compression": (1, 100, "bytes of a record over its bytes in the log; 1 for none"),
    "minute_days": (1, 36_500, "days that minutes are kept"),
    "hour_days": (1, 36_500, "days that hours are kept"),
    "day_days": (1, 36_500, "days to plan for; nothing deletes them"),
    "flush_interval_s": (0, 3_600, "seconds; 0 lets the planner choose"),
    "partitions": (0, 1e6, "of each topic; 0 lets the planner choose"),
    "utilisation": (0.05, 0.95, "share of the CPU that may be busy; at 1 a queue never empties"),
    "outage_s": (0, 86_400, "seconds that ClickHouse is away"),
    "recovery_s": (1, 604_800, "seconds from its return until the backlog is gone"),
    "session_timeout_s": (1, 3_600, "seconds, as TAGPULSE_KAFKA_SESSION_TIMEOUT_S"),
    "clickhouse_cores": (1, 1_024, "of one server"),
    "clickhouse_replicas": (1, 10, "servers with the same rows"),
}
