"""When each event was due, and when its batch was handed over and confirmed: what latencies are computed from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
_MOMENTS = ("due", "ready", "taken", "acked")
_NUMBERS = (("place", "u4"), ("number", "u4"), ("offset", "i8"))
_BATCH = np.dtype([*_NUMBERS, *((moment, "f8") for moment in _MOMENTS)])


class Journal:
    """One sender's, in two files: a row for each batch, and the due time of each event. Monotonic seconds."""

    def __init__(self, folder: Path, sender: int) -> None:
        self._batches: BinaryIO = (folder / f"batches-{sender}").open("wb")
        self._dues: BinaryIO = (folder / f"dues-{sender}").open("wb")

    def add(self, place: int, offset: int, due: float, ready: float, taken: float, acked: float, dues: Floats) -> None:
        """A batch that the broker has confirmed, with `offset` of its first event.

        `due`: when its last event was due and it should be sent; `ready`: when it was encoded; `taken`: when the
        producer had room for it, because the one before had left.
        """
        self._batches.write(np.array([(place, len(dues), offset, due, ready, taken, acked)], _BATCH).tobytes())
        self._dues.write(dues.tobytes())

    def close(self) -> None:
        """Write all."""
        self._batches.close()
        self._dues.close()


@dataclass(frozen=True)
class Sending:
    """Confirmed events of all senders.

    `batches`: rows of place, number, offset, due, ready, taken, acked. `logs`: by place, its events in the order
    of their offsets: when each was due, and offsets. Monotonic seconds.
    """

    batches: npt.NDArray[np.void]
    logs: dict[int, tuple[Floats, npt.NDArray[np.int64]]]

    @property
    def events(self) -> int:
        """How many."""
        return int(self.batches["number"].sum())

    def late(self, begin: float) -> Floats:
        """By batch that was due after `begin`: seconds from when it should be sent until it was encoded."""
        after = self.batches[self.batches["due"] >= begin]
        return np.asarray(after["ready"] - after["due"], "f8")

    def queued(self, begin: float) -> Floats:
        """The same: seconds that it waited, encoded, until the producer had room for it."""
        after = self.batches[self.batches["due"] >= begin]
        return np.asarray(after["taken"] - after["ready"], "f8")

    def dues(self) -> Floats:
        """When each event was due, in no order."""
        return np.concatenate([dues for dues, _ in self.logs.values()]) if self.logs else np.empty(0)


def read(folder: Path, senders: Sequence[int]) -> Sending:
    """What `senders` wrote."""
    batches, dues = [np.empty(0, _BATCH)], [np.empty(0)]
    for sender in senders:
        batches.append(np.fromfile(folder / f"batches-{sender}", _BATCH))
        dues.append(np.fromfile(folder / f"dues-{sender}", "f8"))
    every, due = np.concatenate(batches), np.concatenate(dues)
    return Sending(every, dict(_by_log(every, due)))


def _by_log(batches: npt.NDArray[np.void], dues: Floats) -> Iterator[tuple[int, tuple[Floats, npt.NDArray[np.int64]]]]:
    numbers = batches["number"].astype("i8")
    ends = np.cumsum(numbers)
    within = np.arange(len(dues)) - np.repeat(ends - numbers, numbers)
    offsets = np.repeat(batches["offset"], numbers) + within
    places = np.repeat(batches["place"], numbers)
    order = np.lexsort((offsets, places))
    places, offsets, dues = places[order], offsets[order], dues[order]
    for place in np.unique(places).tolist():
        chosen = places == place
        yield place, (dues[chosen], offsets[chosen])
