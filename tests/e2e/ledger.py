"""What was sent to a stack, and the comparison of all that with every key in its ClickHouse."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from loadtest.events import Event, encode
from tagpulse.demo import truth as plain
from tagpulse.demo import verdict
from tagpulse.demo.truth import Truth

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_KEPT_RAW_BYTES = 64 * 1024
#: Distinct videos are an estimate. This is for the worst of a hundred thousand keys; most are exact.
_VIDEO_TOLERANCE = 0.03
#: What stacks allow events to lie ahead of a worker's clock.
_MAX_FUTURE_S = 600


@dataclass(frozen=True)
class Record:
    """A record for the topic of `event_type`: either `event` says what it counts for, or `reason` why it does not.

    With both, the clock of whoever claims it decides: it counts, or it comes too early.
    """

    event_type: str
    value: bytes | None
    event: Event | None = None
    reason: str = ""
    field: str = ""


def plain_record(event: Event) -> Record:
    """The record of a well-formed event as most producers write it."""
    return Record(event["type"], encode(event), event)


#: topic, partition, offset
Place = tuple[str, int, int]


@dataclass
class Ledger:
    """Everything sent to one stack over its life. `oldest` is what the stack takes as the first event time."""

    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    oldest: datetime = datetime(2016, 1, 1, tzinfo=UTC)
    sent: int = 0
    truth: Truth = field(default_factory=Truth)
    rejects: dict[Place, Record] = field(default_factory=dict)
    undecided: dict[Place, Record] = field(default_factory=dict)
    ends: dict[tuple[str, int], int] = field(default_factory=dict)
    """Topic, partition -> the offset after the last record sent in this life of the broker."""
    _new: list[Event] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, records: Iterable[tuple[Record, Place]]) -> None:
        """Keep what was sent, and where it lies in Kafka."""
        with self._lock:
            for record, place in records:
                self.sent += 1
                self.ends[place[:2]] = place[2] + 1
                if record.event is None:
                    self.rejects[place] = record
                elif record.reason:
                    self.undecided[place] = record
                else:
                    self._new.append(record.event)

    def note_events(self, events: Sequence[Event]) -> None:
        """Keep events that somebody else sent."""
        with self._lock:
            self.sent += len(events)
            self._new += events

    def decide(self, clock_of: Callable[[Place], float]) -> None:
        """Settle what the clock decides. `clock_of`: unix time at which whoever counted a place judged it."""
        with self._lock:
            undecided, self.undecided, counted = self.undecided, {}, []
            for place, record in undecided.items():
                assert record.event is not None
                moment = datetime.fromisoformat(record.event["ts"])
                if moment.timestamp() // 1 > (clock_of(place) + _MAX_FUTURE_S) // 1:
                    self.rejects[place] = record
                else:
                    counted.append(record.event)
            # Held against a clock already: none of them is too early any more.
            self._add(counted, 1, datetime.now(UTC) + timedelta(days=1))

    def _add(self, events: Sequence[Event], times: int, now: datetime) -> None:
        with patch.object(plain, "_OLDEST", self.oldest):
            _merge(self.truth, plain.compute(events, self.groups, now), times)

    def settle(self) -> Truth:
        """The truth about everything sent so far, at all three grains."""
        with self._lock:
            for times, events in _by_times_sent(self._new).items():
                self._add(events, times, datetime.now(UTC))
            self._new = []
        self.truth.rejects = Counter(record.reason for record in self.rejects.values())
        _add_hours(self.truth)
        return self.truth

    def differences(self, client: Client, *, incarnation: int | None = None) -> list[str]:
        """What in ClickHouse is not as it must be: counts of every key, distinct videos, rejects, claims.

        `incarnation`: the one that all rejects of the ledger lie in, where it is known.
        """
        with patch.object(verdict, "VIDEO_TOLERANCE", _VIDEO_TOLERANCE):
            found = list(verdict.judge(client, self.settle()).differences)
        found += self._wrong_rejects(client, incarnation)
        return found + broken_chains(client)

    def lost_and_doubled(self, client: Client) -> tuple[int, int]:
        """Events that are missing in the counts of all videos and in the rejects, and those too many there.

        By minute, hour and day: the grain that has most of them. What is lost and doubled within one of these keys
        balances out; `differences` looks at finer ones.
        """
        truth = self.settle()
        query = "SELECT reason, count() FROM rejected_events FINAL GROUP BY reason"
        rejects = {reason: int(number) for reason, number in client.query(query).result_rows}
        lost = doubled = 0
        for grain in ("minute", "hour", "day"):
            every = {key: events for key, events in truth.events[grain].items() if not key[2]}
            wanted: Counter[object] = Counter(every) + Counter(truth.rejects)
            counts = client.query(
                "SELECT event_type, country, '', sticker, window_start, sum(events) FROM {table:Identifier}"
                " WHERE hashtag = '' AND event_type != '__receipt' GROUP BY event_type, country, sticker, window_start",
                parameters={"table": f"engagement_{grain}"},
                query_tz="UTC",
                tz_mode="aware",
            ).result_rows
            found: Counter[object] = Counter({tuple(row[:5]): int(row[5]) for row in counts})
            found.update(rejects)
            lost, doubled = max(lost, (wanted - found).total()), max(doubled, (found - wanted).total())
        return lost, doubled

    def _wrong_rejects(self, client: Client, incarnation: int | None) -> list[str]:
        rows = client.query(
            "SELECT topic, partition, offset, reason, field, raw, length, sha256 FROM rejected_events FINAL"
            + ("" if incarnation is None else f" WHERE incarnation = {incarnation}"),
            column_formats={"raw": "bytes"},
        ).result_rows
        found = {tuple(row[:3]): tuple(row[3:]) for row in rows}
        wanted = {place: _as_row(record) for place, record in self.rejects.items()}
        return [
            f"reject at {place}: {_short(found.get(place))}, expected {_short(wanted.get(place))}"
            for place in sorted(found.keys() | wanted.keys())
            if found.get(place) != wanted.get(place)
        ]


def broken_chains(client: Client) -> list[str]:
    """Where the claims are not one unbroken chain per partition, each claimed once and done once."""
    rows = client.query(
        "SELECT topic, incarnation, partition, first, next, done, claim_id FROM claims"
        " ORDER BY topic, incarnation, partition, first, next, done"
    ).result_rows
    chains: dict[tuple[Any, ...], list[tuple[Any, ...]]] = defaultdict(list)
    for row in rows:
        chains[tuple(row[:3])].append(tuple(row[3:]))
    problems = []
    for log, chain in sorted(chains.items()):
        (first, next_, done, _), *claims = chain
        if first != next_ or not done:
            problems.append(f"{log} does not begin with a root: {chain[0]}")
        end = next_
        for opened, closed in zip(claims[::2], claims[1::2], strict=False):
            if opened[:3] != (end, opened[1], 0) or closed != (end, opened[1], 1, opened[3]):
                problems.append(f"{log}: the chain breaks at {end}: {opened} {closed}")
                break
            end = opened[1]
        if len(claims) % 2:
            problems.append(f"{log}: {claims[-1]} is open, or follows twice")
    return problems


def _as_row(record: Record) -> tuple[Any, ...]:
    raw = record.value or b""
    return record.reason, record.field, raw[:_KEPT_RAW_BYTES], len(raw), hashlib.sha256(raw).hexdigest()


def _short(row: tuple[Any, ...] | None) -> object:
    return row and (*row[:2], row[2][:60], *row[3:])


def _by_times_sent(events: Iterable[Event]) -> dict[int, list[Event]]:
    """The same objects sent again and again need not be computed again and again."""
    objects, times = {}, Counter[int]()
    for event in events:
        objects[id(event)] = event
        times[id(event)] += 1
    found: dict[int, list[Event]] = defaultdict(list)
    for identity, event in objects.items():
        found[times[identity]].append(event)
    return found


def _merge(into: Truth, fresh: Truth, times: int) -> None:
    into.records += fresh.records * times
    for grain, counts in fresh.events.items():
        into.events[grain].update({key: number * times for key, number in counts.items()})
        for key, videos in fresh.videos[grain].items():
            into.videos[grain][key] |= videos


def _add_hours(truth: Truth) -> None:
    events: Counter[plain.Key] = Counter()
    videos: defaultdict[plain.Key, set[int]] = defaultdict(set)
    for key, number in truth.events["minute"].items():
        events[*key[:4], key[4].replace(minute=0)] += number
    for key, ids in truth.videos["minute"].items():
        videos[*key[:4], key[4].replace(minute=0)] |= ids
    truth.events["hour"], truth.videos["hour"] = events, videos
