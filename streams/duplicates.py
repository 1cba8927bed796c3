"""Which records are of an event that was counted before: by event id, within so many offsets. Pure.

With `dedup_records` N > 0, a record is a duplicate where three things hold:

- it could be counted by itself: `judge` accepts it by the rules and the clock of its claim;
- it has an event id: its `event_id` is a string that is not empty, compared character by character;
- among the N offsets before it in its log lies a record with the same event id that could be counted by itself.

Whether that other record was counted, or was a duplicate too, is not asked. So it takes the N offsets before a record
to decide about it, and nothing further back: whoever reads these decides alike, however the log is cut into batches and
deltas, and whoever counted before.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import takewhile
from typing import Any

import msgspec
import numpy as np

from schemas.topics import EventType
from streams.batch import RecordBatch
from streams.decoding import Decoder, Forms
from streams.judge import event_id_of
from streams.records import Records
from streams.rules import Rules

#: Most offsets that a window may reach back; what that takes in memory stands in docs/operations.md.
MAX_REACH = 10_000_000

#: Beyond the end of every log.
MAX_OFFSET = 2**63 - 1

#: Event ids up to this length stand for themselves, and are never mistaken for others.
_MAX_PLAIN_CHARACTERS = 64
_DIGEST_BYTES = 16
#: A window forgets in steps of this part of its reach.
_STEPS = 4

#: What an event id is remembered as: itself, or the digest of a long one.
Id = str | bytes


class Verdicts:
    """Which records could be counted by themselves, by the rules of one topic. For one thread, like `Decoder`."""

    def __init__(self, event_type: EventType, rules: Rules) -> None:
        self.rules = rules
        self._decoder = Decoder(event_type, rules, _AllAlike(rules.max_tag_bytes))

    def refused(self, batch: RecordBatch, clock_s: float) -> set[int]:
        """Offsets of the records that cannot be counted when the clock stands at `clock_s`."""
        return {reject.offset for reject in self._decoder.decode(batch, clock_s).rejects}


class _AllAlike(Forms):
    """Takes every hashtag for the same one: no record is refused for its hashtags' names."""

    def __missing__(self, text: str) -> str:
        return "-"


@dataclass(frozen=True, slots=True)
class Past:
    """Offsets [first, next) of a log that were counted before, and how they were judged."""

    first: int
    next: int
    clock: float
    verdicts: Verdicts


class Duplicates:
    """Finds the duplicates of one log, batch by batch in the order of the log. Remembers `reach` offsets back.

    `past`, in order, says how the offsets before the first batch were judged; those of them that nobody can tell about
    any more make no duplicates.
    """

    def __init__(self, reach: int, past: Iterable[Past] = ()) -> None:
        self.reach = reach
        self.window = Window(reach)
        self._past = deque(past)
        self.begin = self._past[0].first if self._past else MAX_OFFSET
        """The first offset that `past` tells about."""

    def prime(self, batch: RecordBatch) -> None:
        """Remember the records of a batch that were counted before, as far as `past` tells about them."""
        while self._past and self._past[0].next <= batch.first:
            self._past.popleft()
        for past in takewhile(lambda past: past.first < batch.next_offset, self._past):
            part = batch.split(min(past.next, batch.next_offset))[0]
            part = part.split(max(past.first, batch.first))[1]
            self.note(part, event_ids(part.values), past.verdicts.refused(part, past.clock))

    def find(self, batch: RecordBatch, ids: Sequence[Id | None], verdicts: Verdicts, clock_s: float) -> list[int]:
        """The places in `batch`, from 0, of its duplicates. `ids` are its event ids."""
        reach = verdicts.rules.dedup_records
        if not reach:
            return []
        distinct = set(ids)
        suspects = self.window.known(distinct)
        if len(distinct) < len(ids):
            suspects |= {event_id for event_id, times in Counter(ids).items() if times > 1}
        suspects.discard(None)
        if not suspects:
            return []
        numbers = [number for number, event_id in enumerate(ids) if event_id in suspects]
        offsets = [int(batch.offsets[number]) for number in numbers]
        some = RecordBatch("", 0, 0, 0, 0, offsets, [batch.values[number] for number in numbers])
        refused = verdicts.refused(some, clock_s)
        last = {event_id: self.window.last(event_id) for event_id in suspects}
        found = []
        for number, offset in zip(numbers, offsets, strict=True):
            if offset not in refused:
                before = last[ids[number]]
                if before is not None and offset - before <= reach:
                    found.append(number)
                last[ids[number]] = offset
        return found

    def note(self, batch: RecordBatch, ids: Sequence[Id | None], refused: set[int]) -> None:
        """Remember the event ids of `batch`, but for the records at the offsets in `refused`."""
        offsets = np.asarray(batch.offsets, np.int64).tolist()
        if refused:
            ids = [None if offset in refused else event_id for event_id, offset in zip(ids, offsets, strict=True)]
        self.window.note(ids, offsets)


