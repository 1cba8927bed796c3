"""Compare every key in ClickHouse with the truth."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tagpulse.demo.truth import Key, Truth

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

#: Distinct videos come from a sketch: they may be off by this much, or by one.
VIDEO_TOLERANCE = 0.02


@dataclass
class Verdict:
    """`differences` describes the first few keys that are wrong, per check; none means all is exact."""

    keys: dict[str, int] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)
    worst_videos_error: float = 0.0

    @property
    def passed(self) -> bool:
        return not self.differences


def judge(client: Client, truth: Truth) -> Verdict:
    """Read every count of both grains and every reject, and compare."""
    verdict = Verdict()
    for grain, expected in truth.events.items():
        found_events, found_videos = _counts(client, grain)
        verdict.keys[grain] = len(expected)
        _compare_events(verdict, grain, expected, found_events)
        for key, videos in truth.videos[grain].items():
            error = abs(found_videos.get(key, 0) - len(videos))
            verdict.worst_videos_error = max(verdict.worst_videos_error, error / len(videos))
            if error > max(1, VIDEO_TOLERANCE * len(videos)):
                verdict.differences.append(f"{grain} {key}: {found_videos.get(key, 0)} videos, truth {len(videos)}")
    rejects = Counter(
        {str(reason): int(n) for reason, n in client.query(
            "SELECT reason, count() FROM rejected_events FINAL GROUP BY reason"
        ).result_rows}
    )  # fmt: skip
    if rejects != truth.rejects:
        verdict.differences.append(f"rejects: {dict(rejects)}, truth {dict(truth.rejects)}")
    return verdict


def _counts(client: Client, grain: str) -> tuple[dict[Key, int], dict[Key, int]]:
    rows = client.query(
        "SELECT event_type, country, hashtag, sticker, window_start, sum(events), uniqCombined64Merge(14)(videos)"
        " FROM {table:Identifier} WHERE event_type != '__receipt'"
        " GROUP BY event_type, country, hashtag, sticker, window_start",
        parameters={"table": f"engagement_{grain}"},
        query_tz="UTC",
        tz_mode="aware",
    ).result_rows
    events = {tuple(row[:5]): int(row[5]) for row in rows}
    return events, {tuple(row[:5]): int(row[6]) for row in rows}


def _compare_events(verdict: Verdict, grain: str, expected: Counter[Key], found: dict[Key, int]) -> None:
    if found == expected:
        return
    wrong = [key for key in expected.keys() | found.keys() if expected.get(key, 0) != found.get(key, 0)]
    verdict.differences.append(f"{grain}: {len(wrong)} keys of {len(expected)} differ")
    verdict.differences += [
        f"{grain} {key}: {found.get(key, 0)} events, truth {expected.get(key, 0)}" for key in sorted(wrong)[:10]
    ]
