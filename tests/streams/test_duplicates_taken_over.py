"""A claim with duplicates is left open and taken over, on a real ClickHouse, while the log loses what they repeat."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from schemas.topics import EventType
from sinks.claims import Claims, Log
from streams.batch import RecordBatch
from tests.streams import handfed
from tests.streams.handfed import until

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

TOPIC = "video-views"
LOG = Log(TOPIC, 0, 0)
#: Event id of the record at each offset. Those at 4 and 5 are repeats, of what lies at 0 and 2.
IDS = "abcdacef"
FIRSTS, ALL = 4, len(IDS)


class Worker(handfed.Worker):
    """Every batch is a delta. It reads the log of the test from where its checkpoints say."""

    def __init__(self, client: Client, *, dies_at: str = "", dedup_records: int = 5) -> None:
        super().__init__(client, TOPIC, EventType.VIDEO_VIEW, dies_at=dies_at, dedup_records=dedup_records)

    async def count(self, begin: int, end: int, log_end: int = ALL) -> int:
        """Take over, and count up to `end` from a log that begins at `begin`. Returns where it started to read."""
        start, epoch = await self.take(begin, log_end)
        for first, next_ in ((start, FIRSTS), (max(start, FIRSTS), end)):
            if first < next_ <= end:
                await self.checkpoints.add(batch(first, next_, epoch))
        return start


def batch(first: int, next_: int, epoch: int) -> RecordBatch:
    event = {"ts": "2026-05-01T12:00:00Z", "country": "PH", "video_id": "7"}
    values = [json.dumps(event | {"event_id": name, "hashtags": [name]}).encode() for name in IDS]
    return RecordBatch(TOPIC, 0, epoch, first, next_, range(first, next_), values[first:next_])


def done_up_to(client: Client) -> int:
    claims = Claims(client).judged(LOG, 0, ALL)
    return claims[-1].next if claims else 0


def counted(client: Client) -> list[dict[str, int]]:
    """Events of each hashtag, which is the event id, at the three grains."""
    return [
        {
            str(hashtag): int(events)
            for hashtag, events in client.query(
                f"SELECT hashtag, sum(events) FROM engagement_{grain} WHERE event_type = 'video_view' AND hashtag != ''"
                " GROUP BY hashtag"
            ).result_rows
        }
        for grain in ("minute", "hour", "day")
    ]


def rejected(client: Client) -> list[tuple[int, str]]:
    rows = client.query("SELECT offset, reason FROM rejected_events FINAL ORDER BY offset").result_rows
    return [(int(offset), str(reason)) for offset, reason in rows]


ONCE = dict.fromkeys("abcdef", 1)


@pytest.mark.parametrize(
    ("dies_at", "begin", "counts", "duplicates"),
    [
        ("claimed", 0, ONCE, [4, 5]),
        # What is brought to land by the recount is by what the log still shows: offset 0 is gone, 2 is not.
        ("claimed", 2, ONCE | {"a": 2}, [5]),
        ("before-done", 2, ONCE, [4, 5]),
    ],
)
async def test_an_open_claim_with_duplicates_is_finished(
    database: Client, dies_at: str, begin: int, counts: dict[str, int], duplicates: list[int]
) -> None:
    first, second, third = Worker(database), Worker(database, dies_at=dies_at), Worker(database)
    assert await first.count(0, FIRSTS) == 0
    await until(lambda: done_up_to(database) == FIRSTS, "the first claim is done")
    assert await second.count(0, ALL) == 0
    await until(lambda: second.last_words, "the second worker has died")
    assert await third.count(begin, ALL) == begin
    await until(lambda: done_up_to(database) == ALL, f"the open claim is done {third.last_words}")
    assert counted(database) == [counts] * 3
    assert rejected(database) == [(offset, "duplicate") for offset in duplicates]
    for worker in (first, second, third):
        await worker.stop()


async def test_a_changed_setting_leaves_the_past_and_an_open_claim_as_they_are(database: Client) -> None:
    """The open claim was made with duplicates left out; who recounts it counts them by its own settings."""
    first, second = Worker(database), Worker(database, dies_at="claimed")
    await first.count(0, FIRSTS)
    await until(lambda: done_up_to(database) == FIRSTS, "the first claim is done")
    await second.count(0, ALL)
    await until(lambda: second.last_words, "the second worker has died")
    third = Worker(database, dedup_records=0)
    assert await third.count(0, ALL) == 0, "what the claim asks for"
    await until(lambda: done_up_to(database) == ALL, f"the open claim is done {third.last_words}")
    assert counted(database) == [ONCE] * 3
    fourth = Worker(database, dedup_records=0)
    assert await fourth.count(0, ALL) == ALL - 1, "only the last counted record is read again"
    for worker in (first, second, third, fourth):
        await worker.stop()
