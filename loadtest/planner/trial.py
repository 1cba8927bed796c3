"""Real runs for the planner: backlogs through one worker into ClickHouse, counted, checked, and what they cost."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import orjson
import psutil
from prometheus_client.parser import text_string_to_metric_families

from loadtest.backlog import Backlog
from loadtest.crew import Crew, CrewError
from loadtest.peers.job import cpu_s, write_counts
from loadtest.peers.tagpulse_full import counts, merges
from loadtest.peers.workload import Event, Workload
from schemas.topics import TOPICS
from sinks.claims import Claims, Log
from sinks.client import connect
from tagpulse.local import local_options
from tagpulse.stack.ports import HOST
from tagpulse.stack.supervisor import Stack

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

#: Each look costs ClickHouse a query, whose CPU is charged to the run.
_LOOK_S = 0.1
_START_S, _HOPELESS_PER_S = 60.0, 1_000
#: CPU time is counted in ticks.
_TICK_S = 0.01
_CLAIM_READS = 5
#: How long ClickHouse is watched while nothing happens.
_IDLE_LOOKS = 20
#: Deltas, rows, seconds from claim to done.
_METRICS = ("tagpulse_deltas_total", "tagpulse_rows_total", "tagpulse_write_seconds_sum")
_GRAINS = ("minute", "hour", "day")
_KEPT_IDS = """
SELECT sum(videos) FROM (
    SELECT uniqCombined64Merge(14)(videos) AS videos FROM engagement_{grain}
    WHERE event_type = 'sticker_use' GROUP BY country, hashtag, sticker, window_start
)
"""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What to run on one stack: backlogs, one after the other. `settings` are variables of the worker."""

    backlogs: Mapping[str, Workload]
    partitions: int
    settings: Mapping[str, str] = field(default_factory=dict)
    session_s: float = 10.0
    """Session timeout of the group: the events of a backlog must go into Kafka meanwhile."""
    quiet_s: float = 3.0
    """Merges have settled when there were none for so long."""
    batch_bytes: int = 512 * 1024
    """Of a record batch; a worker counts a whole batch before it looks at the size of its delta."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a backlog came to: numbers, seconds, bytes. CPU is user and system time."""

    name: str

    events: int
    value_bytes: int
    kafka_bytes: int
    """Bytes of all record batches, as they lie in the log."""
    deltas: int
    updates: int
    """Additions to counts: one an event, and one for each of its hashtags."""
    rows: int
    """Inserted, before any merge."""
    wall_s: float
    worker_cpu_s: float
    clickhouse_cpu_s: float
    """Until the last row had landed, merges meanwhile included."""
    idle_cores: float
    """CPU of ClickHouse per second while nothing happened but that we looked: part of the above all the same."""
    merges_cpu_s: float
    """From there until idle."""
    merges_settled: bool
    write_s: float
    """From claim to done, summed over all deltas."""
    start_s: float
    claim_read_s: float
    worker_bytes: int
    stored: Mapping[str, Mapping[str, float]]
    """Of each table, fully merged: rows and bytes."""
    kept_ids: Mapping[str, float]
    """Of each grain: distinct videos of all its keys, summed."""

    @property
    def clickhouse_s(self) -> float:
        """CPU seconds of ClickHouse that the backlog cost, merges until idle included."""
        spent = self.clickhouse_cpu_s - self.idle_cores * self.wall_s + self.merges_cpu_s
        return max(_TICK_S, spent)


async def run(trial: Trial, tell: Callable[[str], None] = lambda _: None) -> list[Seen]:
    """Run it on a stack of its own. To be called in the main thread. `tell` is given what is being done.

    Raises CrewError where a count is wrong or the worker ends, StackError where the stack does not start.
    """
    settings = {
        "TAGPULSE_KAFKA_SESSION_TIMEOUT_S": str(trial.session_s),
        "TAGPULSE_LOG_LEVEL": "WARNING",
        # TTLs would take rows, and the time to look for them.
        "TAGPULSE_RETENTION_MINUTE_DAYS": "36500",
        "TAGPULSE_RETENTION_HOUR_DAYS": "36500",
        **trial.settings,
    }
    tell("starting a stack")
    async with Stack(local_options(workers=1, partitions=trial.partitions, settings=settings)) as stack:
        bench = _Bench(stack, trial)
        await bench.crew.settled()
        bench.start_s = time.time() - bench.process.create_time()
        await bench.idle()
        found = []
        for name, workload in trial.backlogs.items():
            tell(f"{name}: making {workload.number:,} events")
            backlog = await asyncio.to_thread(
                Backlog.build, workload, trial.partitions, batch_bytes=trial.batch_bytes
            )  # fmt: skip
            tell(f"{name}: counting")
            seen = await bench.drain(name, backlog)
            tell(f"{name}: comparing every count with the truth")
            await asyncio.to_thread(bench.check_and_clear, backlog)
            found.append(seen)
        return found


