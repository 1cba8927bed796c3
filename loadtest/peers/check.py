"""Whether a contestant counted right: every key, every count."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

_SHOWN = 5


def differences(counts: Path, truth: Counter[bytes]) -> list[str]:
    """What is wrong with the counts in a file (see `job.write_counts`), the first few keys by name; [] = nothing."""
    left = dict(truth)
    strange: Counter[bytes] = Counter()
    with counts.open("rb", 1 << 20) as lines:
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
