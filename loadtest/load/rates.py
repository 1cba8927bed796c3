"""How many events are due by when. Pure arithmetic."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from loadtest.load.workload import Step


class Rates:
    """Steps one after another, as a curve of events over time."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = list(steps)
        self._begins, self._before = [0.0], [0.0]
        for step in steps:
            self._begins.append(self._begins[-1] + step.seconds)
            self._before.append(self._before[-1] + _events(step, step.seconds))

    @property
    def seconds(self) -> float:
        """How long it all takes."""
        return self._begins[-1]

    def due(self, second: float) -> float:
        """Events that are due before `second`; those of steps at rate max do not count."""
        if second >= self.seconds:
            return self._before[-1]
        place = max(0, bisect_right(self._begins, second) - 1)
        return self._before[place] + _events(self._steps[place], max(0.0, second - self._begins[place]))

    def at(self, second: float) -> float:
        """Events per second then; 0 in a step at rate max, and outside."""
        if not 0 <= second < self.seconds:
            return 0.0
        place = bisect_right(self._begins, second) - 1
        step = self._steps[place]
        if step.rate == "max":
            return 0.0
        end = step.rate if step.to is None else step.to
        return step.rate + (end - step.rate) * (second - self._begins[place]) / step.seconds

    def unbounded(self, second: float) -> bool:
        """Whether events are to be sent as fast as they go then."""
        if not 0 <= second < self.seconds:
            return False
        return self._steps[bisect_right(self._begins, second) - 1].rate == "max"


def share_of(due: float, index: int, senders: int) -> int:
    """How many of the first `due` events are those of sender `index`: events are dealt round."""
    return (int(due) + senders - 1 - index) // senders


def _events(step: Step, seconds: float) -> float:
    if step.rate == "max":
        return 0.0
    end = step.rate if step.to is None else step.to
    return step.rate * seconds + (end - step.rate) * seconds * seconds / (2 * step.seconds)
