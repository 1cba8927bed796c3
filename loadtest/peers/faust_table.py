"""Faust's own answer: a table with tumbling windows of a minute, in memory, with its changelog in Kafka."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import faust

from loadtest.peers.job import SESSION_S, Entry

entry = Entry("faust-streaming", "aiokafka")
job = entry.job
app = faust.App(
    job.group,
    broker=f"kafka://{job.kafka}",
    store="memory://",
    datadir=job.folder,
    web_enabled=False,
    autodiscover=False,
    topic_disable_leader=True,
    topic_partitions=job.partitions,
    consumer_auto_offset_reset="earliest",
    broker_session_timeout=SESSION_S,  # the embedded broker forms a group the sooner
    broker_heartbeat_interval=SESSION_S / 3,
    broker_rebalance_timeout=SESSION_S,
)
events = app.topic(*job.topics, key_type=bytes, value_serializer="json")
# Windows by the timestamp of the record, which is the event's; they stay for an hour.
counts = app.Table("counts", default=int).tumbling(timedelta(minutes=1), expires=timedelta(hours=1))


@app.agent(events)  # type: ignore[untyped-decorator, unused-ignore]
async def count(stream: Any) -> None:
    seen = 0
    async for event in stream:
        entry.begin()
        kind, country, sticker = event["type"], event["country"], event.get("sticker", "")
        for tag in ("", *event["hashtags"]):
            counts[kind, country, tag, sticker] += 1
        seen += 1
        if seen == job.events:
            entry.end()
            entry.deliver(((*key, int(start) // 60), number) for (key, (start, _)), number in counts.table.items())


if __name__ == "__main__":
    faust.Worker(app, loglevel="WARNING", quiet=True, console_port=0).execute_from_commandline()
