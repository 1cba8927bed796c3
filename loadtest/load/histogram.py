"""Latencies as HdrHistogram keeps them: three significant digits from a microsecond to an hour."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from hdrh.histogram import HdrHistogram

Floats = npt.NDArray[np.float64]

PERCENTILES = (50.0, 90.0, 99.0, 99.9, 99.99, 100.0)
_MOST_US = 3_600_000_000
_DIGITS = 3
#: Values past this are rounded to a thousandth of it before they are recorded: fewer distinct ones to hand over.
_ROUNDED_PAST_US = 100_000


class Histogram:
    """Of latencies in seconds."""

    def __init__(self) -> None:
        self._hdr = HdrHistogram(1, _MOST_US, _DIGITS)

    def record(self, seconds: Floats) -> None:
        """Add values, shape (n,). Negative ones count as the least there is, those past an hour as an hour."""
        us = np.clip(np.rint(seconds * 1e6), 1, _MOST_US).astype("i8")
        us = np.where(us > _ROUNDED_PAST_US, us // 100 * 100, us)
        for value, number in zip(*np.unique(us, return_counts=True), strict=True):
            self._hdr.record_value(int(value), int(number))

    @property
    def number(self) -> int:
        """How many values it has."""
        return int(self._hdr.get_total_count())

    def at(self, percentile: float) -> float:
        """Seconds that so many percent of the values do not exceed; 0 where there are none."""
        if not self.number:
            return 0.0
        value = self._hdr.get_max_value() if percentile >= 100 else self._hdr.get_value_at_percentile(percentile)
        return float(value) / 1e6

    def summary(self) -> dict[str, float]:
        """`p50` to `p99.99` and `max`, seconds."""
        return {name(percentile): self.at(percentile) for percentile in PERCENTILES}

    def curve(self) -> list[tuple[float, float]]:
        """(percentile, seconds), denser towards 100 and up to the last value, for a plot."""
        points, left = [], 100.0
        while left > 100.0 / max(self.number, 1) and left > 0.0005:
            points.append(100.0 - left)
            left /= 10 ** (1 / 12)
        return [(p, self.at(p)) for p in [*points, 99.99] if p <= 99.99 or self.number >= 10_000] if self.number else []

    def encode(self) -> str:
        """In HdrHistogram's own text form (V2, compressed), for other tools."""
        return bytes(self._hdr.encode()).decode()


def name(percentile: float) -> str:
    """`p99.9`, `max`."""
    return "max" if percentile >= 100 else f"p{percentile:g}"
