"""Whether a contestant counted right: every key, every count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

_SHOWN = 5


def differences(counts: Iterable[Path], truth: Counter[bytes]) -> list[str]:
    """What is wrong with the counts in files (see `job.write_counts`), which add up; [] = nothing.

    The first few keys are named.
    """
    left = dict(truth)
    strange: Counter[bytes] = Counter()
    for path in counts:
        with path.open("rb", 1 << 20) as lines:
            for line in lines:
                key, _, number = line.rpartition(b"\t")
                if key in left:
                    left[key] -= int(number)
                else:
                    strange[key] += int(number)
    wrong = {key: missing for key, missing in left.items() if missing} | {key: -n for key, n in strange.items() if n}
    if not wrong:
        return []
    return [f"{len(wrong):,} of {len(truth):,} keys are wrong, {sum(wrong.values()):+,} rows are missing in all"] + [
        f"{key.decode()}: counted {truth[key] - missing}, truth {truth[key]}"
        for key, missing in sorted(wrong.items())[:_SHOWN]
    ]
