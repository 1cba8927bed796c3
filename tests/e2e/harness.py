"""A whole stack as a process of its own, over real protocols: start it, find its processes, compare, stop it.

Every wait has the same generous deadline; when it passes, the failure tells the state of everything.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from clickhouse_connect.driver.exceptions import ClickHouseError
from urllib3.exceptions import HTTPError

from sinks.client import connect
from sinks.errors import SinkError
from tests.e2e.ledger import Ledger
from tests.e2e.sending import Sender

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

DEADLINE_S = 120.0
#: What rankings read of the days, in two numbers.
_DAYS_BY_HASHTAG = (
    "SELECT count(), sum(cityHash64(*)) FROM (SELECT event_type, hashtag, window_start, sum(events),"
    " uniqCombined64Merge(14)(videos) FROM engagement_day GROUP BY event_type, hashtag, window_start)"
)
#: The first event time that a stack of these tests takes, so that one insert may span 300 months.
OLDEST = datetime(2001, 1, 1, tzinfo=UTC)
#: All grains of every year are kept, so that all can be compared; a dead worker is missed soon.
SETTINGS = {
    "TAGPULSE_RETENTION_MINUTE_DAYS": "36500",
    "TAGPULSE_RETENTION_HOUR_DAYS": "36500",
    "TAGPULSE_MIN_EVENT_TIME": OLDEST.isoformat(),
    "TAGPULSE_KAFKA_SESSION_TIMEOUT_S": "6",
}
_MARK = "STACK_OF_TEST"
UP = ("-m", "tagpulse", "up", "--json")


@cache
def compile_kernel() -> None:
    """Once, where this machine has not yet: otherwise all workers of the first stack do so at the same time."""
    subprocess.run([sys.executable, "-c", "import streams.kernel.entries"], check=False, capture_output=True)


class Stack:
    """One life (or several, by `stop` and `start`) of a stack on `folder`.

    `program` is what to run, by default `tagpulse up --json`; it must take the same options and print the same
    ready line. `settings` are TAGPULSE_ variables for it. With Apache Kafka the log goes on over all lives.
    """

    def __init__(
        self,
        folder: Path,
        *,
        workers: int = 1,
        partitions: int = 4,
        settings: Mapping[str, str] | None = None,
        program: Sequence[str] = UP,
        keep: bool = True,
        broker: str = "embedded",
        kafka_nodes: int = 1,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.partitions = partitions
        self.data = folder / "data"
        groups = json.loads((settings or {}).get("TAGPULSE_TAG_GROUPS", "{}"))
        self.durable = broker == "kafka"
        self.ledger = Ledger(groups=groups, oldest=OLDEST)
        self._before = 0
        self._mark = uuid.uuid4().hex
        self._settings = SETTINGS | dict(settings or {}) | {_MARK: self._mark}
        kept = ["--data", str(self.data)] if keep else []
        numbers = ["--workers", str(workers), "--partitions", str(partitions)]
        kind = ["--broker", broker, "--kafka-nodes", str(kafka_nodes)]
        self._command = [sys.executable, *program, *numbers, *kind, *kept]
        self._pids: dict[int, float] = {}
        self._lives = self._logs = 0
        self._compared = 0

    # -- life ----------------------------------------------------------------------------------------------

    def start(self) -> Stack:
        """Return when every worker is ready."""
        compile_kernel()
        self._lives += 1
        if not self.durable:
            self.note_new_log()
        self.output = self.folder / f"ready-{self._lives}.json"
        self.messages = self.folder / f"messages-{self._lives}.txt"
        environment = {k: v for k, v in os.environ.items() if not k.startswith("TAGPULSE_")} | self._settings
        with self.output.open("wb") as output, self.messages.open("wb") as messages:
            self.process = subprocess.Popen(
                self._command,
                cwd=self.folder,
                env=environment | {"TMPDIR": str(self.folder), "PYTHONPATH": str(Path(__file__).parents[2])},
                stdout=output,
                stderr=messages,
            )
        self.wait_for(lambda: self.output.read_text().endswith("\n") or self.process.poll() is not None, "ready")
        assert self.process.poll() is None, self.state()
        self.ready: dict[str, Any] = json.loads(self.output.read_text())
        self.__dict__.pop("client", None)
        self.sender = Sender(
            self.ready["kafka"], self.ready["topics"], self.partitions, self.ledger, idempotent=self.durable
        )
        self.processes()
        return self

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End the stack in order; nothing of it may survive, and no log may show a traceback."""
        self.processes()
        self.process.send_signal(number)
        try:
            code = self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"does not stop\n{self.state()}") from None
        survivors = self.survivors()
        assert not survivors, f"survivors: {survivors}\n{self.state()}"
        assert code == 0, self.state()
        traces = [path for path in self.log_paths() if "Traceback" in path.read_text(errors="replace")]
        assert not traces, f"tracebacks in {traces}\n{self.state()}"

    def abandon(self) -> None:
        """End all that is left of it, without a look."""
        self.processes()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for process in self._left():
            process.kill()

    def note_new_log(self) -> None:
        """What was sent before lay in a log that is gone: what was counted of it is of an older incarnation."""
        self._logs += 1
        self._before = self.ledger.sent
        self.ledger.ends.clear()

    # -- processes -----------------------------------------------------------------------------------------

    def processes(self) -> list[psutil.Process]:
        """What runs of it now."""
        try:
            found = psutil.Process(self.process.pid).children(recursive=True)
            self._pids |= {process.pid: process.create_time() for process in found}
        except psutil.NoSuchProcess:
            return []
        return found

    def workers(self) -> list[psutil.Process]:
        """The worker processes of now, in no order."""
        return [p for p in self.processes() if "worker" in _line(p).rsplit("/", 1)[-1]]

    def clickhouse(self) -> psutil.Process | None:
        """The ClickHouse server of now."""
        return next((p for p in self.processes() if "tagpulse.clickhouse" in _line(p)), None)

    def brokers(self) -> list[psutil.Process]:
        """The embedded broker, or the nodes of Apache Kafka, of now, in no order."""
        mark = " kafka.Kafka " if self.durable else " --storage-engine "
        return [p for p in self.processes() if mark in _line(p)]

    def survivors(self) -> list[str]:
        """Every process that is or was of this stack and runs."""
        return [f"{p.pid}: {_line(p)}" for p in self._left()]

    def _left(self) -> set[psutil.Process]:
        left = [psutil.Process(pid) for pid, created in self._pids.items() if _alive(pid, created)]
        return {*left, *(p for p in psutil.process_iter() if _marked(p, self._mark))}

    def worker_environment(self, name: str, **settings: str) -> dict[str, str]:
        """For a worker that is started by hand against this stack."""
        return {k: v for k, v in os.environ.items() if not k.startswith("TAGPULSE_")} | {
            **self._settings,
            "TAGPULSE_KAFKA_BOOTSTRAP_SERVERS": self.ready["kafka"],
            "TAGPULSE_KAFKA_IDEMPOTENT_PRODUCER": str(self.durable).lower(),
            "TAGPULSE_CLICKHOUSE_URL": self.ready["clickhouse"],
            "TAGPULSE_CLICKHOUSE_USER": self.ready["clickhouse_user"],
            "TAGPULSE_CLICKHOUSE_PASSWORD": self.ready["clickhouse_password"],
            "TAGPULSE_ANALYST_USER": self.ready["analyst_user"],
            "TAGPULSE_ANALYST_PASSWORD": self.ready["analyst_password"],
            "TAGPULSE_WORKER_NAME": name,
            **settings,
        }

    # -- counts --------------------------------------------------------------------------------------------

    @cached_property
    def client(self) -> Client:
        """The writer's login."""
        at = self.ready
        return connect(at["clickhouse"], at["clickhouse_user"], at["clickhouse_password"], at["database"])

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.client.query(query).result_rows]

    def counted(self) -> int | None:
        """Records of the incarnation in force that claims say are counted; None while ClickHouse is away.

        With Apache Kafka those of every incarnation: there a new one is an operator's decision, not a new life.
        """
        query = (
            "SELECT sum(records) FROM claims WHERE done AND (topic, incarnation) IN"
            " (SELECT topic, max(incarnation) FROM"
            " (SELECT topic, incarnation FROM incarnations UNION ALL SELECT DISTINCT topic, 0 FROM claims)"
            " GROUP BY topic)"
        )
        if self.durable:
            query = "SELECT sum(records) FROM claims WHERE done"
        try:
            return int(self.rows(query)[0][0])
        except (ClickHouseError, SinkError, HTTPError):
            return None

    def wait_counted(self) -> None:
        """Wait until claims cover all that was sent in this life, and not one record more."""
        sent = self.ledger.sent - self._before
        self.wait_for(lambda: (self.counted() or 0) >= sent, "all is counted")
        assert self.counted() == sent, self.state()

    @property
    def suspect(self) -> bool:
        """Whether it holds something that was not compared with the truth, or is not equal to it."""
        return self._compared != self.ledger.sent

    def spoil(self) -> None:
        """Note that a test has failed on it."""
        self._compared = -1

    def check(self) -> None:
        """Wait until all is counted; then every key must equal the truth."""
        self._compared = -1
        self.wait_counted()
        incarnation = (
            self.rows("SELECT max(incarnation) FROM incarnations")[0][0]
            if self._lives == 1 and self._logs <= 1
            else None
        )
        differences = self.ledger.differences(self.client, incarnation=incarnation)
        assert not differences, "\n".join([*differences[:40], self.state()])
        rankings = [self.rows(f"{_DAYS_BY_HASHTAG} SETTINGS optimize_use_projections = {used}") for used in (0, 1)]
        assert rankings[0] == rankings[1], f"the projection by_hashtag differs from its table: {rankings}"
        self._compared = self.ledger.sent

    # -- waiting and telling -------------------------------------------------------------------------------

    def wait_for(self, condition: Callable[[], object], what: str) -> None:
        """Poll until `condition` holds. Fails with the state of everything."""
        end = time.monotonic() + DEADLINE_S
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(f"never happened: {what}\n{self.state()}")
            time.sleep(0.05)

    def log_paths(self) -> list[Path]:
        """Messages of the supervisor, and the log of each process."""
        return [*self.folder.glob("*.txt"), *self.folder.glob("*.log"), *self.folder.glob("*/logs/*.log*")]

    def state(self) -> str:
        """Everything there is to know, for a failure."""
        parts = [f"sent {self.ledger.sent}, of which {self._before} in former lives"]
        if hasattr(self, "ready"):
            parts.append(f"counted {self.counted()}")
            try:
                parts += [
                    f"  {row}, sent up to {self.ledger.ends.get((row[0], row[2]))}" for row in self.rows(
                        "SELECT topic, incarnation, partition, max(next), sumIf(records, done), countIf(NOT done),"
                        " countIf(done), argMax(worker, first) FROM claims GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
                    )
                ]  # fmt: skip
            except (ClickHouseError, SinkError, HTTPError) as error:
                parts.append(f"ClickHouse does not answer: {error}")
        parts += [f"running {p.pid} {_status(p)}: {_line(p)}" for p in self.processes()]
        for path in self.log_paths():
            parts.append(f"--- the end of {path}")
            parts += path.read_text(errors="replace").splitlines()[-25:]
        return "\n".join(parts)


def _line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return "(gone)"


def _status(process: psutil.Process) -> str:
    try:
        return str(process.status())
    except psutil.Error:
        return "gone"


def _alive(pid: int, created: float) -> bool:
    try:
        process = psutil.Process(pid)
        return bool(process.create_time() == created and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _marked(process: psutil.Process, mark: str) -> bool:
    try:
        return process.environ().get(_MARK) == mark and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
