"""What a contestant is told, and what it delivers: counts for the check, and what they cost."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

import orjson
import psutil

#: event type, country, hashtag ("" = all), sticker ("" = none), unix minute
Key = tuple[str, str, str, str, int]

#: Session timeout of consumers, seconds: some libraries would take a minute to form a group, before any record.
SESSION_S = 10
COUNTS, FIGURES = "counts.ndjson", "figures.json"


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run of one contestant. All of `topics` have to be read from their beginning."""

    kafka: str
    """host:port"""
    topics: dict[str, str]
    """Topic -> the event type it carries."""
    partitions: int
    """Of each topic."""
    events: int
    """Records in the topics: the run is over when all of them are counted."""
    rows: int
    """Sum of all counts: events, and once more for every hashtag."""
    group: str
    """A consumer group that nobody has used."""
    folder: str
    """An empty directory, for the results and for whatever state there is."""
    clickhouse_pid: int = 0
    """Process of the stack's ClickHouse."""
    quiet_s: float = 3.0
    """Merges in ClickHouse have settled when there were none for so long."""

    def encode(self) -> str:
        """As the one argument of a contestant's process."""
        return orjson.dumps(asdict(self)).decode()


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What a run cost, in seconds and bytes; `cpu_s` is that of the contestant's process and its descendants.

    `extra`: CPU seconds that are spent elsewhere (`clickhouse_cpu_s`) or later (`merges_cpu_s`, of ClickHouse from
    the end of the run until its merges have settled; `merges_settled` is 0 where they had not in time), or
    stages in ns.
    """

    version: str
    wall_s: float
    cpu_s: float
    peak_rss: int
    extra: dict[str, float] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Figures:
        """What a contestant left in `folder`. Raises OSError or ValueError."""
        return cls(**orjson.loads((folder / FIGURES).read_bytes()))


class Entry:
    """A contestant's side of the job: `begin` before the first record, `end` after the last, then `deliver`."""

    def __init__(self, *distributions: str) -> None:
        """`distributions`: names of the packages at work; the first argument of the process is the job."""
        self.job = Job(**orjson.loads(sys.argv[1]))
        self.version = ", ".join(f"{name} {version(name)}" for name in distributions)
        self.extra: dict[str, float] = {}
        self._process = psutil.Process()
        self._begun: tuple[float, float] | None = None
        self._ended: tuple[float, float] | None = None

    def begin(self) -> None:
        """Start the clocks; only the first call counts, so that it may be made for every batch."""
        if self._begun is None:
            self._begun = time.monotonic(), cpu_s(self._process)

    def end(self) -> None:
        """Stop the clocks."""
        self._ended = time.monotonic(), cpu_s(self._process)

    def deliver(self, counts: Iterable[tuple[Key, int]], worker: Figures | None = None) -> NoReturn:
        """Write counts (a key may come several times: they add up) and figures, and end the process at once.

        `worker` replaces what was measured here, where another process did the work.
        """
        if worker is None:
            assert self._begun is not None
            assert self._ended is not None
            worker = Figures(
                version=self.version,
                wall_s=self._ended[0] - self._begun[0],
                cpu_s=self._ended[1] - self._begun[1],
                peak_rss=peak_rss(os.getpid()),
                extra=self.extra,
            )
        folder = Path(self.job.folder)
        write_counts(folder / COUNTS, counts)
        (folder / FIGURES).write_bytes(orjson.dumps(asdict(worker)))
        sys.stdout.flush()
        os._exit(0)  # frameworks are not waited for: what they cost is known


def write_counts(path: Path, counts: Iterable[tuple[Key, int]]) -> None:
    """One line per row: the key as a JSON array, a tab, the count."""
    dumps = orjson.dumps
    with path.open("wb", 1 << 20) as file:
        file.writelines(b"%b\t%d\n" % (dumps(key), number) for key, number in counts)


def cpu_s(process: psutil.Process) -> float:
    """User and system time of a process and of its descendants: those that run, and those that ended and were reaped.

    Raises psutil.NoSuchProcess where the process itself is gone.
    """
    times = process.cpu_times()
    whole = float(times.user + times.system + times.children_user + times.children_system)
    for child in process.children():
        with contextlib.suppress(psutil.NoSuchProcess):
            whole += cpu_s(child)
    return whole


def peak_rss(pid: int) -> int:
    """The most memory a process has had, in bytes. (`ru_maxrss` would show that of its parent at the fork.)"""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


@cache
def unix_minute(text: str) -> int:
    """`2026-03-01T12:34` -> minutes since 1970, UTC."""
    return int(datetime.fromisoformat(text + "+00:00").timestamp()) // 60