@dataclass(slots=True)
class _Age:
    """A stretch of the log from offset `begin` to the begin of the next: event id -> where it was seen last."""

    begin: int
    seen: dict[Id | None, int] = field(default_factory=dict)


class Window:
    """The event ids of the last `reach` offsets, each with the offset where it was seen last.

    It forgets by ages of a part of its reach, so it may remember so much more; never more than one entry a record.
    """

    def __init__(self, reach: int) -> None:
        self._reach = reach
        self._step = max(1, -(-reach // _STEPS))
        self._ages: list[_Age] = []
        """Newest first."""

    def __len__(self) -> int:
        """Entries held."""
        return sum(len(age.seen) for age in self._ages)

    def known(self, ids: set[Id | None]) -> set[Id | None]:
        """Those of `ids` that are remembered."""
        found: set[Id | None] = set()
        for age in self._ages:
            found |= age.seen.keys() & ids
        return found

    def last(self, event_id: Id | None) -> int | None:
        """The offset where `event_id` was seen last, None where it is not remembered."""
        return next((age.seen[event_id] for age in self._ages if event_id in age.seen), None)

    def note(self, ids: Sequence[Id | None], offsets: Sequence[int]) -> None:
        """Remember that `ids` were seen at `offsets`, which ascend from call to call; None is no event id."""
        if not offsets:
            return
        if not self._ages or offsets[0] - self._ages[0].begin >= self._step:
            self._ages.insert(0, _Age(offsets[0]))
        self._ages[0].seen.update(zip(ids, offsets, strict=True))
        self._ages[0].seen.pop(None, None)
        # An age ends where the newer one begins. What the next record cannot reach any more goes.
        while len(self._ages) > 1 and self._ages[-2].begin <= offsets[-1] + 1 - self._reach:
            self._ages.pop()


class _Identified(msgspec.Struct, gc=False):
    event_id: str | None = None


_decode: Any = msgspec.json.Decoder(_Identified).decode


def event_ids(values: Sequence[bytes | None]) -> list[Id | None]:
    """The event id of each record; None where it has none. Says nothing of use about records that are refused."""
    found: list[Id | None] = []
    add = found.append
    for value in _unpacked(values):
        try:
            event_id = _decode(value).event_id
        except (ValueError, RecursionError, TypeError):  # not a usual record, or a tombstone
            event_id = event_id_of(value)
        if event_id and (len(event_id) > _MAX_PLAIN_CHARACTERS or not event_id.isascii()):
            add(blake2b(event_id.encode(errors="surrogatepass"), digest_size=_DIGEST_BYTES).digest())
        else:
            add(event_id or None)
    return found


def _unpacked(values: Sequence[bytes | None]) -> Iterable[bytes | None]:
    """The values, those of `Records` unpacked at once: one after another costs twice as much."""
    if not isinstance(values, Records) or not len(values):
        return values
    ends = values.starts + np.maximum(values.lengths, 0)
    begin = int(values.starts.min())
    data = values.buffer[begin : int(ends.max())].tobytes()
    places = zip((values.starts - begin).tolist(), (ends - begin).tolist(), (values.lengths < 0).tolist(), strict=True)
    return [None if is_null else data[start:end] for start, end, is_null in places]
