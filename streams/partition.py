"""What a worker holds of one assigned partition: its place in the chain of claims, and the delta in hand."""

from __future__ import annotations

import asyncio
import logging
import time
import zlib
from bisect import bisect_left
from dataclasses import dataclass, replace
from uuid import uuid4

from schemas.rejects import Reject, RejectReason
from sinks.claims import Claim, Log
from streams.batch import RecordBatch
from streams.counters import TopicCounter
from streams.counting import Outcome
from streams.duplicates import Duplicates, event_ids
from streams.errors import LogMismatchError
from streams.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one delta may hold before it is written."""

    rows: int
    video_ids: int
    record_bytes: int

    @classmethod
    def of(cls, settings: Settings, partitions: int) -> Limits:
        """The share of one delta when a worker has so many partitions.

        Each may have two deltas in memory: one being written, one being counted.
        """
        deltas = 2 * max(1, partitions)
        return cls(
            max(1, min(settings.max_delta_rows, settings.max_pending_rows // deltas)),
            max(1, settings.max_pending_video_ids // deltas),
            max(1, settings.max_pending_bytes // deltas),
        )


class Delta:
    """Everything counted since the last claim: offsets [first, next), one clock, one set of rules.

    `ends_at` is set for a recount: it covers exactly the offsets of the open claim it stands for. `duplicates`
    remembers the records before; None: none of them is asked for.
    """

    def __init__(
        self,
        first: int,
        clock: float,
        counter: TopicCounter,
        recounts: Claim | None = None,
        rules: str = "",
        duplicates: Duplicates | None = None,
    ) -> None:
        self.first = self.next = first
        self.clock = clock
        self.rules = recounts.rules if recounts else rules
        """Version of the rules that `counter` counts by."""
        self.recounts = recounts
        self.counts = counter.begin()
        self._verdicts = counter.verdicts
        self._duplicates = duplicates
        self.begun = time.monotonic()
        self.record_bytes = 0
        """Bytes of the records counted: no tag and no reject in memory is longer than the record it came in."""
        self.last_offset = -1
        self.last_value: bytes | None = None

    @property
    def ends_at(self) -> int | None:
        """Offset at which a recount must end; None for a fresh delta."""
        return self.recounts.next if self.recounts else None

    @property
    def complete(self) -> bool:
        """Whether a recount has reached its end. False for a fresh delta."""
        return self.next == self.ends_at

    def add(self, batch: RecordBatch) -> Outcome:
        """Count a batch that begins where the delta ends."""
        if self._duplicates is None:
            outcome = self.counts.count(batch, self.clock)
        else:
            outcome = self._count_once(batch, self._duplicates)
        self.next = batch.next_offset
        self.record_bytes += batch.value_bytes
        if len(batch):
            self.last_offset, self.last_value = int(batch.offsets[-1]), batch.values[-1]
        return outcome

    def _count_once(self, batch: RecordBatch, duplicates: Duplicates) -> Outcome:
        """Count a batch but for its duplicates, which are rejected."""
        ids = event_ids(batch.values)
        again = duplicates.find(batch, ids, self._verdicts, self.clock)
        outcome = self.counts.count(batch.without(again) if again else batch, self.clock)
        duplicates.note(batch, ids, {reject.offset for reject in outcome.rejects})
        self.counts.refuse(
            [
                Reject.of(int(batch.offsets[number]), RejectReason.DUPLICATE, "event_id", batch.values[number])
                for number in again
            ]
        )
        outcome.records += len(again)
        outcome.duplicates = len(again)
        return outcome

    def reaches(self, limits: Limits) -> bool:
        """Whether the delta must be written now, to bound memory."""
        counts = self.counts
        return (
            len(counts) >= limits.rows
            or counts.video_ids >= limits.video_ids
            or self.record_bytes >= limits.record_bytes
        )

    def claim(self, log: Log, worker: str, rules: str, months: tuple[int, ...]) -> Claim:
        """The claim for a fresh delta, as the chain shall keep it."""
        return Claim(
            log,
            self.first,
            self.next,
            uuid4(),
            worker,
            self.clock,
            rules,
            self.counts.records,
            len(self.counts.rejects),
            months,
            self.last_offset,
            checksum(self.last_value),
        )

    def check_recount(self, claim: Claim, cut: bool = False) -> None:
        """Raise LogMismatchError where the records are not those that `claim` was made for.

        `cut`: the log has lost records before it, so there may be fewer duplicates than were claimed.
        """
        found = (self.counts.records, len(self.counts.rejects), self.last_offset, checksum(self.last_value))
        wanted = (claim.records, claim.rejects, claim.last_offset, claim.last_checksum)
        if cut and found[1] < claim.rejects and found[0] == wanted[0] and found[2:] == wanted[2:]:
            log.warning(
                "%s: %d of its duplicates cannot be known again, because the log has lost the records before them: "
                "they are counted",
                claim.token,
                claim.rejects - found[1],
            )
        elif found != wanted:
            raise LogMismatchError(
                f"recounting {claim.token} found records, rejects, last offset, checksum {found} instead of {wanted}: "
                f"the log changed since it was claimed. {reset_hint(claim.log.topic)}"
            )


class Partition:
    """One assigned partition. `tail` is the last finished claim; `position` the next offset to count."""

    def __init__(self, log: Log, epoch: int, tail: Claim, open_claim: Claim | None) -> None:
        self.log = log
        self.epoch = epoch
        # An open claim is not the tail yet: until its rows have landed, the chain ends where it begins.
        self.tail = replace(tail, next=tail.first) if open_claim else tail
        self.open_claim = open_claim
        self.position = open_claim.first if open_claim else tail.next
        self.reading = self.position
        """Offset at which the next batch must begin: before `position` lies what is only looked at."""
        self.delta: Delta | None = None
        self.writing: asyncio.Task[None] | None = None
        self.moved_at = time.monotonic()
        self.held = True
        """False once the partition was dropped. Read by the thread that writes for it."""
        self.committed = -1
        """Offset last committed to Kafka, for tools that show lag."""
        self.verify: Claim | None = None
        """Claim whose last record the log must still show, before anything is counted."""
        self.duplicates: Duplicates | None = None
        """What is remembered to find duplicates; None: they are not asked for."""
        self.cut = False
        """Whether the log may have lost records among which the duplicates of the open claim were found."""

    def start_offset(self, begin: int, end: int) -> int:
        """Where to start reading, given the first and the next offset of the log.

        Raises LogMismatchError where the log lost what the chain needs, or ends before it.
        """
        needed = self.open_claim.next if self.open_claim else self.position
        if begin > self.position:
            raise LogMismatchError(
                f"{self.log} must continue at offset {self.position}, but the log begins at {begin}: "
                f"records were removed before they were counted. {reset_hint(self.log.topic)}"
            )
        if end < needed:
            raise LogMismatchError(
                f"{self.log} was claimed up to offset {needed}, but the log ends at {end}: "
                f"the topic was made again or lost records. {reset_hint(self.log.topic)}"
            )
        start = self.position
        if not self.open_claim and begin <= self.tail.last_offset < self.position:
            self.verify = self.tail
            start = self.tail.last_offset
        if self.duplicates is not None:
            start = min(start, max(self.position - self.duplicates.reach, self.duplicates.begin, begin))
        self.reading = start
        return start

    def fresh_part(self, batch: RecordBatch) -> RecordBatch | None:
        """The part of `batch` that was not counted yet, None where there is none.

        Raises LogMismatchError where the last claimed record is another than it was, or where a batch was left out.
        """
        if batch.first > self.reading:
            raise LogMismatchError(f"{self.log}: a batch begins at {batch.first}, expected {self.reading}")
        self.reading = max(self.reading, batch.next_offset)
        if self.verify is not None and batch.next_offset > self.verify.last_offset:
            claim, self.verify = self.verify, None
            at = bisect_left(batch.offsets, claim.last_offset)
            # Where there is another offset, compaction took the record since: nothing to compare with.
            there = at < len(batch) and batch.offsets[at] == claim.last_offset
            if there and checksum(batch.values[at]) != claim.last_checksum:
                raise LogMismatchError(
                    f"the record at offset {claim.last_offset} of {self.log} is not the one that was counted: "
                    f"the topic was made again. {reset_hint(self.log.topic)}"
                )
        if self.duplicates is not None and batch.first < self.position:
            before = batch.split(min(self.position, batch.next_offset))[0]
            # Transaction markers have no records either: then the check of a recount is looser than it need be.
            self.cut |= len(before) < before.next_offset - before.first
            self.duplicates.prime(before)
        if batch.next_offset <= self.position:
            return None
        return batch.split(self.position)[1] if batch.first < self.position else batch


def checksum(value: bytes | None) -> int:
    """CRC-32 of a record's value; 0 for none."""
    return zlib.crc32(value or b"")


def reset_hint(topic: str) -> str:
    """What an operator can do where log and claims disagree."""
    return (
        f"If that is intended, `tagpulse topics reset {topic}` accepts the log as a new one; "
        "what was counted before stays counted."
    )
