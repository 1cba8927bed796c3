"""Records of events that are sent twice: repeats near enough to be left out as duplicates, and others that are not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from loadtest.events import Event, Workload
from tests.e2e.ledger import Record, plain_record

#: `dedup_records` of the workers: more than a block with its repeat, less than a whole portion.
REACH = 100
_BLOCK = 40


@dataclass(frozen=True)
class Portion:
    """Records for one partition, to be sent one after another: events, and some of them again."""

    firsts: list[Record]
    repeats: list[Record]


def portions(seed: int, number: int) -> Iterator[Portion]:
    """Portions that follow each other in a partition; those of three topics are mixed in them.

    Each has a block of new events of each type, `firsts`, and `repeats`: the block again, which are duplicates, new
    events, and the block of the portion before a third time, which is out of reach by then and counts again.
    """
    events = Workload(seed=seed, until=datetime.now(UTC)).events(1_000_000)
    before: list[Event] = []
    for _ in range(number):
        block, others = _of_each_type(events, _BLOCK), _of_each_type(events, REACH)
        yield Portion(
            [plain_record(event) for event in block],
            [
                *(Record(event["type"], plain_record(event).value, None, "duplicate", "event_id") for event in block),
                *map(plain_record, others),
                *map(plain_record, before),
            ],
        )
        before = block


def _of_each_type(events: Iterator[Event], number: int) -> list[Event]:
    """So many events of each type. Raises KeyError for a type that is new to it."""
    found: list[Event] = []
    missing = {"video_creation": number, "sticker_use": number, "video_view": number}
    while any(missing.values()):
        event = next(events)
        if missing[event["type"]]:
            missing[event["type"]] -= 1
            found.append(event)
    return found
