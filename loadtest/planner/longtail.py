"""Popularity of hashtags as the real sample shows it, continued to as many hashtags as are asked for.

The model: a hashtag's share falls with its rank as (rank + offset)^-exponent (Zipf-Mandelbrot). A share `affinity`
of a hashtag's uses comes from its one home country (drawn as often as the country is), the rest from all
countries. Three parameters, fitted to how many distinct hashtags, and pairs of country and hashtag, a number of
videos has.

Assumptions beyond the sample: exponent and offset stay as they are out to the last hashtag; countries and stickers
follow Zipf's law with exponent 1 (the sample has mostly one country and no stickers, so neither can be
fitted); every event, views too, takes its hashtags from a video drawn evenly. Views in fact crowd on few videos, so
their rows are fewer than this says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from loadtest.peers.workload import real_videos
from loadtest.planner.keys import ONE, Floats, Keys, product, shares, zipf

#: Hashtags among which the sample's own are taken to be a draw, when the parameters are fitted.
_FIT_TAGS = 10**8
_EVEN = 1.0
_POINTS = 14
_ROUNDS, _GRID = 4, 9

Video = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class Tail:
    """Fitted parameters. `error`: the greatest relative error of the curve of pairs, on the sample it was fitted to."""

    exponent: float
    offset: float
    affinity: float
    tags_per_event: float
    error: float
    holdout_error: float
    """Fitted to half of the sample: relative error of the distinct pairs foretold for all of it."""


def keys(tail: Tail, *, hashtags: int, countries: int, stickers: int, tags_per_event: float) -> Keys:
    """Keys of one event type in one window; `stickers` 1 for types that have none."""
    where = zipf(countries, _EVEN)
    tags = zipf(hashtags, tail.exponent, tail.offset)
    tags = Keys(tags.rates * tags_per_event, tags.weights)
    return product(where + _pairs(tags, where, tail.affinity), zipf(stickers, _EVEN) if stickers > 1 else ONE)


def _pairs(tags: Keys, where: Keys, affinity: float) -> Keys:
    """Pairs of country and hashtag; in the home country both ways to use a hashtag come together."""
    home = Keys(affinity + (1 - affinity) * where.rates, where.weights * where.rates)
    away = Keys((1 - affinity) * where.rates, where.weights * (1 - where.rates))
    return product(tags, home) + product(tags, away)


@cache
def fit_sample() -> Tail:
    """To the sample that comes with tagpulse."""
    return fit(real_videos())


def fit(whole: Sequence[Video]) -> Tail:
    """To videos."""
    half = [whole[i] for i in np.random.default_rng(1).permutation(len(whole))[: len(whole) // 2]]
    found, early = _Curves.of(whole), _Curves.of(half)
    parameters = _fit(found)
    foretold = _distinct_pairs(_fit(early), early, [float(len(whole))])[0]
    exponent, offset, affinity = parameters
    errors = _distinct_pairs(parameters, found, found.events) / np.array(found.pairs) - 1
    return Tail(
        exponent=exponent,
        offset=offset,
        affinity=affinity,
        tags_per_event=found.tags_per_event,
        error=float(np.abs(errors).max()),
        holdout_error=float(foretold / found.pairs[-1] - 1),
    )


@dataclass(frozen=True)
class _Curves:
    """Distinct hashtags and pairs among so many videos of a sample, on average over every choice of them."""

    events: list[float]
    tags: list[float]
    pairs: list[float]
    tags_per_event: float
    where: Keys

    @classmethod
    def of(cls, videos: Sequence[Video]) -> _Curves:
        tags: dict[str, int] = {}
        pairs: dict[tuple[str, str], int] = {}
        where: dict[str, int] = {}
        for country, hashtags in videos:
            where[country] = where.get(country, 0) + 1
            for tag in hashtags:
                tags[tag] = tags.get(tag, 0) + 1
                pairs[country, tag] = pairs.get((country, tag), 0) + 1
        number = len(videos)
        events = [float(n) for n in np.unique(np.geomspace(10, number, _POINTS).round())]
        distinct = [
            [rarefied(np.array(list(counts.values()), "f8"), number, n) for n in events] for counts in (tags, pairs)
        ]
        return cls(
            events=events,
            tags=distinct[0],
            pairs=distinct[1],
            tags_per_event=sum(tags.values()) / number,
            where=shares([count / number for count in where.values()]),
        )


def rarefied(counts: Floats, number: int, drawn: float) -> float:
    """Expected distinct keys among `drawn` of `number` things, of which `counts[k]` have key k (rarefaction)."""
    distinct, often = np.unique(counts, return_counts=True)
    # A key is missed where all drawn things come from the others: C(number - count, drawn) / C(number, drawn).
    steps = np.arange(int(distinct.max()))
    left = np.maximum(number - drawn - steps, 0) / (number - steps)
    missed = np.cumprod(left)[distinct.astype(int) - 1]
    return float((often * (1 - missed)).sum())


def _fit(found: _Curves) -> tuple[float, float, float]:
    """Least squares of the logarithms: exponent and offset by the hashtags, then affinity by the pairs."""
    wanted = np.log(found.tags)

    def tags_apart(exponent: float, log_offset: float) -> float:
        tags = zipf(_FIT_TAGS, exponent, np.exp(log_offset))
        distinct = [Keys(tags.rates * found.tags_per_event, tags.weights).distinct(n) for n in found.events]
        return float(((np.log(distinct) - wanted) ** 2).sum())

    exponent, log_offset = _least(tags_apart, [(1.01, 2.0), (0.0, 9.0)])
    offset = float(np.exp(log_offset))
    wanted_pairs = np.log(found.pairs)

    def pairs_apart(affinity: float) -> float:
        distinct = _distinct_pairs((exponent, offset, affinity), found, found.events)
        return float(((np.log(distinct) - wanted_pairs) ** 2).sum())

    (affinity,) = _least(pairs_apart, [(0.0, 1.0)])
    return exponent, offset, affinity


def _distinct_pairs(parameters: tuple[float, float, float], found: _Curves, events: Sequence[float]) -> Floats:
    exponent, offset, affinity = parameters
    tags = zipf(_FIT_TAGS, exponent, offset)
    tags = Keys.of(tags.rates * found.tags_per_event, tags.weights)
    pairs = _pairs(tags, Keys.of(found.where.rates, found.where.weights), affinity)
    return np.array([pairs.distinct(n) for n in events])


def _least(function: Callable[..., float], bounds: Sequence[tuple[float, float]]) -> tuple[float, ...]:
    """Where `function` is least: a grid, then finer grids around the best point of the one before."""
    best: tuple[float, ...] = tuple((low + high) / 2 for low, high in bounds)
    spans = [high - low for low, high in bounds]
    for _ in range(_ROUNDS):
        axes = [
            np.clip(np.linspace(at - span / 2, at + span / 2, _GRID), low, high)
            for at, span, (low, high) in zip(best, spans, bounds, strict=True)
        ]
        points = [tuple(map(float, point)) for point in np.stack(np.meshgrid(*axes), -1).reshape(-1, len(bounds))]
        best = min(points, key=lambda point: function(*point))
        spans = [span * 2.5 / (_GRID - 1) for span in spans]
    return best
