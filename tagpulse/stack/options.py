"""What a stack is told, and what it tells."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from schemas.topics import TOPICS
from tagpulse.stack.broker import BrokerKind
from tagpulse.stack.credentials import Credentials

DATABASE = "tagpulse"


def _topics() -> dict[str, str]:
    return {topic.event_type.value: topic.name for topic in TOPICS}


@dataclass(frozen=True, kw_only=True)
class Endpoints:
    """Where the servers of a running stack are, for clients on this machine."""

    kafka: str
    """host:port of every broker, by comma"""
    idempotent: bool
    """Whether Kafka knows idempotent producers; the embedded broker does not."""
    clickhouse: str
    """http://host:port"""
    credentials: Credentials
    database: str = DATABASE
    topics: Mapping[str, str] = field(default_factory=_topics)
    """Event type -> topic."""


#: Called with the endpoints; may raise to have the stack not start.
Hook = Callable[[Endpoints], Awaitable[None]]
#: Worker number -> its command, and variables to add to (or override in) the environment the stack gives it.
WorkerCommand = Callable[[int], tuple[Sequence[str], Mapping[str, str]]]


async def _nothing(endpoints: Endpoints) -> None:
    pass


def worker_command(index: int) -> tuple[Sequence[str], Mapping[str, str]]:
    """The worker of this installation."""
    return [sys.executable, "-m", "tagpulse", "worker"], {}


def clickhouse_command(port: int, data: Path) -> Sequence[str]:
    """The embedded ClickHouse server of this installation."""
    module = [sys.executable, "-m", "tagpulse.clickhouse"]
    return [*module, "--port", str(port), "--data", str(data), "--exit-with-parent"]


@dataclass(frozen=True, kw_only=True)
class StackOptions:
    data: Path | None = None
    """Where to keep ClickHouse's data, Kafka's log, the logins and the logs of the processes; None: temporary,
    removed at the end. The embedded broker's log is in memory all the same."""
    broker: BrokerKind = BrokerKind.EMBEDDED
    kafka_nodes: int = 1
    """Nodes of Apache Kafka. With three or more, one may be away. The embedded broker is one process."""
    kafka_port: int = 0
    """Of the first broker; further ones take the ports that follow."""
    clickhouse_port: int = 0
    """0: a free port is chosen. A restarted server keeps its port either way."""
    workers: int = 1
    partitions: int = 4
    """Of each topic."""
    prepare: Hook = _nothing
    """Once, when ClickHouse is up: migrations."""
    prepare_broker: Hook = _nothing
    """For every new log, before its topics are made. The log of the embedded broker is in memory, so at every
    start of the stack and after every death of the broker offsets begin again at 0; Apache Kafka's log is new
    once in the life of a data directory. Whoever keeps track of offsets must be told (a new incarnation of each
    topic)."""
    worker_command: WorkerCommand = worker_command
    clickhouse_command: Callable[[int, Path], Sequence[str]] = clickhouse_command
    start_deadline_s: float = 120.0
    """For each process to become ready. A worker's first start on a machine compiles for some seconds."""
    worker_grace_s: float = 40.0
    """Longer than the 30 s a worker gives itself to finish the delta in hand."""
    server_grace_s: float = 15.0
    kafka_grace_s: float = 60.0
    """The last node of several waits five seconds for a quorum that is gone; on a busy machine far longer."""
    restart_first_s: float = 0.5
    restart_most_s: float = 30.0
    restart_well_after_s: float = 60.0
    server_restart_attempts: int = 5
    """In a row, for broker and ClickHouse, before the stack gives up. Workers are restarted for ever."""


class EventKind(Enum):
    FETCHING = "fetching"
    """What it needs is being downloaded."""
    READY = "ready"
    """It serves, for the first time or again."""
    DIED = "died"
    """It ended unasked."""
    RESTARTING = "restarting"
    """It will be started after a delay."""
    FAILED = "failed"
    """The attempt to bring it back failed."""
    LOG_LOST = "log lost"
    """The broker died, and with it every event that was not counted yet."""
    KEPT = "kept"
    """Something is used as it was found, though another was asked for."""
    STOPPED = "stopped"
    """It ended because we asked."""


@dataclass(frozen=True)
class StackEvent:
    kind: EventKind
    name: str
    """`broker` (`broker-1`, … of several), `clickhouse`, `worker-0`, …"""
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {self.kind.value}" + (f", {self.detail}" if self.detail else "")
