"""How long to wait before a process that died is started again."""

from __future__ import annotations


class Backoff:
    """Doubles from `first_s` up to `most_s`; forgets past deaths once a process ran for `well_after_s`."""

    def __init__(self, *, first_s: float, most_s: float, well_after_s: float) -> None:
        self.first_s = first_s
        self.most_s = most_s
        self.well_after_s = well_after_s
        self.attempts = 0

    def ran(self, seconds: float) -> None:
        """The process was ready for `seconds` before it died."""
        if seconds >= self.well_after_s:
            self.attempts = 0

    def next(self) -> float:
        """The delay before the next attempt, which is counted."""
        delay = min(self.most_s, self.first_s * 2.0 ** min(self.attempts, 30))
        self.attempts += 1
        return delay
