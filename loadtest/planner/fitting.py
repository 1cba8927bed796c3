"""Costs that are not negative, by least squares of relative errors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def costs(amounts: Sequence[Sequence[float]], spent: Sequence[float]) -> list[float]:
    """`c` so that `amounts[i] · c` is near `spent[i]`, and no cost below 0.

    Every run weighs the same, however long it was. A cost that would come out negative is 0, and the others are
    fitted anew (with a handful of costs that is as good as a proper non-negative solver). Raises ValueError where
    nothing was spent in some run.
    """
    wanted = np.asarray(spent, "f8")
    if not (wanted > 0).all():
        raise ValueError(f"every run must have spent something: {spent}")
    weighted = np.asarray(amounts, "f8") / wanted[:, None]
    scale = np.abs(weighted).max(axis=0)
    scale[scale == 0] = 1.0
    kept = list(range(weighted.shape[1]))
    found = np.zeros(weighted.shape[1])
    while kept:
        solved = np.linalg.lstsq(weighted[:, kept] / scale[kept], np.ones(len(wanted)))[0]
        if (solved >= 0).all():
            found[kept] = solved / scale[kept]
            break
        del kept[int(solved.argmin())]
    return [float(cost) for cost in found]


def worst(amounts: Sequence[Sequence[float]], spent: Sequence[float], found: Sequence[float]) -> float:
    """The greatest relative error of `found` in any run."""
    foretold = np.asarray(amounts, "f8") @ np.asarray(found)
    return float(np.abs(foretold / np.asarray(spent) - 1).max())
