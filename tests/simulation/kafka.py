"""The simulated Kafka: a log for each partition, with gaps, and the offsets that the group committed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from streams.batch import RecordBatch
from tests.simulation.clock import BEGIN, Clock
from tests.simulation.faults import Dice

TOPIC = "video-creations"
#: Event times: months and years of their own, and one at the edge of what the clock lets in.
_TIMES = (
    datetime(2025, 11, 30, 23, 59, tzinfo=UTC),
    datetime(2025, 12, 1, tzinfo=UTC),
    datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC),
    datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC),
)
#: Longer than one of the rules lets through (tests.simulation.worker).
LONG_TAG = "long" * 10


@dataclass
class PartitionLog:
    """One life of one partition. `records` maps offsets to values; other offsets below `end` hold none."""

    incarnation: int
    number: int
    records: dict[int, bytes] = field(default_factory=dict)
    begin: int = 0
    end: int = 0
    repeats: bool = False
    """Whether events have ids, which repeat."""

    def tag(self, offset: int) -> str:
        """The hashtag that only the record at `offset` carries."""
        return f"r{self.incarnation}x{self.number}x{offset}"

    def append(self, offsets: int, clock: Clock, dice: Dice) -> None:
        """Write so many offsets; some of them hold no record, some records cannot be counted."""
        for offset in range(self.end, self.end + offsets):
            if not dice.chance(0.2):
                self.records[offset] = self._value(offset, clock, dice)
        self.end += offsets

    def _value(self, offset: int, clock: Clock, dice: Dice) -> bytes:
        if dice.chance(0.1):
            return f"not JSON {offset}".encode()
        moment = dice.one_of(_TIMES)
        if dice.chance(0.2):  # counted or rejected, as the clock of the delta says
            moment = BEGIN + timedelta(seconds=clock.now + 600 + dice.between(0, 20))
        event = {
            "ts": moment.isoformat(),
            "video_id": str(offset + 1),
            "country": dice.one_of(("US", "PH")),
            "hashtags": [self.tag(offset), self.tag(offset) + LONG_TAG],
        }
        if self.repeats and dice.chance(0.9):
            event["event_id"] = f"e{dice.number(1, 4)}"
        return json.dumps(event).encode()

    def fetch(self, position: int, epoch: int, dice: Dice) -> RecordBatch | None:
        """Some of the log from `position` on."""
        if position >= self.end:
            return None
        end = min(self.end, position + dice.number(1, 4))
        offsets = [offset for offset in range(position, end) if offset in self.records]
        values = [self.records[offset] for offset in offsets]
        return RecordBatch(TOPIC, self.number, epoch, position, end, offsets, values)


class Kafka:
    """All partitions of the topic, the lives that are over included."""

    def __init__(self, partitions: int, *, repeats: bool = False) -> None:
        first = [PartitionLog(0, number, repeats=repeats) for number in range(partitions)]
        self.lives: list[list[PartitionLog]] = [first]
        self.committed: dict[int, int] = {}

    @property
    def logs(self) -> list[PartitionLog]:
        """The logs of today."""
        return self.lives[-1]

    def recreate(self) -> None:
        """Delete the topic and make it again."""
        self.lives.append([PartitionLog(len(self.lives), log.number, repeats=log.repeats) for log in self.logs])
