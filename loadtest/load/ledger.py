"""What was sent, on disk: how often each template in each minute of event time. The truth of a run, in little memory.

A sender folds its events as it goes, so that memory stays bounded by what it sends between two folds, and the file
by distinct (minute, template, fresh hashtag).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from loadtest.load.templates import Cell, Ints, Templates, fresh_cells

_ROW = np.dtype([("template", "u4"), ("slot", "u4"), ("events", "u4")])
_FOLD_EVENTS = 500_000
_SLOTS = 1 << 24


class Ledger:
    """One sender's."""

    def __init__(self, folder: Path, sender: int) -> None:
        self._folder, self._sender = folder, sender
        self._minutes: list[Ints] = []
        self._keys: list[Ints] = []
        self._held = 0
        self.events = 0

    def add(self, minutes: Ints, templates: Ints, slots: Ints) -> None:
        """Events, by unix minute, template and slot (0 where there is none); arrays of one length."""
        self._minutes.append(minutes)
        self._keys.append(templates * _SLOTS + slots)
        self._held += len(minutes)
        self.events += len(minutes)
        if self._held >= _FOLD_EVENTS:
            self.fold()

    def fold(self) -> None:
        """Write what is in memory."""
        if not self._held:
            return
        minutes, keys = np.concatenate(self._minutes), np.concatenate(self._keys)
        self._minutes, self._keys, self._held = [], [], 0
        for minute in np.unique(minutes).tolist():
            found, numbers = np.unique(keys[minutes == minute], return_counts=True)
            rows = np.empty(len(found), _ROW)
            rows["template"], rows["slot"], rows["events"] = found // _SLOTS, found % _SLOTS, numbers
            with (self._folder / f"ledger-{self._sender}-{minute}").open("ab") as file:
                rows.tofile(file)


class Sent:
    """What all senders sent, read back minute by minute."""

    def __init__(self, folder: Path, templates: Templates) -> None:
        self._folder, self._templates = folder, templates

    def minutes(self) -> list[int]:
        """Unix minutes of event time in which there is anything, ascending."""
        return sorted({int(path.name.rpartition("-")[2]) for path in self._folder.glob("ledger-*-*")})

    def counts(self, minute: int) -> Counter[Cell]:
        """What the minute must be counted as."""
        found: Counter[Cell] = Counter()
        for template, slot, events in self._rows([minute]):
            chosen = self._templates.all[template]
            number = events * chosen.count
            for cell in (*chosen.cells, *fresh_cells(chosen, slot)):
                found[cell] += number
        return found

    def rejects(self) -> Counter[str]:
        """Records that must have been rejected, by reason."""
        found: Counter[str] = Counter()
        for template, _, events in self._rows(self.minutes()):
            if reason := self._templates.all[template].reason:
                found[reason] += events
        return found

    def _rows(self, minutes: Iterable[int]) -> Iterator[tuple[int, int, int]]:
        for minute in minutes:
            for path in self._folder.glob(f"ledger-*-{minute}"):
                yield from np.fromfile(path, _ROW).tolist()
