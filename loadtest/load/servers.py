"""Where a load test runs: a stack of its own on this machine, or servers of the user, in topics of its own."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from urllib3.util import parse_url

from loadtest.load.workload import FaultKind, Workload
from schemas.topics import TOPICS
from sinks.client import check_identifier, connect
from sinks.migrations import migrate
from streams.kafka import security_options
from streams.settings import Settings
from tagpulse.local import local_options
from tagpulse.stack.broker import BrokerKind
from tagpulse.stack.credentials import Credentials
from tagpulse.stack.options import Endpoints
from tagpulse.stack.supervisor import Stack
from tagpulse.stack.topics import create_topics

#: What can be done to workers, which are always ours.
OF_WORKERS = frozenset({FaultKind.KILL_WORKER, FaultKind.PAUSE_WORKER})
_OF_KAFKA = ("TAGPULSE_KAFKA_SASL_", "TAGPULSE_KAFKA_SSL_", "TAGPULSE_KAFKA_SECURITY_")


class TargetError(Exception):
    """A target cannot be used; the text names the remedy."""


@dataclass(frozen=True)
class Servers:
    """Broker and ClickHouse of a run. `prefix`: of its topics. `stack`: where they are ours."""

    endpoints: Endpoints
    prefix: str = ""
    stack: Stack | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    """Further settings of workers (TAGPULSE_...)."""

    def connect(self) -> Any:
        """A client of the run's database."""
        at, login = self.endpoints, self.endpoints.credentials
        return connect(at.clickhouse, login.user, login.password, at.database)

    def processes(self) -> dict[str, int]:
        """Name -> process id of the servers on this machine that are ours."""
        servers = self.stack.servers if self.stack is not None else []
        return {server.name: server.process.pid for server in servers if server.running}


@dataclass(frozen=True, kw_only=True)
class Local:
    """A stack that is started for the run and removed after it."""

    broker: BrokerKind = BrokerKind.EMBEDDED
    kafka_nodes: int = 1

    @contextlib.asynccontextmanager
    async def started(self, workload: Workload) -> AsyncIterator[Servers]:
        """Start it, without workers. Raises StackError."""
        options = local_options(
            workers=0, partitions=workload.partitions, broker=self.broker, kafka_nodes=self.kafka_nodes
        )  # fmt: skip
        async with Stack(options) as stack:
            yield Servers(stack.endpoints, stack=stack)

    def title(self) -> str:
        """In reports."""
        return (
            "the embedded broker" if self.broker is BrokerKind.EMBEDDED else f"Apache Kafka, {self.kafka_nodes} nodes"
        )


@dataclass(frozen=True, kw_only=True)
class Remote:
    """A user's own servers. Login and TLS come from the settings (TAGPULSE_...), as for a worker.

    Topics are `prefix` + a name of their own, the database is `tagpulse_load_...`; both are removed at the end.
    """

    kafka: str
    clickhouse: str
    idempotent: bool = True
    replication: int = 1

    @classmethod
    def of(cls, text: str, *, idempotent: bool = True, replication: int = 1) -> Remote:
        """From `BOOTSTRAP,CLICKHOUSE`: host:port, several by ;, and the URL of ClickHouse. Raises TargetError."""
        kafka, _, clickhouse = text.partition(",")
        url = parse_url(clickhouse)
        if not kafka or url.scheme not in ("http", "https") or not url.host:
            raise TargetError(
                f"target {text!r}: write local, or brokers and ClickHouse like 127.0.0.1:9092,http://127.0.0.1:8123"
            )
        return cls(
            kafka=kafka.replace(";", ","), clickhouse=clickhouse, idempotent=idempotent, replication=replication
        )  # fmt: skip

    def hosts(self) -> list[str]:
        """All hosts that it names."""
        brokers = [place.rpartition(":")[0] for place in self.kafka.split(",")]
        return [*brokers, parse_url(self.clickhouse).host or ""]

    def elsewhere(self) -> list[str]:
        """Its hosts that are not this machine by their loopback address."""
        return sorted({host for host in self.hosts() if not _is_loopback(host)})

    @contextlib.asynccontextmanager
    async def started(self, workload: Workload) -> AsyncIterator[Servers]:
        """Make topics and database; remove them at the end. Raises TargetError, SinkError, StackError."""
        if wrong := sorted({fault.fault.value for fault in workload.faults if fault.fault not in OF_WORKERS}):
            raise TargetError(f"{', '.join(wrong)}: on servers of yours only workers can be harmed; use --target local")
        name = f"load_{uuid.uuid4().hex[:8]}"
        prefix, database = f"tagpulse-{name.replace('_', '-')}-", check_identifier(f"tagpulse_{name}")
        settings = Settings()
        login = Credentials(user=settings.clickhouse_user, password=settings.clickhouse_password.get_secret_value(),
                            analyst_user="", analyst_password="")  # fmt: skip
        endpoints = Endpoints(
            kafka=self.kafka, idempotent=self.idempotent, clickhouse=self.clickhouse, credentials=login,
            database=database,
            topics={topic.event_type.value: prefix + topic.name for topic in TOPICS},
        )  # fmt: skip
        client = connect(self.clickhouse, login.user, login.password)
        topics = [prefix + topic.name for topic in TOPICS]
        security = security_options(settings)
        await create_topics(
            self.kafka, dict.fromkeys(topics, workload.partitions), replication_factor=self.replication, **security
        )
        try:
            await asyncio.to_thread(migrate, client, database, settings.retention())
            # A worker of a stack is not given logins to servers that are not its own; these here are.
            logins = {name: value for name, value in os.environ.items() if name.startswith(_OF_KAFKA)}
            yield Servers(endpoints, prefix, settings={**logins, "TAGPULSE_KAFKA_TOPIC_PREFIX": prefix})
        finally:
            await asyncio.to_thread(client.command, f"DROP DATABASE IF EXISTS {database}")
            await _delete(self.kafka, topics, security)

    def title(self) -> str:
        """In reports."""
        return f"{self.kafka} and {self.clickhouse}"


async def _delete(kafka: str, topics: list[str], security: Mapping[str, Any]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka, **security)
    await admin.start()
    try:
        await admin.delete_topics(topics)
    finally:
        await admin.close()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
