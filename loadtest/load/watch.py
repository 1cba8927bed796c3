"""What can be seen of a run from outside while it goes on: what a SELECT shows, and what it costs."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson
import psutil
from clickhouse_connect.driver.exceptions import ClickHouseError
from urllib3.exceptions import HTTPError

from loadtest.load.crew import Crew, counted_file
from loadtest.load.sender import PROGRESS
from loadtest.load.servers import Servers
from loadtest.load.workload import Workload
from loadtest.peers.job import cpu_s
from schemas.topics import TOPICS
from sinks.delta import RECEIPT
from sinks.errors import SinkError

#: How often a SELECT looks for what is visible, and how often the rest is looked at, seconds.
LOOK_S, SAMPLE_S = 0.25, 1.0
_UNREACHABLE = (ClickHouseError, SinkError, HTTPError, OSError)
_SHOWN = """
SELECT hashtag, max(landed) FROM engagement_minute
WHERE event_type = {receipt:String} AND sticker = '' GROUP BY hashtag
"""
#: A delta of nothing but rejects has no receipt: its claim says when it had landed.
_REJECTED = """
SELECT concat(topic, '/', toString(incarnation), '/', toString(partition)), max(next) FROM claims
WHERE done AND records = rejects AND first < next GROUP BY topic, incarnation, partition
"""
_STATE = """
SELECT
    (SELECT count() FROM system.parts WHERE active AND database = currentDatabase()) AS parts,
    (SELECT sum(rows) FROM system.parts
     WHERE active AND database = currentDatabase() AND table LIKE 'engagement%') AS rows,
    (SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = currentDatabase()) AS bytes,
    (SELECT count() FROM system.merges WHERE database = currentDatabase()) AS merges,
    (SELECT countIf(done AND first < next) FROM claims) AS deltas
