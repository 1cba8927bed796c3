"""Both counters leave out the same duplicates, and count the same of the rest."""

from __future__ import annotations

import random

from schemas.topics import EventType
from streams.batch import RecordBatch
from streams.counters import PythonCounter, TopicCounter
from streams.duplicates import Duplicates
from streams.kernel import KernelCounter, KernelCounts
from streams.partition import Delta
from streams.records import Records
from streams.rules import Rules
from tests.streams.kernel.comparing import assert_same

_CLOCK = 1_772_366_400.0
_REACH = 40


def value(dice: random.Random) -> bytes:
    """A sticker use: usual, for the judge (escapes), or bad; with one of some event ids, or none."""
    event_id = dice.choice(["", *(f'"event_id": "{n}", ' for n in range(60))])
    sticker = dice.choice(["heart", "heart", "wave", "h\\u0065art", ""])
    tags = ", ".join(f'"tag{dice.randrange(9)}"' for _ in range(dice.randrange(4)))
    return (
        f'{{{event_id}"ts": "2026-03-01T11:00:0{dice.randrange(9)}Z", "video_id": "{dice.randrange(50)}", '
        f'"country": "PH", "sticker": "{sticker}", "hashtags": [{tags}]}}'
    ).encode()


def delta(counter: TopicCounter, batches: list[RecordBatch]) -> Delta:
    made = Delta(0, _CLOCK, counter, duplicates=Duplicates(_REACH))
    for batch in batches:
        made.add(batch)
    return made


def test_both_leave_out_the_same() -> None:
    dice, plain, packed, offset = random.Random(5), [], [], 0
    for _ in range(30):
        offsets = [offset + n for n in range(dice.randrange(1, 40)) if dice.random() < 0.9]
        values, first = [value(dice) for _ in offsets], offset
        offset += 40
        records = Records.of(offsets, values)
        plain.append(RecordBatch("t", 0, 1, first, offset, offsets, values))
        packed.append(RecordBatch("t", 0, 1, first, offset, records.offsets, records))  # type: ignore[arg-type]
    rules = Rules(dedup_records=_REACH)
    reference = delta(PythonCounter(EventType.STICKER_USE, rules), plain)
    kernel = delta(KernelCounter(EventType.STICKER_USE, rules), packed)
    assert list(kernel.counts.rejects) == list(reference.counts.rejects)
    reasons = [reject.reason.value for reject in kernel.counts.rejects]
    assert 20 < reasons.count("duplicate") < len(reasons) - 20
    assert isinstance(kernel.counts, KernelCounts)
    assert_same(reference.counts, kernel.counts)
    assert (kernel.last_offset, kernel.last_value) == (reference.last_offset, reference.last_value)
