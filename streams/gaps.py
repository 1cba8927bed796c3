"""Offsets that a fetch leaves out: missing for good, or not there yet?

Kafka leaves offsets out where it compacted the log, never at its end. The embedded broker may show a record before the
one that another producer has just written in front of it (about one in 20,000 with two producers to a partition);
who goes on behind the gap has lost that record. So a gap is doubted: the partition waits a moment and is fetched
again, and only what is still missing then, and had been in the log before the wait, is taken for missing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from aiokafka import TopicPartition

#: How long a gap is doubted. A record that another overtook was there within milliseconds.
PATIENCE_S = 0.25

_LENGTH_END, _MAGIC_AT, _LAST_DELTA_AT = 12, 16, 23


def gaps(data: bytes, position: int) -> list[tuple[int, int]]:
    """The gaps between record batches from `position` on, as [begin, end); [] = none, or a format before magic 2.

    Offsets missing within a batch are no gap: a batch is written at once.
    """
    found: list[tuple[int, int]] = []
    begin = 0
    while begin + _LENGTH_END <= len(data):
        base = int.from_bytes(data[begin : begin + 8], "big")
        end = begin + _LENGTH_END + int.from_bytes(data[begin + 8 : begin + _LENGTH_END], "big")
        if end > len(data) or end < begin + _LAST_DELTA_AT + 4 or data[begin + _MAGIC_AT] != 2:
            break  # cut off, as fetches are, or not sound: whoever reads the records says so
        if base > position:
            found.append((position, base))
        last = int.from_bytes(data[begin + _LAST_DELTA_AT : begin + _LAST_DELTA_AT + 4], "big")
        position = max(position, base + last + 1)
        begin = end
    return found


@dataclass(slots=True)
class _Doubt:
    since: float
    log_end: int
    """Where the log ended then."""
    settled: int
    """What is missing before this offset was missing after a wait, too."""


class Doubts:
    """By partition, the gaps that are waited for. For one thread."""

    def __init__(self) -> None:
        self._doubts: dict[TopicPartition, _Doubt] = {}

    def clear(self) -> None:
        """Forget all, as after a new assignment."""
        self._doubts.clear()

    def wait_s(self, tp: TopicPartition, found: list[tuple[int, int]], log_end: int) -> float | None:
        """What to do with a fetch that has the gaps `found`, of a log that ended at `log_end` then.

        None: take it. 0: drop it and fetch again. More: leave it for so many seconds, and ask again.
        """
        doubt = self._doubts.get(tp)
        if not found:
            if doubt is not None:
                del self._doubts[tp]
            return None
        settled = doubt.settled if doubt is not None else 0
        if found[-1][0] < settled:
            return None
        now = time.monotonic()
        if doubt is None or doubt.log_end == settled:
            self._doubts[tp] = _Doubt(now, max(log_end, found[-1][1]), settled)
            return PATIENCE_S
        if now < doubt.since + PATIENCE_S:
            return doubt.since + PATIENCE_S - now
        doubt.settled = doubt.log_end
        return 0.0
