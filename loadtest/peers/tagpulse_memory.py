"""The real worker, Faust and transport included, with a writer that keeps its rows in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast
from uuid import UUID

import faust

from loadtest.peers.job import Entry
from loadtest.peers.tagpulse_counts import keyed
from sinks.claims import Claim, Log
from sinks.delta import Rows
from sinks.writer import Writer
from streams.app import PulseApp, create_app
from streams.checkpoints import Checkpoints
from streams.settings import Settings


class NoClickHouse:
    """Takes the display forms of hashtags, and forgets them."""

    def insert(self, *_: Any, **__: Any) -> None:
        """Do nothing."""


class MemoryWriter:
    """As sinks.writer.Writer to the checkpoints, but every log is new and what is written stays here."""

    def __init__(self, entry: Entry) -> None:
        self.client = NoClickHouse()
        self._entry = entry
        self._seen = 0
        self._rows: list[Rows] = []

    def chain_end(self, log: Log, begin: int, worker: str, claim_id: UUID) -> Claim:
        """Every chain begins here."""
        return Claim(log, begin, begin, claim_id, worker, 0.0, "", done=True)

    def incarnation(self, topic: str) -> int:
        """The first."""
        return 0

    def keep_rules(self, version: str, text: str) -> None:
        """Do nothing."""

    def rules_text(self, version: str) -> str | None:
        """None are kept."""
        return None

    def write(self, claim: Claim, tail: Claim, rows: Rows, *_: Any) -> Claim:
        """Keep the rows; with the last of them the run is over."""
        self._rows.append(rows)
        self._seen += claim.records
        if self._seen == self._entry.job.events:
            self._entry.end()
            self._entry.deliver(keyed(self._rows))
        return replace(claim, done=True)


def main() -> None:
    entry = Entry("tagpulse", "faust-streaming", "aiokafka")
    count = Checkpoints.add

    async def add(checkpoints: Checkpoints, batch: Any) -> None:
        entry.begin()
        await count(checkpoints, batch)

    async def writer(_: PulseApp) -> Writer:
        return cast(Writer, MemoryWriter(entry))

    setattr(Checkpoints, "add", add)  # noqa: B010 - this process has no other purpose
    setattr(PulseApp, "_writer", writer)  # noqa: B010
    settings = Settings(kafka_bootstrap_servers=entry.job.kafka, kafka_group=entry.job.group, log_level="WARNING")
    faust.Worker(create_app(settings), loglevel="WARNING", quiet=True, console_port=0).execute_from_commandline()


if __name__ == "__main__":
    main()
