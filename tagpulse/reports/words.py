"""Numbers as a press office quotes them: "2.1 billion". No I/O."""

from __future__ import annotations

from datetime import timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

_TENTH = Decimal("0.1")
_SCALES = ((Decimal(10) ** 12, "trillion"), (Decimal(10) ** 9, "billion"), (Decimal(10) ** 6, "million"))


def quoted_number(number: int, rounding: str = ROUND_HALF_EVEN) -> str:
    """`number` in words: one decimal below a hundred millions (billions, ...), none above, in full below a million."""
    for place, (scale, word) in enumerate(_SCALES):
        if number >= scale:
            scaled = (number / scale).quantize(_TENTH, rounding)
            if scaled >= 100:
                scaled = (number / scale).quantize(Decimal(1), rounding)
            if scaled >= 1000 and place:  # 999.96 million, rounded
                scaled, word = Decimal(1), _SCALES[place - 1][1]
            return f"{scaled.normalize():f} {word}"
    return f"{number:,}"


def quoted_bounds(at_least: int, at_most: int) -> str:
    """The number where both are equal, else what lies between, rounded outwards so that it stays true."""
    if at_least == at_most:
        return quoted_number(at_least)
    least, most = quoted_number(at_least, ROUND_FLOOR), quoted_number(at_most, ROUND_CEILING)
    return f"about {least}" if least == most else f"between {least} and {most}"


def quoted_climb(places: int | None) -> str:
    """How many places a country climbed: "+2", "-1", "=", "new"."""
    if places is None:
        return "new"
    return f"{places:+d}" if places else "="


def quoted_length(length: timedelta) -> str:
    """A length of whole minutes, in the largest unit that is exact: "24 min", "3 h", "2 d"."""
    for unit, word in ((timedelta(days=1), "d"), (timedelta(hours=1), "h")):
        if not length % unit:
            return f"{length // unit} {word}"
    return f"{length // timedelta(minutes=1)} min"


def quoted_change(now: int, before: int) -> str:
    """How `now` compares with `before`: "+12 %", "3.4 times", "new"."""
    if before == 0:
        return "new" if now else "none in both"
    ratio = Decimal(now) / Decimal(before)
    if ratio >= 3:
        return f"{ratio.quantize(Decimal('0.1'))} times"
    return f"{(ratio - 1) * 100:+.0f} %"