"""


class Visible:
    """A thread that asks again and again what a SELECT shows; in `seen` by place, as it grew."""

    def __init__(self, servers: Servers, workload: Workload, look_s: float = LOOK_S) -> None:
        self._servers, self._partitions, self._look_s = servers, workload.partitions, look_s
        self._rejects = workload.poison > 0
        self._numbers = {servers.prefix + topic.name: number for number, topic in enumerate(TOPICS)}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="visible", daemon=True)
        self.seen: dict[int, list[tuple[int, float]]] = {}
        self.failures = 0
        """Questions that ClickHouse did not answer."""

    def __enter__(self) -> Visible:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def events(self) -> int:
        """How many are visible."""
        return sum(seen[-1][0] for seen in list(self.seen.values()))

    def _watch(self) -> None:
        client = None
        while not self._over.wait(self._look_s):
            try:
                client = client or self._servers.connect()
                rows = list(client.query(_SHOWN, parameters={"receipt": RECEIPT}).result_rows)
                if self._rejects:
                    rows += client.query(_REJECTED).result_rows
            except _UNREACHABLE:
                self.failures += 1
                continue
            now = time.monotonic()
            for log, landed in rows:
                topic, _, partition = log.rsplit("/", 2)
                seen = self.seen.setdefault(self._numbers[topic] * self._partitions + int(partition), [])
                if not seen or seen[-1][0] < landed:
                    seen.append((int(landed), now))


@dataclass
class Sample:
    """A moment of a run. CPU seconds since its begin, bytes, records."""

    second: float
    confirmed: int
    visible: int
    lag: int
    cpu_s: dict[str, float]
    rss: dict[str, int]
    parts: int = 0
    rows: int = 0
    bytes: int = 0
    merges: int = 0
    deltas: int = 0


@dataclass
class Costs:
    """CPU time and memory by name of process, over all lives of a process of that name."""

    cpu_s: dict[str, float] = field(default_factory=dict)
    peak_rss: dict[str, int] = field(default_factory=dict)
    rss: dict[str, int] = field(default_factory=dict)
    _last: dict[int, float] = field(default_factory=dict)

    def look(self, processes: Mapping[str, int]) -> None:
        """Add what each has used since the last look; before the first one nothing counts."""
        for name, pid in processes.items():
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                used, rss = cpu_s(process), _rss(process)
                known = self._last.get(pid)
                # A process that came later was started for this run: all of it counts.
                begun = used if known is None and name not in self.cpu_s else (known or 0.0)
                self.cpu_s[name] = self.cpu_s.get(name, 0.0) + used - begun
                self._last[pid] = used
                self.rss[name] = rss
                self.peak_rss[name] = max(self.peak_rss.get(name, 0), rss)


def _rss(process: psutil.Process) -> int:
    whole = int(process.memory_info().rss)
    for child in process.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            whole += int(child.memory_info().rss)
    return whole


class Samples:
    """One a second, until cancelled."""

    def __init__(
        self, servers: Servers, crew: Crew, visible: Visible, folder: Path, senders: Mapping[str, int]
    ) -> None:  # fmt: skip
        self._servers, self._crew, self._visible, self._folder = servers, crew, visible, folder
        self._senders = senders
        self.costs = Costs()
        self.rows: list[Sample] = []
        self._client: Any = None
        self._asking: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """CPU time counts from here."""
        self.costs.look(self._processes())

    async def run(self, begin: float) -> None:
        """`begin`: monotonic."""
        while True:
            await self.look(begin)
            await asyncio.sleep(SAMPLE_S)

    async def look(self, begin: float) -> Sample:
        """Take a sample."""
        self.costs.look(self._processes())
        await self._crew.look()
        sample = Sample(
            second=round(time.monotonic() - begin, 3),
            confirmed=sum(progress["confirmed"] for progress in self.progress()),
            visible=self._visible.events,
            lag=sum(self._crew.lags.values()),
            cpu_s={name: round(used, 3) for name, used in self.costs.cpu_s.items()},
            rss=dict(self.costs.rss),
        )
        self.rows.append(sample)
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask(sample))
        # ClickHouse may be away, or stand still: the rest is looked at all the same.
        await asyncio.wait({self._asking}, timeout=SAMPLE_S)
        return sample

    async def _ask(self, sample: Sample) -> None:
        with contextlib.suppress(*_UNREACHABLE):
            for name, value in (await asyncio.to_thread(self._state)).items():
                setattr(sample, name, int(value or 0))

    def progress(self) -> list[dict[str, Any]]:
        """What each sender last told of itself."""
        found = []
        for path in self._folder.glob(f"{PROGRESS}*[0-9]"):
            with contextlib.suppress(OSError, ValueError):
                found.append(orjson.loads(path.read_bytes()))
        return found

    def document(self) -> list[dict[str, Any]]:
        """As JSON."""
        return [asdict(row) for row in self.rows]

    def _processes(self) -> dict[str, int]:
        return {**self._servers.processes(), **self._crew.processes(), **self._senders}

    def _state(self) -> dict[str, Any]:
        self._client = self._client or self._servers.connect()
        return dict(next(iter(self._client.query(_STATE).named_results())))


def counted(folder: Path, workers: int, prefix: str, partitions: int) -> dict[int, list[tuple[int, float]]]:
    """By place: (next offset, when all before it had been counted for the first time), as it grew."""
    numbers = {prefix + topic.name: number for number, topic in enumerate(TOPICS)}
    notes: dict[int, list[tuple[float, int]]] = {}
    for worker in range(workers):
        path = counted_file(folder, worker)
        for line in path.read_bytes().splitlines() if path.exists() else ():
            with contextlib.suppress(ValueError):  # a worker that was killed has not finished its last line
                topic, partition, following, at = orjson.loads(line)
                notes.setdefault(numbers[topic] * partitions + partition, []).append((at, following))
    return {place: _grown(sorted(found)) for place, found in notes.items()}


def _grown(notes: Sequence[tuple[float, int]]) -> list[tuple[int, float]]:
    found: list[tuple[int, float]] = []
    for at, following in notes:
        if not found or found[-1][0] < following:
            found.append((following, at))
    return found
