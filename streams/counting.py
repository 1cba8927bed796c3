"""Fold decoded records into counts per cell and hashtag. Pure: data in, data out."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import numpy as np

from schemas.rejects import Reject
from schemas.topics import EventType
from sinks.delta import DeltaRows, VideoIds
from streams.decoding import Decoded

#: Row that counts every event of a cell, whatever its hashtags.
ALL = ""


@dataclass(slots=True)
class Outcome:
    """What became of records, besides their counts. The last three mean what they mean in `Decoded`."""

    records: int
    slow: int = 0
    """Records that took the slow way of a compiled kernel, rejects included."""
    duplicates: int = 0
    """Records that were not counted because their event was: they are not among `rejects`."""
    rejects: list[Reject] = field(default_factory=list)
    dropped_tags: Counter[str] = field(default_factory=Counter)
    display_forms: dict[str, str] = field(default_factory=dict)


def insert_rejects(rejects: list[Reject], more: list[Reject]) -> None:
    """Put `more` among `rejects`; both are in the order of their offsets, and stay so. For rejects near the end."""
    if more:
        at = bisect_left(rejects, more[0].offset, key=_offset)
        rejects[at:] = sorted(rejects[at:] + more, key=_offset)


def _offset(reject: Reject) -> int:
    return reject.offset


def counts_for(event_type: EventType) -> Counts:
    """Empty counts for events of one type."""
    return VideoCounts(event_type) if event_type is EventType.STICKER_USE else Counts(event_type)


class Counts:
    """Counts of one event type, growing as records are added.

    A cell is (minute, country, sticker); in it stand one count for all events (`ALL`) and one per hashtag. The
    result does not depend on how records were cut into batches, nor on the order of the batches.
    """

    def __init__(self, event_type: EventType) -> None:
        self.event_type = event_type
        self.rejects: list[Reject] = []
        self.records = 0
        """Records folded in, rejects included."""
        self._cells: defaultdict[tuple[int, str, str], dict[str, int]] = defaultdict(dict)
        self._rows = 0

    def __len__(self) -> int:
        """Rows so far, rejects included."""
        return self._rows + len(self.rejects)

    @property
    def video_ids(self) -> int:
        """Video ids held, for the bound on memory."""
        return 0

    def add(self, decoded: Decoded) -> None:
        """Fold in the columns and the rejects of one batch."""
        self.records += len(decoded) + len(decoded.rejects)
        self.rejects += decoded.rejects
        self._fold(decoded)

    def _fold(self, decoded: Decoded) -> None:
        cells, rows = self._cells, 0
        for minute, country, tags, sticker, count in zip(
            decoded.minutes, decoded.countries, decoded.tags, decoded.stickers, decoded.counts, strict=True
        ):
            cell = cells[minute, country, sticker]
            before = len(cell)
            cell[ALL] = cell.get(ALL, 0) + count
            for tag in tags:
                cell[tag] = cell.get(tag, 0) + count
            rows += len(cell) - before
        self._rows += rows

    def rows(self) -> DeltaRows:
        """The counts as rows for the writer."""
        return self._delta([events for cell in self._cells.values() for events in cell.values()], None)

    def _delta(self, events: list[int], video_ids: VideoIds | None) -> DeltaRows:
        cells = self._cells
        return DeltaRows(
            self.event_type.value,
            [key[0] for key in cells],
            [key[1] for key in cells],
            [key[2] for key in cells],
            [len(cell) for cell in cells.values()],
            [tag for cell in cells.values() for tag in cell],
            events,
            video_ids,
            self.rejects,
        )


class VideoCounts(Counts):
    """Counts that also hold the ids of the videos of each row.

    A cell maps a hashtag to the number of its row. The ids lie in one flat array beside the rows they belong to:
    a list per row would cost several times the memory, and the time of the garbage collector.
    """

    def __init__(self, event_type: EventType) -> None:
        super().__init__(event_type)
        self._events: list[int] = []
        self._id_rows = array("q")
        self._ids = array("Q")

    @property
    def video_ids(self) -> int:
        return len(self._ids)

    def _fold(self, decoded: Decoded) -> None:
        cells, events = self._cells, self._events
        add_event, add_row, add_id = events.append, self._id_rows.append, self._ids.append
        for minute, country, tags, sticker, count, video_id in zip(
            decoded.minutes,
            decoded.countries,
            decoded.tags,
            decoded.stickers,
            decoded.counts,
            decoded.video_ids,
            strict=True,
        ):
            cell = cells[minute, country, sticker]
            for tag in (ALL, *tags):
                row = cell.get(tag)
                if row is None:
                    row = cell[tag] = len(events)
                    add_event(count)
                else:
                    events[row] += count
                add_row(row)
                add_id(video_id)
        self._rows = len(events)

    def rows(self) -> DeltaRows:
        order = np.fromiter((row for cell in self._cells.values() for row in cell.values()), "i8", len(self._events))
        events = [self._events[row] for row in order]
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        places = place[np.frombuffer(self._id_rows, "i8")] if self._ids else np.empty(0, "i8")
        flat = np.frombuffer(self._ids, "u8")[np.argsort(places, kind="stable")] if self._ids else np.empty(0, "u8")
        ends = np.cumsum(np.bincount(places, minlength=len(order))).astype("u8")
        return self._delta(events, VideoIds(ends, flat))
