"""The ceiling: fetch, and take the value of every record in hand. Nothing that gets records from aiokafka is faster."""

from __future__ import annotations

import asyncio

from loadtest.peers.fetching import fetches
from loadtest.peers.job import Entry


async def main() -> None:
    entry = Entry("aiokafka")
    seen = 0
    async for _, records in fetches(entry.job):
        entry.begin()
        values = [record.value for record in records]
        seen += len(values)
        if seen >= entry.job.events:
            break
    entry.end()
    entry.deliver(())


if __name__ == "__main__":
    asyncio.run(main())
