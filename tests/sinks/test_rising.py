"""Rising hashtags: planted risers are found, steady noise raises no alarm."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from sinks.campaign_answers import CampaignAnswers, Rising

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

AT = datetime(2026, 5, 20, 18, 0, tzinfo=UTC)
DAYS = 7
SEED = 20260520
Row = list[Any]


def rows(hour: datetime, country: str, counts: dict[str, int], dice: np.random.Generator) -> Iterator[Row]:
    """Counts of the hour that begins at `hour`, spread over its minutes, with the row of all events."""
    everything = np.zeros(60, dtype=np.int64)
    for tag, number in counts.items():
        spread = dice.multinomial(number, [1 / 60] * 60)
        everything += spread
        for minute in np.flatnonzero(spread):
            yield [hour + timedelta(minutes=int(minute)), "video_creation", country, tag, int(spread[minute])]
    for minute in np.flatnonzero(everything):
        yield [hour + timedelta(minutes=int(minute)), "video_creation", country, "", int(everything[minute])]


def insert(client: Client, found: list[Row]) -> None:
    for grain in ("minute", "hour"):
        kept = found if grain == "minute" else [[m.replace(minute=0), *rest] for m, *rest in found]
        client.insert(
            f"engagement_{grain}", kept, column_names=["window_start", "event_type", "country", "hashtag", "events"]
        )


def steady(tags: int, hot: float) -> dict[str, float]:
    """Usual counts an hour: a long tail, from `hot` down to less than one."""
    return {f"t{n}": hot / (n + 1) for n in range(tags)}


def noise(usual: dict[str, float], dice: np.random.Generator, factor: float = 1.0, wild: float = 0.0) -> dict[str, int]:
    """Counts of one hour. `wild`: relative deviation of each tag from day to day, beyond Poisson's."""
    found = {}
    for tag, mean in usual.items():
        shaken = mean * factor * (dice.gamma(1 / wild**2, wild**2) if wild else 1.0)
        found[tag] = int(dice.poisson(shaken))
    return {tag: number for tag, number in found.items() if number}


@pytest.mark.parametrize("grain", ["minute", "hour"])
def test_planted_risers_are_found_and_nothing_else(database: Client, grain: str) -> None:
    dice = np.random.default_rng(SEED)
    usual = steady(3_000, 4_000)
    found: list[Row] = []
    for day in range(DAYS + 1):
        begin = AT - timedelta(days=day, hours=1)
        now = noise(usual, dice)
        if day == 0:
            now |= {"t20": 600, "t400": 60, "brandnew": 80}  # usual: 190, 10, none
        found += rows(begin, "PH", now, dice)
        # The hours around are of no concern, however wild they are.
        found += rows(begin - timedelta(hours=2), "PH", {"other": 900, "t7": 50 * (day + 1)}, dice)
        quiet = noise(usual, dice)
        if day == 0:
            quiet |= {"onlyhere": 70}
        found += rows(begin, "US", quiet, dice)
    insert(database, found)
    answers, by = CampaignAnswers(database), Rising(grain=grain)
    here = answers.rising("video_creation", AT, country="PH", by=by)
    assert {row["hashtag"] for row in here} == {"t20", "t400", "brandnew"}, f"seed {SEED}"
    assert [row["score"] for row in here] == sorted((row["score"] for row in here), reverse=True)
    riser = next(row for row in here if row["hashtag"] == "t20")
    assert riser["events"] == 600
    assert riser["usual"] == pytest.approx(190, rel=0.1)
    assert riser["ratio"] == pytest.approx(600 / 190, rel=0.1)
    assert 1 < riser["score"] < riser["ratio"]
    world = {row["hashtag"] for row in answers.rising("video_creation", AT, by=by)}
    assert {"t20", "brandnew", "onlyhere"} <= world
    assert world <= {"t20", "t400", "brandnew", "onlyhere"}
    everywhere = answers.rising("video_creation", AT, country="*", by=by)
    assert {(row["country"], row["hashtag"]) for row in everywhere} == {
        ("PH", "t20"), ("PH", "t400"), ("PH", "brandnew"), ("US", "onlyhere"),
    }  # fmt: skip


def test_steady_noise_raises_no_alarm(database: Client) -> None:
    """Alike, busier and counted in part; as Poisson has it, and with more variation from day to day."""
    dice = np.random.default_rng(SEED + 1)
    usual = steady(3_000, 4_000)
    kinds = {"PH": (1.0, 0.0), "US": (3.0, 0.0), "BR": (0.2, 0.0), "GB": (1.0, 0.3), "MX": (3.0, 0.3), "ID": (0.2, 0.3)}
    found: list[Row] = []
    for country, (factor, wild) in kinds.items():
        for day in range(DAYS + 1):
            counts = noise(usual, dice, factor if day == 0 else 1.0, wild)
            found += rows(AT - timedelta(days=day, hours=1), country, counts, dice)
    insert(database, found)
    answers, by = CampaignAnswers(database), Rising(minimum=5)
    assert answers.rising("video_creation", AT, country="*", by=by, limit=100) == [], f"seed {SEED + 1}"


def test_without_days_to_compare_with_there_is_no_answer(database: Client) -> None:
    dice = np.random.default_rng(SEED)
    insert(database, list(rows(AT - timedelta(hours=1), "PH", {"new": 500}, dice)))
    insert(database, list(rows(AT - timedelta(days=1, hours=1), "PH", {"old": 500}, dice)))
    assert CampaignAnswers(database).rising("video_creation", AT) == []
