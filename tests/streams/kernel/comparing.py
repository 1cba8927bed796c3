"""Count the same values by the kernel and by `Decoder` and `Counts`, and tell where they differ."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from schemas.rejects import Reject
from schemas.tags import display_form
from schemas.topics import EventType
from sinks.delta import DeltaRows
from streams.batch import RecordBatch
from streams.counting import counts_for
from streams.decoding import Decoder
from streams.kernel import KernelCounter, KernelCounts
from streams.records import Records
from streams.rules import Rules

Value = bytes | None
Key = tuple[int, str, str, str]
CLOCK = 1_772_366_400.0  # 2026-03-01T12:00:00Z
FIRST = 100


def records_of(values: Sequence[Value], first: int = FIRST, between: bytes = b"") -> Records:
    """Records with these values, end to end in one buffer that ends with the last of them."""
    lengths = np.array([-1 if value is None else len(value) for value in values], np.int64)
    spaced = np.maximum(lengths, 0) + len(between)
    starts = np.cumsum(spaced) - spaced
    buffer = between.join(value or b"" for value in values)
    return Records(
        np.frombuffer(buffer, np.uint8), np.arange(first, first + len(values), dtype=np.int64), starts, lengths
    )


def cells(rows: DeltaRows) -> tuple[Counter[Key], dict[Key, list[int]]]:
    """Events and sorted video ids by key. No key may stand in two rows."""
    events: Counter[Key] = Counter()
    videos: defaultdict[Key, list[int]] = defaultdict(list)
    ends = [] if rows.video_ids is None else [0, *rows.video_ids.ends.tolist()]
    flat = [] if rows.video_ids is None else rows.video_ids.flat.tolist()
    row = 0
    columns = zip(rows.cell_minutes, rows.cell_countries, rows.cell_stickers, rows.cell_sizes, strict=True)
    for minute, country, sticker, size in columns:
        for _ in range(size):
            key = (minute, country, sticker, rows.hashtags[row])
            assert key not in events, "a key must stand in one row"
            events[key] = rows.events[row]
            if ends:
                videos[key] = sorted(flat[ends[row] : ends[row + 1]])
            row += 1
    assert row == len(rows.hashtags) == len(rows.events)
    return events, dict(videos)


class Pair:
    """The reference and the kernel side by side, with the same rules and the same past."""

    def __init__(self, event_type: EventType, rules: Rules | None = None) -> None:
        self.event_type = event_type
        self.rules = rules or Rules()
        self.decoder = Decoder(event_type, self.rules)
        self.counter = KernelCounter(event_type, self.rules)
        self.shown: set[str] = set()

    def compare(self, values: Sequence[Value], clock: float = CLOCK, pieces: int = 1) -> tuple[KernelCounts, int]:
        """Count `values` in so many pieces; returns the kernel's counts and how many took the slow way."""
        reference, counts = counts_for(self.event_type), self.counter.begin()
        size = -(-len(values) // pieces) or 1
        slow = 0
        for at in range(0, len(values), size):
            piece, first = values[at : at + size], FIRST + at
            offsets = range(first, first + len(piece))
            decoded = self.decoder.decode(RecordBatch("t", 0, 1, first, offsets.stop, offsets, piece), clock)
            outcome = counts.add_records(records_of(piece, first), clock)
            reference.add(decoded)
            slow += outcome.slow
            assert outcome.records == len(piece)
            assert outcome.rejects == decoded.rejects
            assert outcome.dropped_tags == decoded.dropped_tags
            self._check_shown(decoded.display_forms, outcome.display_forms)
        assert_same(reference, counts)
        return counts, slow

    def _check_shown(self, wanted: dict[str, str], found: dict[str, str]) -> None:
        """The same tags are shown, each once. Which of its spellings a tag is shown in is best effort."""
        assert wanted.keys() == found.keys()
        assert not self.shown & found.keys()
        self.shown |= found.keys()
        for form, display in found.items():
            assert display_form(display) == display != f"#{form}"


def assert_same(reference: Any, counts: KernelCounts) -> None:
    """The kernel's counts are those of `Counts`."""
    assert (counts.records, len(counts), counts.video_ids) == (reference.records, len(reference), reference.video_ids)
    wanted, found = reference.rows(), counts.rows()
    rejects: list[Reject] = found.rejects
    assert rejects == wanted.rejects
    assert len(found) == len(wanted)
    assert found.months() == wanted.months()
    assert cells(found.delta_rows()) == cells(wanted)
