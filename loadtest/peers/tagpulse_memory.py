"""The real worker, Faust and transport included, with a writer that keeps its rows in memory."""

from __future__ import annotations

from typing import Any

import faust

from loadtest.peers.job import Entry
from loadtest.peers.memory_writer import MemoryWriter, install
from streams.app import create_app
from streams.checkpoints import Checkpoints
from streams.settings import Settings


def main() -> None:
    entry = Entry("tagpulse", "faust-streaming", "aiokafka")
    count = Checkpoints.add

    def written(records: int) -> None:
        if records == entry.job.events:
            entry.end()
            entry.deliver(writer.counts())

    async def add(checkpoints: Checkpoints, batch: Any) -> None:
        entry.begin()
        await count(checkpoints, batch)

    writer = MemoryWriter(written)
    install(writer)
    setattr(Checkpoints, "add", add)  # noqa: B010 - this process has no other purpose
    settings = Settings(kafka_bootstrap_servers=entry.job.kafka, kafka_group=entry.job.group, log_level="WARNING")
    faust.Worker(create_app(settings), loglevel="WARNING", quiet=True, console_port=0).execute_from_commandline()


if __name__ == "__main__":
    main()
