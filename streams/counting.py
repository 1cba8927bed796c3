"""Fold decoded records into counts per cell and hashtag. Pure: data in, data out."""

from __future__ import annotations

from collections import defaultdict

from schemas.rejects import Reject
from schemas.topics import EventType
from sinks.delta import DeltaRows
from streams.decoding import Decoded

#: Row that counts every event of a cell, whatever its hashtags.
ALL = ""

_Cell = tuple[int, str, str]


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
        self.video_ids = 0
        """Video ids held, for the bound on memory."""
        self._cells: defaultdict[_Cell, dict[str, int]] = defaultdict(dict)
        self._videos: defaultdict[_Cell, dict[str, list[int]]] = defaultdict(dict)
        self._rows = 0

    def __len__(self) -> int:
        """Rows so far, rejects included."""
        return self._rows + len(self.rejects)

    def add(self, decoded: Decoded) -> None:
        """Fold in the columns and the rejects of one batch."""
        self.records += len(decoded.minutes) + len(decoded.rejects)
        self.rejects += decoded.rejects
        cells = self._cells
        rows = 0
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
        if self.event_type is EventType.STICKER_USE:
            self._add_videos(decoded)

    def _add_videos(self, decoded: Decoded) -> None:
        for minute, country, tags, sticker, video_id in zip(
            decoded.minutes, decoded.countries, decoded.tags, decoded.stickers, decoded.video_ids, strict=True
        ):
            cell = self._videos[minute, country, sticker]
            for tag in (ALL, *tags):
                cell.setdefault(tag, []).append(video_id)
            self.video_ids += 1 + len(tags)

    def rows(self) -> DeltaRows:
        """The counts as rows for the writer."""
        cells = self._cells
        video_ids = None
        if self.event_type is EventType.STICKER_USE:
            video_ids = [self._videos[key][tag] for key, cell in cells.items() for tag in cell]
        return DeltaRows(
            self.event_type.value,
            [key[0] for key in cells],
            [key[1] for key in cells],
            [key[2] for key in cells],
            [len(cell) for cell in cells.values()],
            [tag for cell in cells.values() for tag in cell],
            [events for cell in cells.values() for events in cell.values()],
            video_ids,
            self.rejects,
        )
