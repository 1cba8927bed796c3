"""What must be counted, kept exactly or by hash, and what is wrong with what was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from loadtest.peers.check import differences
from loadtest.peers.workload import Event, count, rows

_CHUNK_ROWS = 1_000_000
_READ_BYTES = 1 << 20


class Truth(Protocol):
    """Counts by key, taken from the events themselves."""

    @property
    def rows(self) -> int:
        """Sum of all counts."""

    def add(self, event: Event) -> None:
        """Count an event."""

    def __len__(self) -> int:
        """Distinct keys."""

    def differences(self, counts: Iterable[Path]) -> list[str]:
        """What is wrong with the counts in files (see `job.write_counts`), which add up; [] = nothing."""


class ExactTruth:
    """By key: names the keys that are wrong. Some 200 bytes a key."""

    def __init__(self) -> None:
        self.counts: Counter[bytes] = Counter()

    @property
    def rows(self) -> int:
        """Sum of all counts."""
        return self.counts.total()

    def __len__(self) -> int:
        """Distinct keys."""
        return len(self.counts)

    def add(self, event: Event) -> None:
        """Count an event."""
        count(self.counts, event)

    def differences(self, counts: Iterable[Path]) -> list[str]:
        """What is wrong, the first few keys by name."""
        return differences(counts, self.counts)


class HashedTruth:
    """By a 64-bit hash of the key, in 16 bytes a key: says how many keys are wrong, but not which.

    Two of ten million keys share a hash once in 400,000 times. It holds within this process only: the hash is
    that of Python, salted at its start.
    """

    def __init__(self) -> None:
        self._rows = 0
        self._sums = _Sums()

    @property
    def rows(self) -> int:
        """Sum of all counts."""
        return self._rows

    def __len__(self) -> int:
        """Distinct keys."""
        return len(self._sums.merged()[0])

    def add(self, event: Event) -> None:
        """Count an event."""
        for key in rows(event):
            self._rows += 1
            self._sums.add(hash(key), 1)

    def differences(self, counts: Iterable[Path]) -> list[str]:
        """How much is wrong."""
        found = _Sums()
        for path in counts:
            with path.open("rb", _READ_BYTES) as lines:
                for line in lines:
                    key, _, number = line.rpartition(b"\t")
                    found.add(hash(key), int(number))
        wanted_keys, wanted = self._sums.merged()
        _, numbers = _summed([wanted_keys, found.merged()[0]], [-wanted, found.merged()[1]])
        wrong = numbers != 0
        if not wrong.any():
            return []
        missing = -int(numbers.sum())
        return [f"{int(wrong.sum()):,} of {len(wanted_keys):,} keys are wrong, {missing:+,} rows are missing in all"]


class _Sums:
    """Sums by hash, collected in chunks."""

    def __init__(self) -> None:
        self._keys: list[int] = []
        self._numbers: list[int] = []
        self._chunks: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]] = []

    def add(self, key: int, number: int) -> None:
        self._keys.append(key)
        self._numbers.append(number)
        if len(self._keys) == _CHUNK_ROWS:
            self._close()

    def merged(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Hashes, ascending, and their sums."""
        self._close()
        if len(self._chunks) > 1:
            self._chunks = [_summed([keys for keys, _ in self._chunks], [numbers for _, numbers in self._chunks])]
        return self._chunks[0] if self._chunks else (np.empty(0, "i8"), np.empty(0, "i8"))

    def _close(self) -> None:
        if self._keys:
            self._chunks.append(_summed([np.array(self._keys, "i8")], [np.array(self._numbers, "i8")]))
            self._keys, self._numbers = [], []


def _summed(
    keys: list[npt.NDArray[np.int64]], numbers: list[npt.NDArray[np.int64]]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    flat = np.concatenate(numbers)
    distinct, places = np.unique(np.concatenate(keys), return_inverse=True)
    sums = np.zeros(len(distinct), "i8")
    np.add.at(sums, places, flat)
    return distinct, sums
