"""One clock for everything that is simulated, and a stand-in for the module `time` of the code under test."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

#: When each simulation begins: months and years change here, so that deltas touch several partitions.
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    """Seconds since `BEGIN`; moves only when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def moment(self) -> datetime:
        """The current time, in milliseconds as ClickHouse's now64(3) gives it."""
        return BEGIN + timedelta(milliseconds=int(self.now * 1000))

    def unix(self) -> float:
        """The current time in unix seconds."""
        return BEGIN.timestamp() + self.now


class SimulatedTime:
    """What the code under test uses of the module `time`."""

    CLOCK_BOOTTIME = getattr(time, "CLOCK_BOOTTIME", 7)

    def __init__(self, clock: Clock, sleep: Callable[[float], None]) -> None:
        self._clock = clock
        self.sleep = sleep

    def monotonic(self) -> float:
        return self._clock.now

    def clock_gettime(self, _: int) -> float:
        return self._clock.now

    def time(self) -> float:
        return self._clock.unix()
