"""The naive way at its best: aiokafka's getmany, orjson, one dict."""

from __future__ import annotations

import asyncio
from collections import defaultdict

import orjson
from aiokafka import AIOKafkaConsumer

from loadtest.peers.job import Entry, unix_minute


async def main() -> None:
    entry = Entry("aiokafka", "orjson")
    job = entry.job
    counts: defaultdict[tuple[str, str, str, str, str], int] = defaultdict(int)
    loads, seen = orjson.loads, 0
    async with AIOKafkaConsumer(
        *job.topics, bootstrap_servers=job.kafka, group_id=job.group, auto_offset_reset="earliest"
    ) as consumer:
        while seen < job.events:
            fetched = await consumer.getmany(timeout_ms=200)
            entry.begin()
            for records in fetched.values():
                seen += len(records)
                for record in records:
                    event = loads(record.value)
                    kind, minute, country = event["type"], event["ts"][:16], event["country"]
                    sticker = event.get("sticker", "")
                    counts[kind, minute, country, sticker, ""] += 1
                    for tag in event["hashtags"]:
                        counts[kind, minute, country, sticker, tag] += 1
        entry.end()
        entry.deliver(
            ((kind, country, tag, sticker, unix_minute(minute)), number)
            for (kind, minute, country, sticker, tag), number in counts.items()
        )


if __name__ == "__main__":
    asyncio.run(main())
