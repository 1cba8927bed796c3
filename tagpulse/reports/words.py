"""Numbers as a press office quotes them: "2.1 billion". No I/O."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal

_SCALES = ((Decimal(10) ** 12, "trillion"), (Decimal(10) ** 9, "billion"), (Decimal(10) ** 6, "million"))


def quoted_number(number: int, rounding: str = ROUND_HALF_EVEN) -> str:
    """`number` in words: one decimal below a hundred millions (billions, ...), none above, in full below a million."""
    for scale, word in _SCALES:
        for digits in ("0.1", "1"):
            scaled = (Decimal(number) / scale).quantize(Decimal(digits), rounding)
            if scaled >= 1 and (digits == "1" or scaled < 100):
                return f"{scaled.normalize():f} {word}" if scaled < 1000 or word == "trillion" else _next(word)
    return f"{number:,}"


def quoted_bounds(at_least: int, at_most: int) -> str:
    """The number where both are equal, else what lies between, rounded outwards so that it stays true."""
    if at_least == at_most:
        return quoted_number(at_least)
    least, most = quoted_number(at_least, ROUND_FLOOR), quoted_number(at_most, ROUND_CEILING)
    return f"about {least}" if least == most else f"between {least} and {most}"


def quoted_change(now: int, before: int) -> str:
    """How `now` compares with `before`: "+12 %", "3.4 times", "new"."""
    if before == 0:
        return "new" if now else "none in both"
    ratio = Decimal(now) / Decimal(before)
    if ratio >= 3:
        return f"{ratio.quantize(Decimal('0.1'))} times"
    return f"{(ratio - 1) * 100:+.0f} %"


def _next(word: str) -> str:
    """Of 999.96 million that were rounded up to a thousand."""
    names = [name for _, name in _SCALES]
    return f"1 {names[names.index(word) - 1]}"
