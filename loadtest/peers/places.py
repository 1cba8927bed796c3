"""Where the stages of the full path begin and end: the only place that names functions of streams/ and sinks/.

When one of them is renamed or moves to another thread, adapt the list; what is not listed is shown as the rest of
its thread, so that the stages add up to the whole whatever is listed.
"""

from __future__ import annotations

from enum import Enum
from importlib import import_module
from typing import Any, NamedTuple

from streams.counters import compiled
from streams.rules import Rules

UNPACK = "unpack (where the records lie in their batches, CRC)"
DECODE = "decode (JSON, validation, normal forms)"
COUNT = "count (into cells; decoding, too, where it is compiled)"
ROWS = "rows (cells to columns)"
ENCODE = "encode (columns to a Native block)"
INSERT = "insert (the request, from our side)"
CLAIM = "claim (claim, read back, done)"


class Thread(Enum):
    """In which thread of the worker a function runs."""

    KAFKA = "Kafka's thread"
    MAIN = "the main thread"
    OTHER = "another thread"


class Place(NamedTuple):
    """A function or method, named from its module on; the stage it belongs to; the thread in which it runs."""

    module: str
    name: str
    stage: str
    thread: Thread

    def owner(self) -> tuple[Any, str]:
        """The module or class that holds it, and its name there. Raises PlaceError where it is not there."""
        found: Any = import_module(self.module)
        *outer, last = self.name.split(".")
        for part in (*outer, last):
            holder = found
            found = getattr(holder, part, None)
            if found is None:
                raise PlaceError(
                    f"{self.module} has no {self.name}: adapt {__name__}, which times it as {self.stage!r}"
                )
        return holder, last


class PlaceError(Exception):
    """A place is not as it was listed."""


_COUNTING = (
    (
        Place("streams.transport", "drain_bytes", UNPACK, Thread.KAFKA),
        Place("streams.kernel.counts", "KernelCounts.count", COUNT, Thread.MAIN),
        Place("streams.kernel.counts", "KernelCounts.rows", ROWS, Thread.OTHER),
        Place("streams.kernel.rows", "KernelRows.months", ROWS, Thread.OTHER),
        Place("streams.kernel.rows", "KernelRows.block", ENCODE, Thread.OTHER),
    )
    if compiled("auto", Rules())
    else (
        Place("streams.transport", "drain", UNPACK, Thread.KAFKA),
        Place("streams.decoding", "Decoder.decode", DECODE, Thread.MAIN),
        Place("streams.counting", "Counts.add", COUNT, Thread.MAIN),
        Place("streams.counting", "Counts.rows", ROWS, Thread.OTHER),
        Place("streams.counting", "VideoCounts.rows", ROWS, Thread.OTHER),
        Place("sinks.delta", "DeltaRows.months", ROWS, Thread.OTHER),
        Place("sinks.delta", "DeltaRows.block", ENCODE, Thread.OTHER),
    )
)

#: In the order of the path, as the worker counts on this machine. One added here is timed.
PLACES: tuple[Place, ...] = (
    *_COUNTING,
    Place("sinks.native", "Block.encode", ENCODE, Thread.OTHER),
    Place("sinks.writer", "Writer._insert", INSERT, Thread.OTHER),
    Place("sinks.claims", "Claims.claim", CLAIM, Thread.OTHER),
    Place("sinks.claims", "Claims.done", CLAIM, Thread.OTHER),
)
