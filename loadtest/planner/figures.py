"""Figures as people read them."""

from __future__ import annotations

import math

_BYTES = ("B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB")
_POWERS = "kMGTPEZ"


def short(value: float) -> str:
    """12, 3,456, 78.9 thousand as 78.9k, then M, G (10^9), T, ..."""
    if value < 10_000:
        return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"
    power = min(int(math.log10(value)) // 3, len(_POWERS))
    return f"{value / 1000**power:.3g}{_POWERS[power - 1]}"


def size(value: float) -> str:
    """Bytes, decimal."""
    power = 0 if value < 1 else min(int(math.log10(value)) // 3, len(_BYTES) - 1)
    return f"{value / 1000**power:.3g} {_BYTES[power]}"


def seconds(value: float | None) -> str:
    """As people read them; None: never."""
    if value is None:
        return "never"
    if value < 1:
        return f"{value * 1000:,.0f} ms"
    return f"{value:,.1f} s" if value < 120 else f"{value / 60:,.1f} min" if value < 7200 else f"{value / 3600:,.1f} h"
