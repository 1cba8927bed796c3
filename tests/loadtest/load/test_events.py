"""What a sender composes, against the truth it writes down: the bytes in the batches are decoded and counted again."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from aiokafka.record.memory_records import MemoryRecords

from loadtest.load.ledger import Ledger, Sent
from loadtest.load.sender import Composer, alone
from loadtest.load.templates import POISON, Templates, topic_numbers
from loadtest.load.workload import Workload, load
from schemas.topics import EventType
from streams.judge import Fault, judge
from streams.rules import Rules
from tagpulse.demo.truth import compute

NOW_S = 1_780_000_000.0


def small(name: str, **fields: Any) -> Workload:
    return load(name).changed({"videos": 300, "partitions": 3, **fields})


def composed(workload: Workload, folder: Path, number: int = 3_000) -> tuple[list[tuple[int, Any]], Sent]:
    """(place, record) of `number` events, due within three seconds, and what the ledger says of them."""
    templates, ledger = Templates(workload), Ledger(folder, 0)
    composer = Composer(templates, 0, ledger)
    records = []
    for tick in range(6):
        dues = tick / 2 + np.arange(number // 6) / (number // 3)
        for place, builder, part in composer.compose(dues, NOW_S, tick * 20.0):
            batch = MemoryRecords(
                bytes(builder._build() if hasattr(builder, "_build") else builder._buffer)
            ).next_batch()
            found = [(place, record) for record in batch]
            assert len(found) == len(part)
            records += found
    ledger.fold()
    return records, Sent(folder, templates)


def counted(records: list[tuple[int, Any]]) -> dict[int, Counter[tuple[str, str, str, str]]]:
    """By minute, from the bytes alone."""
    events = [orjson.loads(record.value) for _, record in records]
    truth = compute(events, {}, datetime.fromtimestamp(NOW_S, UTC) + timedelta(minutes=1))
    assert truth.records == len(records) == sum(1 for _ in events)
    found: dict[int, Counter[tuple[str, str, str, str]]] = {}
    for (*cell, window), number in truth.events["minute"].items():
        kind, country, tag, sticker = cell
        found.setdefault(int(window.timestamp()) // 60, Counter())[kind, country, tag, sticker] += number
    return found


@pytest.mark.parametrize("name", ["steady", "hot-hashtag", "campaign-launch", "late", "long-tail"])
def test_the_ledger_is_what_the_bytes_say(name: str, tmp_path: Path) -> None:
    records, sent = composed(small(name), tmp_path)
    found = counted(records)
    assert sorted(found) == sent.minutes()
    assert {minute: sent.counts(minute) for minute in found} == found
    assert not sent.rejects()


def test_ids_are_unique_and_videos_stay_in_their_partition(tmp_path: Path) -> None:
    records, _ = composed(small("steady"), tmp_path)
    events = [(place, orjson.loads(record.value), record) for place, record in records]
    assert len({event["event_id"] for _, event, _ in events}) == len(events)
    places: dict[tuple[str, str], int] = {}
    for place, event, record in events:
        assert place // 3 == topic_numbers()[event["type"]]
        assert record.key == event["video_id"].encode()
        assert places.setdefault((event["type"], event["video_id"]), place) == place
    assert len({place for place, _, _ in events}) == 9


def test_sticky_batches_go_to_one_partition_after_the_other(tmp_path: Path) -> None:
    records, _ = composed(small("steady", partitioning="sticky"), tmp_path)
    assert Counter(place % 3 for place, _ in records) == {0: 1000, 1: 1000, 2: 1000}


def test_poison_is_what_its_reason_says(tmp_path: Path) -> None:
    for reason, value in POISON:
        verdict = judge(EventType.VIDEO_VIEW, Rules(), value, NOW_S)
        assert isinstance(verdict, Fault)
        assert verdict.reason.value == reason
    records, sent = composed(small("poison", poison=0.5), tmp_path)
    values = {value: reason for reason, value in POISON}
    bad = Counter(values[record.value] for _, record in records if record.value in values)
    assert 0.4 < bad.total() / len(records) < 0.6
    assert sent.rejects() == bad


def test_shares_of_spotlights_are_met(tmp_path: Path) -> None:
    records, _ = composed(small("hot-hashtag"), tmp_path)
    share = sum("fyp" in orjson.loads(record.value)["hashtags"][:1] for _, record in records) / len(records)
    assert 0.45 < share < 0.6  # half of it, and some real videos that carry it, too


def test_records_are_padded(tmp_path: Path) -> None:
    records, _ = composed(small("steady", record_bytes=2_000), tmp_path, 600)
    assert all(2_000 <= len(record.value) < 2_100 for _, record in records)


@pytest.mark.parametrize("compression", ["gzip", "lz4", "zstd"])
def test_batches_are_compressed(compression: str, tmp_path: Path) -> None:
    records, sent = composed(small("steady", compression=compression), tmp_path, 600)
    assert counted(records) == {minute: sent.counts(minute) for minute in sent.minutes()}


def test_the_same_workload_sends_the_same(tmp_path: Path) -> None:
    def values(folder: str) -> list[bytes]:
        (tmp_path / folder).mkdir()
        records, _ = composed(small("late"), tmp_path / folder, 600)
        return [orjson.dumps(orjson.loads(r.value) | {"event_id": ""}) for _, r in records]

    assert values("a") == values("b")


def test_the_limit_of_the_generator_is_measured() -> None:
    assert alone(Templates(small("steady")), 0.05) > 0
