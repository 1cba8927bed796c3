"""How many distinct keys a number of events comes to, by how popular each key is.

Events are taken to be independent draws, so the uses of a key among n events are Poisson with mean n x rate, and
n events touch `sum(1 - exp(-n x rate))` keys. Real traffic comes in bursts, which makes keys repeat more often:
the curve errs on the side of more rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from loadtest.peers.workload import STICKER_SHARES, UNIFORM_TAGS_PER_EVENT, Shape, Workload, real_videos

Floats = npt.NDArray[np.float64]

#: Video ids that a `uniqCombined64(14)` state keeps as hashes of 8 bytes before it becomes registers of
#: 2^14 x 6 bits = 12,288 bytes: past these many, a key's state grows no more.
STATE_IDS = 2**14 * 6 // 8 // 8
_BINS_PER_DECADE, _POINTS_PER_DECADE = 200, 25


@dataclass(frozen=True)
class Keys:
    """`weights[i]` keys that each get `rates[i]` of an event on average."""

    rates: Floats
    weights: Floats

    @classmethod
    def of(cls, rates: Floats, weights: Floats) -> Keys:
        """Keys of nearly the same rate are put together (200 groups to a decade), which keeps both sums."""
        used = (rates > 0) & (weights > 0)
        rates, weights = rates[used], weights[used]
        groups, places = np.unique(np.floor(np.log10(rates) * _BINS_PER_DECADE), return_inverse=True)
        heads, uses = np.zeros(len(groups)), np.zeros(len(groups))
        np.add.at(heads, places, weights)
        np.add.at(uses, places, weights * rates)
        return cls(uses / heads, heads)

    def __add__(self, other: Keys) -> Keys:
        return Keys.of(np.concatenate([self.rates, other.rates]), np.concatenate([self.weights, other.weights]))

    @property
    def uses_per_event(self) -> float:
        """Counts that an event adds to."""
        return float((self.rates * self.weights).sum())

    def distinct(self, events: float) -> float:
        """Keys that so many events touch."""
        return float((self.weights * -np.expm1(-events * self.rates)).sum())

    def spread(self, events: float, windows: float) -> float:
        """Rows of so many events that lie evenly in `windows` windows (1 or more, need not be whole)."""
        return windows * self.distinct(events / windows)

    def kept_ids(self, events: float) -> float:
        """Video ids in the states of all keys after so many events, each of another video."""
        return float((self.weights * np.minimum(events * self.rates, STATE_IDS)).sum())


class RowCounts:
    """`Keys.spread`, by interpolation between 25 points a decade: some microseconds a call."""

    def __init__(self, keys: Keys) -> None:
        self._points = np.arange(-1, 15, 1 / _POINTS_PER_DECADE)
        self._per_event = [float(keys.distinct(10**point) / 10**point) for point in self._points]

    def __call__(self, events: float, windows: float = 1.0) -> float:
        """Rows of so many events that lie evenly in `windows` windows."""
        if events <= 0:
            return 0.0
        place = (math.log10(events / windows) + 1) * _POINTS_PER_DECADE
        low = min(max(int(place), 0), len(self._per_event) - 2)
        part = min(max(place - low, 0.0), 1.0)
        return events * (self._per_event[low] * (1 - part) + self._per_event[low + 1] * part)


def product(first: Keys, second: Keys) -> Keys:
    """Keys of two independent dimensions together."""
    return Keys.of(np.outer(first.rates, second.rates).ravel(), np.outer(first.weights, second.weights).ravel())


def shares(values: Sequence[float]) -> Keys:
    """A dimension of which every event has exactly one value, with these shares."""
    found = np.asarray(values, "f8")
    return Keys(found, np.ones(len(found)))


ONE = shares([1.0])


def zipf(number: int, exponent: float, offset: float = 0.0) -> Keys:
    """A dimension of `number` values of which every event has exactly one: rank r as often as (r + offset)^-exponent.

    Ranks past the hundredth are put together in groups.
    """
    first = np.unique(np.concatenate([np.arange(1, min(number, 100) + 1), np.geomspace(1, number, 400).round()]))
    after = np.append(first[1:], number + 1)
    low, high = first - 0.5 + offset, after - 0.5 + offset
    if abs(exponent - 1) < 1e-9:
        mass = np.log(high / low)
    else:
        mass = (low ** (1 - exponent) - high ** (1 - exponent)) / (exponent - 1)
    mass /= mass.sum()
    size = after - first
    return Keys(mass / size, size)


@cache
def workload_keys(workload: Workload, stickers: bool) -> Keys:
    """Keys of one event type of a benchmark's workload in one window. Exact: its popularities are known."""
    if workload.shape is Shape.UNIFORM:
        countries = len({country for country, _ in real_videos()})
        where = shares([1 / (workload.countries or countries)] * (workload.countries or countries))
        rate = UNIFORM_TAGS_PER_EVENT / workload.tags
        tags = product(where, Keys(np.array([rate]), np.array([float(workload.tags)])))
    else:
        where, tags = sample_keys()
    return product(where + tags, shares(STICKER_SHARES) if stickers else ONE)


@cache
def sample_keys() -> tuple[Keys, Keys]:
    """Countries, and pairs of country and hashtag, of events that are each a random video of the sample."""
    videos = real_videos()
    countries, pairs = sample_counts()
    number = len(videos)
    return tuple(  # type: ignore[return-value]
        Keys.of(counts / number, np.ones(len(counts))) for counts in (countries, pairs)
    )


@cache
def sample_counts() -> tuple[Floats, Floats]:
    """Videos of each country, and of each pair of country and hashtag, in the sample."""
    videos = real_videos()
    where: dict[str, int] = {}
    pairs: dict[tuple[str, str], int] = {}
    for country, hashtags in videos:
        where[country] = where.get(country, 0) + 1
        for tag in hashtags:
            pairs[country, tag] = pairs.get((country, tag), 0) + 1
    return np.array(list(where.values()), "f8"), np.array(list(pairs.values()), "f8")
