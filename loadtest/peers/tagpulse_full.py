"""The full path: the real worker, in a process of its own, into the ClickHouse of the stack.

The stack's ClickHouse and its login come by TAGPULSE_ variables; every run has a database of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import orjson
import psutil

from loadtest.peers.job import Entry, Figures, Job, Key, cpu_s, peak_rss
from loadtest.peers.merges import STATE, settle
from sinks.client import connect
from sinks.migrations import migrate
from streams.settings import Settings

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_POLL_S = 0.2
_STOP_S = 40.0


def main() -> None:
    entry = Entry("tagpulse", "faust-streaming", "aiokafka", "chdb")
    client = fresh_database(entry.job)
    variables = {
        "TAGPULSE_KAFKA_GROUP": entry.job.group,
        "TAGPULSE_CLICKHOUSE_DATABASE": database(entry.job),
        "TAGPULSE_LOG_LEVEL": "WARNING",
    }
    with subprocess.Popen([sys.executable, "-m", "tagpulse", "worker"], env=os.environ | variables) as worker:
        figures = _measure(entry, worker, client)
        worker.terminate()
        worker.wait(_STOP_S)
    entry.deliver(counts(client), figures)


def merges(client: Client, clickhouse: psutil.Process, quiet_s: float) -> dict[str, float]:
    """Wait until the merges of the client's database have settled (see `merges.settle`)."""
    query = STATE.format(database=client.database)

    def state() -> tuple[int, int]:
        running, parts = client.query(query).result_rows[0]
        return int(running), int(parts)

    return settle(state, lambda: cpu_s(clickhouse), quiet_s)


def database(job: Job) -> str:
    """Name of the database of this run."""
    return job.group.replace("-", "_")


def fresh_database(job: Job) -> Client:
    """Make it, and connect."""
    settings = Settings()
    login = settings.clickhouse_url, settings.clickhouse_user, settings.clickhouse_password.get_secret_value()
    migrate(connect(*login), database(job), settings.retention())
    return connect(*login, database(job))


def _measure(entry: Entry, process: subprocess.Popen[bytes], client: Client) -> Figures:
    worker, clickhouse = psutil.Process(process.pid), psutil.Process(entry.job.clickhouse_pid)
    begun = counted = None
    while counted != entry.job.events:
        time.sleep(_POLL_S if begun else 0.02)
        if process.poll() is not None:
            raise RuntimeError(f"the worker ended with exit code {process.returncode}")
        # The first claim only says where the chain of a partition begins: nothing is counted yet.
        claims, counted = client.query("SELECT count(), sumIf(records, done) FROM claims").result_rows[0]
        if claims and begun is None:
            begun = time.monotonic(), cpu_s(worker), cpu_s(clickhouse)
    assert begun is not None
    ended = time.monotonic(), cpu_s(worker), cpu_s(clickhouse)
    wall_s, worker_s, clickhouse_s = (end - begin for end, begin in zip(ended, begun, strict=True))
    peaks = peak_rss(process.pid), peak_rss(clickhouse.pid)
    return Figures(
        version=entry.version,
        wall_s=wall_s,
        cpu_s=worker_s,
        peak_rss=peaks[0],
        extra={
            "clickhouse_cpu_s": clickhouse_s,
            "clickhouse_peak_rss": peaks[1],
            **merges(client, clickhouse, entry.job.quiet_s),
        },
    )


def counts(client: Client) -> Iterator[tuple[Key, int]]:
    """What the minute grain holds."""
    query = (
        "SELECT event_type, country, hashtag, sticker, intDiv(toUnixTimestamp(window_start), 60), events"
        " FROM engagement_minute WHERE event_type != '__receipt'"
    )
    settings = {"output_format_json_quote_64bit_integers": 0}
    for line in client.raw_query(query, fmt="JSONCompactEachRow", settings=settings).splitlines():
        kind, country, tag, sticker, minute, number = orjson.loads(line)
        yield (kind, country, tag, sticker, minute), number


if __name__ == "__main__":
    main()
