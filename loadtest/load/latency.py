"""From the moment an event was due until it was confirmed, counted, visible; and how fresh the counts were. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from loadtest.load.journal import Floats, Sending

Seen = Mapping[int, Sequence[tuple[int, float]]]
"""By place: (next offset, moment at which all before it had been seen), as it grew. Monotonic seconds."""


def acked(sending: Sending, begin: float) -> Floats:
    """Seconds from due to confirmed, of every event that was due after `begin`; shape (events,)."""
    found = []
    for place, (dues, offsets) in sending.logs.items():
        rows = sending.batches[sending.batches["place"] == place]
        rows = rows[np.argsort(rows["offset"])]
        which = np.searchsorted(rows["offset"], offsets, side="right") - 1
        found.append((rows["acked"][which] - dues)[dues >= begin])
    return np.concatenate(found) if found else np.empty(0)


def moments(offsets: np.ndarray, seen: Sequence[tuple[int, float]]) -> Floats:
    """When each of `offsets` (ascending) had been seen; inf where it never was."""
    following = np.array([number for number, _ in seen], "i8")
    times = np.array([*(at for _, at in seen), np.inf])
    return np.asarray(times[np.searchsorted(following, offsets, side="right")])


def until_seen(sending: Sending, seen: Seen, begin: float, end: float) -> tuple[Floats, int]:
    """Seconds from due to seen of every event due after `begin`, and how many were not seen by `end`.

    Those count as seen then: less than the truth, but not left out.
    """
    found, never = [], 0
    for place, (dues, offsets) in sending.logs.items():
        when, after = moments(offsets, seen.get(place, ())), dues >= begin
        never += int(np.isinf(when[after]).sum())
        found.append((np.minimum(when, end) - dues)[after])
    return (np.concatenate(found) if found else np.empty(0)), never


def behind(sending: Sending, seen: Seen, at: Floats) -> Floats:
    """Events that are confirmed and not visible at each moment of `at`; shape of `at`. Monotonic seconds."""
    found = np.zeros(len(at))
    for place, (_, offsets) in sending.logs.items():
        rows = sending.batches[sending.batches["place"] == place]
        rows = rows[np.argsort(rows["acked"])]
        confirmed = np.append(0, np.cumsum(rows["number"].astype("i8")))
        shown = np.sort(moments(offsets, seen.get(place, ())))
        found += confirmed[np.searchsorted(rows["acked"], at, side="right")] - np.searchsorted(shown, at, side="right")
    return found


def ages(sending: Sending, seen: Seen, at: Floats) -> Floats:
    """How far what is visible lies behind at each moment of `at`: the age of the oldest event not seen then, or 0.

    Monotonic seconds, shape of `at`.
    """
    worst = np.zeros(len(at))
    for place, (dues, offsets) in sending.logs.items():
        shown = np.maximum.accumulate(moments(offsets, seen.get(place, ())))
        first = np.searchsorted(shown, at, side="right")
        # Batches of several senders interleave, so the oldest due time behind an offset is a minimum.
        oldest = np.append(np.minimum.accumulate(dues[::-1])[::-1], np.inf)
        worst = np.maximum(worst, np.clip(at - oldest[first], 0.0, None))
    return worst


def by_second(values: Floats, dues: Floats, begin: float, percentile: float) -> list[tuple[int, float]]:
    """(second of the run, percentile of the values of the events that were due in it)."""
    if not len(values):
        return []
    seconds = (dues - begin).astype("i8")
    order = np.argsort(seconds, kind="stable")
    seconds, values = seconds[order], values[order]
    found, edges = np.unique(seconds, return_index=True)
    parts = np.split(values, edges[1:])
    return [
        (int(second), float(np.percentile(part, percentile)))
        for second, part in zip(found, parts, strict=True)
        if second >= 0 and len(part)
    ]
