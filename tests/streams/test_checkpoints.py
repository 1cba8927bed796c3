"""What reaches a worker's checkpoints late: it must change nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from schemas.topics import EventType
from sinks.claims import Claims
from streams.batch import RecordBatch
from tests.streams.handfed import Worker, until

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

TOPIC, LOT = "video-views", 8


def lot(number: int, epoch: int) -> RecordBatch:
    """Views of one minute each, so that each makes rows of its own."""
    first = number * LOT
    common = {"country": "PH", "video_id": "7", "hashtags": []}
    values = [
        json.dumps(common | {"ts": f"2026-05-01T12:{first + n:02}:00Z"}).encode() for n in range(LOT)
    ]  # fmt: skip
    return RecordBatch(TOPIC, 0, epoch, first, first + LOT, range(first, first + LOT), values)


@pytest.mark.parametrize("dropped", ["assigned again", "released"])
async def test_batches_of_an_old_epoch_are_dropped(database: Client, dropped: str) -> None:
    """Counted, such a lot would stand for those before it, whose records would then be behind the position."""
    worker = Worker(database, TOPIC, EventType.VIDEO_VIEW, rows=4 * LOT)
    _, old = await worker.take(0, 100)
    await worker.checkpoints.add(lot(0, old))
    late = lot(2, old)
    if dropped == "released":
        await worker.checkpoints.release(60)
    start, epoch = await worker.take(0, 100)
    # The record that was counted last is read again.
    assert start == (LOT - 1 if dropped == "released" else 0)
    await worker.checkpoints.add(late)
    for number in range(5):
        await worker.checkpoints.add(lot(number, epoch))
    end = (5 if dropped == "released" else 4) * LOT
    await until(lambda: [c.next for c in Claims(database).history(TOPIC) if c.done][-1] == end, "all has landed")
    assert worker.last_words == []
    for grain in ("minute", "hour", "day"):
        query = f"SELECT sum(events) FROM engagement_{grain} WHERE event_type = 'video_view' AND hashtag = ''"
        assert database.query(query).result_rows == [(end,)]
    await worker.stop()
