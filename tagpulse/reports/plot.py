"""A time line as SVG elements: no program, no font and no style from elsewhere. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from xml.etree.ElementTree import Element, SubElement

from tagpulse.reports.words import quoted_number

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 860, 190, 84, 26, 12
_BLOCKS = " ▁▂▃▄▅▆▇█"
#: Begin of a window, at least, at most.
Point = tuple[datetime, int, int]
#: Nobody sees more steps than this.
MAX_STEPS = 430


def time_line(points: Sequence[Point], since: datetime, until: datetime, step: timedelta, label: str) -> Element:
    """Bars from (window, at least, at most): filled up to the first, pale up to the second. Times are UTC.

    Where there are more windows than MAX_STEPS, neighbours are added up.
    """
    sums, _ = summed(points, since, until, step, MAX_STEPS)
    steps = len(sums)
    most = max((high for _, high in sums), default=0) or 1
    svg = Element("svg", {"viewBox": f"0 0 {_WIDTH} {_HEIGHT}", "role": "img", "aria-label": label})
    SubElement(svg, "title").text = label
    inner, width = _HEIGHT - _BOTTOM - _TOP, (_WIDTH - _LEFT) / steps
    for part in (0, most // 2, most):
        height = f"{_y(part, most, inner):.2f}"
        line = {"x1": str(_LEFT), "x2": str(_WIDTH), "y1": height, "y2": height, "class": "grid"}
        SubElement(svg, "line", line)
        SubElement(svg, "text", {"x": str(_LEFT - 8), "y": height, "class": "value"}).text = quoted_number(part)
    for place, (low, high) in enumerate(sums):
        x = f"{_LEFT + place * width:.2f}"
        for value, look in ((high, "most"), (low, "least")):
            if value and (look == "least" or high > low):
                y = _y(value, most, inner)
                box = {
                    "x": x,
                    "y": f"{y:.2f}",
                    "width": f"{max(width * 0.86, 0.6):.2f}",
                    "height": f"{_TOP + inner - y:.2f}",
                }
                SubElement(svg, "rect", box | {"class": look})
    marks = 5
    for mark in range(marks):
        moment = since + (until - since) * mark / (marks - 1)
        at = _LEFT + (_WIDTH - _LEFT) * mark / (marks - 1)
        anchor = "start" if mark == 0 else "end" if mark == marks - 1 else "middle"
        text = {"x": f"{at:.1f}", "y": str(_HEIGHT - 6), "class": "moment", "text-anchor": anchor}
        form = "%d %b %H:%M" if until - since < timedelta(days=5) else "%d %b %Y"
        SubElement(svg, "text", text).text = moment.strftime(form)
    return svg


def summed(
    points: Sequence[Point], since: datetime, until: datetime, step: timedelta, most_steps: int
) -> tuple[list[tuple[int, int]], timedelta]:
    """`points` in `most_steps` steps or fewer, at least and at most; how long each is."""
    windows = max(1, round((until - since) / step))
    together = -(-windows // most_steps)
    sums = [[0, 0] for _ in range(-(-windows // together))]
    for window, at_least, at_most in points:
        place = int((window - since) / step) // together
        if 0 <= place < len(sums):
            sums[place][0] += at_least
            sums[place][1] += at_most
    return [(low, high) for low, high in sums], together * step


def blocks(heights: Sequence[int]) -> str:
    """A bar of a text for each height; nothing is a space, the least of something is seen."""
    most = max(heights, default=0) or 1
    return "".join(_BLOCKS[-(-height * (len(_BLOCKS) - 1) // most)] for height in heights)


def _y(value: float, most: int, inner: int) -> float:
    return _TOP + inner * (1 - value / most)
