"""Faust as its documentation begins: an agent, an event at a time, a dict beside it."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import faust

from loadtest.peers.job import SESSION_S, Entry, unix_minute

entry = Entry("faust-streaming", "aiokafka")
job = entry.job
app = faust.App(
    job.group,
    broker=f"kafka://{job.kafka}",
    store="memory://",
    datadir=job.folder,
    web_enabled=False,
    autodiscover=False,
    topic_allow_declare=False,
    topic_disable_leader=True,
    consumer_auto_offset_reset="earliest",
    broker_session_timeout=SESSION_S,  # the embedded broker forms a group the sooner
    broker_heartbeat_interval=SESSION_S / 3,
    broker_rebalance_timeout=SESSION_S,
)
events = app.topic(*job.topics, key_type=bytes, value_serializer="json")
counts: defaultdict[tuple[str, str, str, str, str], int] = defaultdict(int)


@app.agent(events)  # type: ignore[untyped-decorator, unused-ignore]
async def count(stream: Any) -> None:
    seen = 0
    async for event in stream:
        entry.begin()
        kind, minute, country = event["type"], event["ts"][:16], event["country"]
        sticker = event.get("sticker", "")
        for tag in ("", *event["hashtags"]):
            counts[kind, minute, country, sticker, tag] += 1
        seen += 1
        if seen == job.events:
            entry.end()
            entry.deliver(
                ((kind, country, tag, sticker, unix_minute(minute)), number)
                for (kind, minute, country, sticker, tag), number in counts.items()
            )


if __name__ == "__main__":
    faust.Worker(app, loglevel="WARNING", quiet=True, console_port=0).execute_from_commandline()
