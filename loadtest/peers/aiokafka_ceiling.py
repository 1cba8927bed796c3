"""The ceiling: fetch, and look at the value of every record. Nothing in this language counts faster than this."""

from __future__ import annotations

import asyncio

from loadtest.peers.fetching import batches
from loadtest.peers.job import Entry


async def main() -> None:
    entry = Entry("aiokafka")
    size = 0
    async for batch in batches(entry.job):
        entry.begin()
        for value in batch.values:
            size += len(value or b"")
    entry.end()
    assert size
    entry.deliver(())


if __name__ == "__main__":
    asyncio.run(main())
