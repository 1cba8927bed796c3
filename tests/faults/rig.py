"""A stack with a proxy before its broker and one before its ClickHouse, for scenarios that share it."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import psutil
import urllib3

from loadtest.faults.proxy import Proxy, clickhouse_proxy, kafka_proxy
from sinks.client import connect
from sinks.migrations import Retention, migrate
from tagpulse.stack.broker import BrokerKind
from tagpulse.stack.ports import HOST, free_ports
from tests.e2e.commands import found_against, run
from tests.e2e.harness import Stack
from tests.faults import planned_worker
from tests.faults.plan import Plan

#: Many small deltas, so that a fault at a random moment hits the protocol and not the pause between; short
#: deadlines, so that what waits for one ends soon.
SETTINGS = MappingProxyType(
    {
        "TAGPULSE_FLUSH_INTERVAL_S": "0.2",
        "TAGPULSE_MAX_DELTA_ROWS": "2000",
        "TAGPULSE_KAFKA_SESSION_TIMEOUT_S": "6",  # the least that Apache Kafka takes
        "TAGPULSE_INSERT_TIMEOUT_S": "3",
        "TAGPULSE_INSERT_DEADLINE_S": "20",
    }
)
SESSION_S = float(SETTINGS["TAGPULSE_KAFKA_SESSION_TIMEOUT_S"])
INSERT_DEADLINE_S = float(SETTINGS["TAGPULSE_INSERT_DEADLINE_S"])
PLANNED_WORKER = (sys.executable, str(Path(planned_worker.__file__)))


@dataclass(frozen=True)
class Setup:
    """What scenarios can share a stack on. `workers` of the supervisor; further ones are started by hand."""

    name: str
    workers: int
    partitions: int = 4
    settings: Mapping[str, str] = field(default_factory=lambda: SETTINGS, hash=False)


SUPERVISED = Setup("supervised", workers=2, partitions=2)
BY_HAND = Setup("by hand", workers=0, partitions=3)


class Rig:
    """One life of a stack. Workers go through the proxies; tests and senders go straight to the servers."""

    def __init__(self, folder: Path, setup: Setup, broker: BrokerKind) -> None:
        self.setup, self.broker = setup, broker
        self.plan = Plan(folder / "plan")
        self.hold = folder / "hold"
        kafka_port, clickhouse_port = free_ports(2)
        self.kafka: Proxy = kafka_proxy(f"{HOST}:{kafka_port}")
        self.clickhouse: Proxy = clickhouse_proxy(clickhouse_port)
        ports = ("--kafka-port", str(kafka_port), "--clickhouse-port", str(clickhouse_port))
        self.worker_settings = {
            **setup.settings,
            "FAULT_PLAN": str(self.plan.folder),
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        proxies = ("--worker-kafka", self.kafka.addresses, "--worker-clickhouse", f"http://{self.clickhouse.addresses}")
        tests = ("--worker", PLANNED_WORKER[1], "--hold-clickhouse", str(self.hold))
        self.stack = Stack(
            folder / "stack",
            workers=setup.workers,
            partitions=setup.partitions,
            settings=self.worker_settings,
            program=("-m", "tests.e2e.program", *ports, *proxies, *tests),
            broker=broker.value,
        )
        self._proxies = contextlib.ExitStack()

    def start(self) -> Rig:
        self._proxies.enter_context(self.kafka)
        self._proxies.enter_context(self.clickhouse)
        self.stack.start()
        return self

    def verify(self) -> None:
        """`tagpulse verify`, which knows Kafka and ClickHouse alone, must have nothing against what is there."""
        done = run(self.stack, "verify", "--format", "json")
        report = json.loads(done.stdout)
        assert not found_against(report), done.stdout.decode()
        assert sum(topic["records"] for topic in report["topics"]), done.stdout.decode()

    def stop(self) -> None:
        """End it in order."""
        self.stack.stop()

    def abandon(self) -> None:
        """End all that is left of it."""
        if hasattr(self.stack, "process"):
            self.stack.abandon()
        self._proxies.close()

    # -- processes ------------------------------------------------------------------------------------------

    def worker(self, name: str, command: Sequence[str], settings: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Start a worker by hand; its log is in the stack's folder."""
        through = {
            "TAGPULSE_KAFKA_BOOTSTRAP_SERVERS": self.kafka.addresses,
            "TAGPULSE_CLICKHOUSE_URL": f"http://{self.clickhouse.addresses}",
        }
        environment = self.stack.worker_environment(name, **{**through, **settings})
        with (self.stack.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                command, cwd=self.stack.folder, env=environment, stdout=log, stderr=subprocess.STDOUT
            )

    def clickhouse_process(self) -> psutil.Process:
        """The ClickHouse server, once it answers."""
        self.stack.wait_for(lambda: self.stack.counted() is not None, "ClickHouse answers")
        found = self.stack.clickhouse()
        assert found is not None
        return found

    def broker_process(self) -> psutil.Process:
        """The broker of now."""
        (found,) = self.stack.brokers()
        return found

    @contextlib.contextmanager
    def clickhouse_down(self, *, kill: bool = False) -> Iterator[Path]:
        """Stop ClickHouse (in order, or by SIGKILL) and keep it down. Gives the folder of its data."""
        server = self.clickhouse_process()
        self.hold.touch()
        try:
            server.kill() if kill else server.terminate()
            self.stack.wait_for(lambda: not server.is_running(), "ClickHouse ends")
            yield self.stack.data / "clickhouse"
        finally:
            self.hold.unlink()
        self.stack.wait_for(self._pings, "ClickHouse is back")

    def _pings(self) -> bool:
        try:
            return bool(urllib3.request("GET", f"{self.stack.ready['clickhouse']}/ping", retries=False).status == 200)
        except urllib3.exceptions.HTTPError:
            return False

    def migrate(self) -> None:
        """As `tagpulse migrate` does."""
        at = self.stack.ready
        client = connect(at["clickhouse"], at["clickhouse_user"], at["clickhouse_password"])
        migrate(client, at["database"], Retention(minute_days=36_500, hour_days=36_500))


def emptied(folder: Path) -> None:
    """Remove all that `folder` holds."""
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