class _Bench:
    """A running stack, and what it has counted so far."""

    def __init__(self, stack: Stack, trial: Trial) -> None:
        at, login = stack.endpoints, stack.endpoints.credentials
        self._trial, self._kafka = trial, at.kafka
        self.crew = Crew(stack)
        self.client = connect(at.clickhouse, login.user, login.password, at.database)
        self.process = psutil.Process(stack.workers[0].process.pid)
        self.start_s = self.idle_cores = 0.0
        self._port = stack.workers[0].port
        self._clickhouse = psutil.Process(stack.clickhouse.process.pid)
        self._events = 0
        self._metrics = dict.fromkeys(_METRICS, 0.0)

    async def idle(self) -> None:
        """Look as often as while something is counted, and see what that costs."""
        claims, begun = Claims(self.client), self._clocks()
        for _ in range(_IDLE_LOOKS):
            await asyncio.to_thread(claims.counted)
            await asyncio.sleep(_LOOK_S)
        wall_s, _, clickhouse_s = (end - begin for end, begin in zip(self._clocks(), begun, strict=True))
        self.idle_cores = clickhouse_s / wall_s

    async def drain(self, name: str, backlog: Backlog) -> Seen:
        with self.crew.halted(self._trial.session_s):
            await backlog.send(self._kafka)
            begun = self._clocks()
        self._events += backlog.events
        await self._counted()
        ended = self._clocks()
        before, self._metrics = self._metrics, await _metrics(self._port)
        deltas, rows, write_s = (self._metrics[metric] - before[metric] for metric in _METRICS)
        settled = await asyncio.to_thread(merges, self.client, self._clickhouse, self._trial.quiet_s)
        stored, kept_ids = await asyncio.to_thread(self._stored)
        wall_s, worker_s, clickhouse_s = (end - begin for end, begin in zip(ended, begun, strict=True))
        return Seen(
            name=name,
            events=backlog.events,
            value_bytes=backlog.size,
            kafka_bytes=sum(batch.size() for batches in backlog.batches.values() for batch in batches),
            updates=backlog.truth.rows,
            deltas=round(deltas),
            rows=round(rows),
            wall_s=wall_s,
            worker_cpu_s=worker_s,
            clickhouse_cpu_s=clickhouse_s,
            idle_cores=self.idle_cores,
            merges_cpu_s=settled["merges_cpu_s"],
            merges_settled=bool(settled["merges_settled"]),
            write_s=write_s,
            start_s=self.start_s,
            claim_read_s=await asyncio.to_thread(_claim_read_s, self.client, self._trial.partitions),
            worker_bytes=self.crew.peak_rss(),
            stored=stored,
            kept_ids=kept_ids,
        )

    def _stored(self) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
        for grain in _GRAINS:
            self.client.command(f"OPTIMIZE TABLE engagement_{grain} FINAL")
        return _stored(self.client)

    def check_and_clear(self, backlog: Backlog) -> None:
        """Raises CrewError where a count is wrong. Then the counts are removed: the next backlog finds empty tables."""
        with tempfile.TemporaryDirectory(prefix="tagpulse-plan-") as folder:
            path = Path(folder) / "counts.ndjson"
            write_counts(path, counts(self.client))
            if wrong := backlog.truth.differences([path]):
                raise CrewError(f"the counts are wrong, so there are no figures: {wrong[0]}")
        for grain in _GRAINS:
            self.client.command(f"TRUNCATE TABLE engagement_{grain}")

    def _clocks(self) -> tuple[float, float, float]:
        return time.monotonic(), self.crew.cpu_s()[0], cpu_s(self._clickhouse)

    async def _counted(self) -> None:
        claims, deadline_s = Claims(self.client), _START_S + self._events / _HOPELESS_PER_S
        deadline = time.monotonic() + deadline_s
        while (number := await asyncio.to_thread(claims.counted)) != self._events:
            self.crew.check()
            if time.monotonic() > deadline:
                raise CrewError(f"{number:,} of {self._events:,} records are counted after {deadline_s:.0f} s")
            await asyncio.sleep(_LOOK_S)


async def _metrics(port: int) -> dict[str, float]:
    async with aiohttp.ClientSession() as session, session.get(f"http://{HOST}:{port}/metrics") as response:
        families = text_string_to_metric_families(await response.text())
        return {sample.name: sample.value for family in families for sample in family.samples if not sample.labels}


def _stored(client: Client) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
    found = {
        table: {"rows": float(rows), "bytes": float(size)}
        for table, rows, size in client.query(
            "SELECT table, sum(rows), sum(bytes_on_disk) FROM system.parts"
            " WHERE active AND database = currentDatabase() GROUP BY table"
        ).result_rows
    }
    ids = {grain: float(client.query(_KEPT_IDS.format(grain=grain)).result_rows[0][0]) for grain in _GRAINS}
    return found, ids


def _claim_read_s(client: Client, partitions: int) -> float:
    """Median time that a partition's place in the chain takes to read."""
    claims, spent = Claims(client), []
    for topic in TOPICS:
        number = claims.incarnation(topic.name)
        for partition in range(partitions):
            for _ in range(_CLAIM_READS):
                began = time.perf_counter()
                claims.last(Log(topic.name, number, partition))
                spent.append(time.perf_counter() - began)
    return statistics.median(spent)


@dataclass(frozen=True, kw_only=True)
class Bare(Workload):
    """A workload whose events have no hashtags."""

    def events(self) -> Iterator[Event]:
        """As those of the workload, but without hashtags."""
        for event in super().events():
            fields = orjson.loads(event.value) | {"hashtags": []}
            yield event._replace(hashtags=(), value=orjson.dumps(fields))


@dataclass(frozen=True, kw_only=True)
class Padded(Workload):
    """A workload whose events have `padding` more bytes, in a field that nobody counts."""

    padding: int

    def events(self) -> Iterator[Event]:
        """As those of the workload, but longer."""
        more = b',"note":"%b"}' % (b"x" * (self.padding - len(b',"note":""')))
        for event in super().events():
            yield event._replace(value=event.value[:-1] + more)
