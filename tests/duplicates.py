"""A log with repeated event ids and its claims, and by the definition alone: which of its records are duplicates."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise
from uuid import uuid4

from hypothesis import strategies as st

from schemas.topics import EventType
from sinks.claims import Claim, Log
from streams.batch import RecordBatch
from streams.rules import Rules

TOPIC = "video-views"
KIND = EventType.VIDEO_VIEW
LOG = Log(TOPIC, 0, 0)
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC).timestamp()
MAX_FUTURE_S = Rules().max_future_s
#: An event of noon is in the future for a clock that stands before this.
LATE, EARLY = NOON, NOON - MAX_FUTURE_S - 1

#: What `event_id` may hold -> the id that it is, "" where it is none.
EVENT_IDS: dict[str, str] = {
    '"a"': "a",
    '"\\u0061"': "a",
    '"A"': "A",
    '"b"': "b",
    '"é"': "é",
    '"' + "x" * 64 + '"': "x" * 64,
    '"' + "x" * 65 + '"': "x" * 65,
    '"' + "x" * 64 + 'y"': "x" * 64 + "y",
    '""': "",
    "null": "",
    "17": "",
    '["a"]': "",
    '{"event_id": "a"}': "",
}


@dataclass(frozen=True)
class Made:
    """A record: `event_id` as JSON, None where it lacks; `kind` is good, bad, or late (good by a LATE clock)."""

    event_id: str | None
    kind: str

    @property
    def value(self) -> bytes:
        name = "" if self.event_id is None else f'"event_id": {self.event_id}, '
        ts = {"good": "2026-05-01T11:00:00Z", "late": "2026-05-01T12:00:00Z", "bad": "1970-01-01T00:00:00Z"}[self.kind]
        return f'{{{name}"ts": "{ts}", "video_id": "7", "country": "PH", "hashtags": ["Love"]}}'.encode()

    def counts_at(self, clock: float) -> bool:
        """Whether it could be counted by itself."""
        return self.kind == "good" or (self.kind == "late" and clock >= NOON - MAX_FUTURE_S)


@dataclass(frozen=True)
class Case:
    """A log from offset 0 (other offsets below `end` hold no record), its claims, and the rules of each."""

    records: dict[int, Made]
    end: int
    claims: list[Claim]
    rules: dict[str, Rules]
    reach: int
    """Of a worker of today: `dedup_records` of its settings."""
    begin: int = 0
    sizes: list[int] = field(default_factory=lambda: [3])
    """How many offsets the batches of a fetch have, in turn."""

    def truth(self) -> dict[int, str]:
        """Offset -> reason, of every record that is not counted."""
        found: dict[int, str] = {}
        for offset, record in self.records.items():
            claim = self.claim_at(offset)
            if not record.counts_at(claim.clock):
                found[offset] = "too_old" if record.kind == "bad" else "in_future"
            elif self._is_duplicate(offset, self.rules[claim.rules].dedup_records):
                found[offset] = "duplicate"
        return found

    def _is_duplicate(self, offset: int, reach: int) -> bool:
        event_id = EVENT_IDS.get(self.records[offset].event_id or "", "")
        return event_id != "" and any(
            other in self.records
            and EVENT_IDS.get(self.records[other].event_id or "", "") == event_id
            and self.records[other].counts_at(self.claim_at(other).clock)
            for other in range(max(0, offset - reach), offset)
        )

    def claim_at(self, offset: int) -> Claim:
        return next(claim for claim in self.claims if claim.first <= offset < claim.next)

    def batches(self, start: int, end: int) -> list[RecordBatch]:
        """The log from `start` on, as fetches bring it."""
        found, number = [], 0
        while start < end:
            stop = min(end, start + self.sizes[number % len(self.sizes)])
            offsets = [offset for offset in range(start, stop) if offset in self.records]
            values = [self.records[offset].value for offset in offsets]
            found.append(RecordBatch(TOPIC, 0, 1, start, stop, offsets, values))
            start, number = stop, number + 1
        return found


def claim_of(first: int, next_: int, clock: float, rules: str, records: dict[int, Made]) -> Claim:
    offsets = [offset for offset in range(first, next_) if offset in records]
    last = offsets[-1] if offsets else -1
    checksum = zlib.crc32(records[last].value) if offsets else 0
    return Claim(LOG, first, next_, uuid4(), "w", clock, rules, len(offsets), 0, (), last, checksum, done=True)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Logs of some 40 offsets, with claims of several clocks and of several `dedup_records`."""
    event_ids = st.sampled_from([*3 * ['"a"', '"\\u0061"', '"b"'], None, *EVENT_IDS])
    made = st.builds(Made, event_ids, st.sampled_from(["good", "good", "good", "late", "late", "bad"]))
    slots = draw(st.lists(st.one_of(st.none(), made, made, made), min_size=16, max_size=40))
    records = {offset: record for offset, record in enumerate(slots) if record is not None}
    cuts = draw(st.sets(st.integers(1, len(slots)), max_size=6)) - {len(slots)}
    edges = [0, *sorted(cuts), len(slots)]
    reaches = {"0": 0} | {str(reach): reach for reach in draw(st.lists(st.integers(1, 12), min_size=1, max_size=2))}
    claims = [
        claim_of(first, next_, draw(st.sampled_from((EARLY, LATE))), draw(st.sampled_from(sorted(reaches))), records)
        for first, next_ in pairwise(edges)
    ]
    sizes = draw(st.lists(st.integers(1, 9), min_size=1, max_size=4))
    return Case(
        records, len(slots), claims, {name: Rules(dedup_records=reach) for name, reach in reaches.items()},
        draw(st.sampled_from(sorted(reaches.values()))), sizes=sizes,
    )  # fmt: skip


def marked(case: Case) -> Case:
    """The same with the number of rejects in each claim, as its worker left it."""
    truth = case.truth()
    counted = [
        replace(claim, rejects=sum(claim.first <= offset < claim.next for offset in truth)) for claim in case.claims
    ]
    return replace(case, claims=counted)
