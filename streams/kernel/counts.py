"""The counts of one delta, kept in arrays that the compiled code reads and writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from schemas.rejects import Reject
from sinks.delta import VideoIds
from streams.batch import RecordBatch
from streams.counting import Outcome, insert_rejects
from streams.decoding import Decoded
from streams.kernel import layout
from streams.kernel.interned import Generation, Words
from streams.kernel.rows import KernelRows, country_code
from streams.records import Ints, Records

if TYPE_CHECKING:
    from streams.kernel.counter import KernelCounter

_FIRST_SLOTS = 1 << 12
_FIRST_CELLS = 1 << 8
_FIRST_VIDEOS = 1 << 12


class KernelCounts:
    """Counts of one event type, growing as records are added. Made by `KernelCounter.begin`.

    `rows` may be called in another thread once nothing is added any more.
    """

    def __init__(self, counter: KernelCounter, generation: Generation) -> None:
        self.event_type = counter.event_type
        self.rejects: list[Reject] = []
        self.records = 0
        """Records folded in, rejects included."""
        self._counter = counter
        self._vocabulary = counter.vocabulary
        self._generation = generation
        self._totals = np.zeros(layout.TOTALS_SIZE, np.int64)
        slots = _FIRST_SLOTS
        while 2 * slots <= counter.last_rows:
            slots *= 2
        self._table: Words = np.zeros(2 * slots, np.uint64)
        self._cells: Words = np.zeros(2 * _FIRST_CELLS, np.uint64)
        self._cell_keys: Words = np.zeros(_FIRST_CELLS, np.uint64)
        videos = _FIRST_VIDEOS if counter.rules_at(0)[layout.HAS_STICKER] else 0
        self._video_keys: Words = np.zeros(videos, np.uint64)
        self._videos: Words = np.zeros(videos, np.uint64)

    def __len__(self) -> int:
        """Rows so far, rejects included."""
        return int(self._totals[layout.ROWS]) + len(self.rejects)

    @property
    def video_ids(self) -> int:
        """Video ids held, for the bound on memory."""
        return int(self._totals[layout.VIDEOS])

    # ---- counting -------------------------------------------------------------------------------------

    def count(self, batch: RecordBatch, clock_s: float) -> Outcome:
        """Count a batch when the delta's clock stands at `clock_s`. Raises nothing, whatever its values hold."""
        values = batch.values
        return self.add_records(values if isinstance(values, Records) else Records.of(batch.offsets, values), clock_s)

    def add_records(self, records: Records, clock_s: float) -> Outcome:
        """As `count`, for records by themselves."""
        outcome = Outcome(len(records))
        rules = self._counter.rules_at(clock_s)
        state, misses = self._counter.scratch.state, self._counter.scratch.misses
        todo = np.arange(len(records), dtype=np.int64)
        slow: list[Ints] = []
        while len(todo):
            later = self._count(records, todo, rules)
            for reason, at in (("empty", layout.DROPPED_EMPTY), ("too_long", layout.DROPPED_LONG)):
                if state[at]:
                    outcome.dropped_tags[reason] += int(state[at])
            unknown = (later & 1).astype(bool)
            slow.append(later[~unknown] >> 1)
            todo = later[unknown] >> 1
            noted = misses[: layout.MISS_WORDS * int(state[layout.MISSES])]
            if len(todo) and not self._vocabulary.learn(self._generation, records.buffer, noted, outcome.display_forms):
                slow.append(todo)
                break
        self.records += len(records)
        if any(map(len, slow)):
            self._add_slowly(records, np.sort(np.concatenate(slow)), clock_s, outcome)
        return outcome

    def _count(self, records: Records, todo: Ints, rules: Ints) -> Ints:
        """Count the records numbered in `todo`; returns those put off, as in layout.LATER."""
        scratch, generation = self._counter.scratch, self._generation
        later = np.empty(len(todo), np.int64)
        scratch.state[:] = 0
        while True:
            answer = self._counter.functions.count_records(
                records.buffer, records.starts, records.lengths, todo, rules, self._counter.words,
                generation.tags.slots, generation.tags.entries, generation.tags.arena,
                generation.stickers.slots, generation.stickers.entries, generation.stickers.arena,
                generation.forms.entries, self._vocabulary.group_forms,
                self._cells, self._cell_keys, self._table, scratch.pending, self._video_keys, self._videos,
                self._totals, scratch.misses, later, scratch.state, scratch.record, scratch.tags, scratch.strings,
            )  # fmt: skip
            if answer == layout.FINISHED:
                return later[: int(scratch.state[layout.LATER])]
            self._grow(answer)

    def _add_slowly(self, records: Records, numbers: Ints, clock_s: float, outcome: Outcome) -> None:
        values = [records[number] for number in numbers.tolist()]
        batch = RecordBatch("", 0, 0, 0, 0, records.offsets[numbers].tolist(), values)
        decoded = self._counter.decoder.decode(batch, clock_s)
        self._fold(decoded)
        self.rejects += decoded.rejects
        outcome.slow = len(values)
        outcome.rejects = decoded.rejects
        outcome.dropped_tags.update(decoded.dropped_tags)
        self._vocabulary.show(decoded.display_forms, outcome.display_forms)

    def add(self, decoded: Decoded) -> None:
        """Fold in columns and rejects that a `Decoder` made, as `Counts` does."""
        self.records += len(decoded) + len(decoded.rejects)
        self.rejects += decoded.rejects
        self._fold(decoded)

    def refuse(self, rejects: list[Reject]) -> None:
        """Add records of the last batch that were not given to `count`, in the order of their offsets."""
        self.records += len(rejects)
        insert_rejects(self.rejects, rejects)

    def _fold(self, decoded: Decoded) -> None:
        if not len(decoded):
            return
        forms = _Numbers(decoded.tags, lambda new: self._vocabulary.intern_forms(self._generation, new))
        stickers = self._vocabulary.intern_stickers(self._generation, decoded.stickers)
        columns = np.empty((len(decoded), 6), np.int64)
        columns[:, 0] = decoded.minutes
        columns[:, 1] = [country_code(country) for country in decoded.countries]
        columns[:, 2] = stickers
        columns[:, 3] = decoded.counts
        columns[:, 4], columns[:, 5] = forms.begins, forms.ends
        scratch = self._counter.scratch
        scratch.state[:] = 0
        arguments = (columns.reshape(-1), forms.flat, np.array(decoded.video_ids, np.uint64))
        while True:
            answer = self._counter.functions.fold_columns(
                *arguments, self._counter.rules_at(0), self._counter.words, self._cells, self._cell_keys, self._table,
                scratch.pending, self._video_keys, self._videos, self._totals, scratch.state,
            )  # fmt: skip
            if answer == layout.FINISHED:
                return
            self._grow(answer)

    def _grow(self, full: int) -> None:
        if full == layout.TABLE_FULL:
            self._table = self._moved(self._table)
        elif full == layout.CELLS_FULL:
            self._cells = self._moved(self._cells)
            self._cell_keys = _doubled(self._cell_keys)
        else:
            self._video_keys, self._videos = _doubled(self._video_keys), _doubled(self._videos)

    def _moved(self, old: Words) -> Words:
        new = np.zeros(2 * len(old), np.uint64)
        self._counter.functions.move(old, new, self._counter.words)
        return new

    # ---- the result -----------------------------------------------------------------------------------

    def rows(self) -> KernelRows:
        """The counts as rows for the writer."""
        functions, rows, videos = self._counter.functions, int(self._totals[layout.ROWS]), None
        self._counter.last_rows = rows
        sizes = np.zeros(int(self._totals[layout.CELLS]), np.int64)
        forms, events = np.empty(rows, np.int64), np.empty(rows, np.uint64)
        functions.list_rows(self._table, sizes, forms, events)
        if len(self._videos):
            number = self.video_ids
            ends, flat = np.zeros(rows, np.uint64), np.empty(number, np.uint64)
            functions.list_videos(
                self._table.copy(), sizes, forms, self._video_keys[:number].copy(), self._videos, number, ends, flat,
                self._counter.words,
            )  # fmt: skip
            videos = VideoIds(ends, flat)
        return KernelRows.of(
            self.event_type,
            self._cell_keys[: len(sizes)],
            sizes,
            (forms, events),
            videos,
            self.rejects,
            self._generation,
        )


class _Numbers:
    """The forms of records laid end to end; each record begins with form 0, the row of all events."""

    def __init__(self, tags: list[tuple[str, ...]], intern: Any) -> None:
        distinct = list(dict.fromkeys(tag for record in tags for tag in record))
        number = dict(zip(distinct, intern(distinct).tolist(), strict=True))
        self.flat = np.array([form for record in tags for form in (0, *(number[tag] for tag in record))], np.int64)
        self.ends = np.cumsum([1 + len(record) for record in tags])
        self.begins = self.ends - [1 + len(record) for record in tags]


def _doubled(array: Words) -> Words:
    larger = np.zeros(2 * len(array), np.uint64)
    larger[: len(array)] = array
    return larger
