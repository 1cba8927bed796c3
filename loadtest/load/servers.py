"""Where a load test runs: a stack of its own on this machine, or servers of the user, in topics of its own."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import os
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from urllib3.util import parse_url

from loadtest.load.workload import FaultKind, Workload
from schemas.topics import topics
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

log = logging.getLogger(__name__)

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

    Topics, consumer group and database are the run's own, called `tagpulse-load-...` and `tagpulse_load_...`. Topics
    and database are removed at the end; Kafka forgets a group by itself. `allow_remote`: send to other machines, too.
    """

    kafka: str
    clickhouse: str
    idempotent: bool = True
    replication: int = 1
    allow_remote: bool = False

    @classmethod
    def of(
        cls, text: str, *, idempotent: bool = True, replication: int = 1, allow_remote: bool = False
    ) -> Remote:  # fmt: skip
        """From `BOOTSTRAP,CLICKHOUSE`: host:port, several by ;, and the URL of ClickHouse. Raises TargetError."""
        kafka, _, clickhouse = text.partition(",")
        url = parse_url(clickhouse)
        if not kafka or url.scheme not in ("http", "https") or not url.host:
            raise TargetError(
                f"target {text!r}: write local, or brokers and ClickHouse like 127.0.0.1:9092,http://127.0.0.1:8123"
            )
        if url.auth:
            raise TargetError(
                "a login has no place in the target, which reports show: set TAGPULSE_CLICKHOUSE_USER and _PASSWORD"
            )
        return cls(
            kafka=kafka.replace(";", ","), clickhouse=clickhouse, idempotent=idempotent, replication=replication,
            allow_remote=allow_remote,
        )  # fmt: skip

    def elsewhere(self) -> list[str]:
        """Hosts that it names and that are not this machine by their loopback address."""
        brokers = [place.rpartition(":")[0] for place in self.kafka.split(",")]
        return _elsewhere([*brokers, parse_url(self.clickhouse).host or ""])

    @contextlib.asynccontextmanager
    async def started(self, workload: Workload) -> AsyncIterator[Servers]:
        """Make topics and database; remove them at the end. Raises TargetError, SinkError, StackError."""
        if wrong := sorted({fault.fault.value for fault in workload.faults if fault.fault not in OF_WORKERS}):
            raise TargetError(f"{', '.join(wrong)}: on servers of yours only workers can be harmed; use --target local")
        name, settings = uuid.uuid4().hex[:8], Settings()
        prefix, database = f"tagpulse-load-{name}-", check_identifier(f"tagpulse_load_{name}")
        user, password = settings.clickhouse_user, settings.clickhouse_password.get_secret_value()
        endpoints = Endpoints(
            kafka=self.kafka,
            idempotent=self.idempotent,
            clickhouse=self.clickhouse,
            credentials=Credentials(user=user, password=password, analyst_user="", analyst_password=""),
            database=database,
            topics={topic.event_type.value: topic.name for topic in topics(prefix)},
        )
        # A worker of a stack is not given logins to servers that are not its own; these here are.
        logins = {name: value for name, value in os.environ.items() if name.startswith(_OF_KAFKA)}
        own = {**logins, "TAGPULSE_KAFKA_TOPIC_PREFIX": prefix, "TAGPULSE_KAFKA_GROUP": f"{prefix}workers"}
        security = security_options(settings)
        await self._check_brokers(security)
        client = await asyncio.to_thread(connect, self.clickhouse, user, password)
        names = [topic.name for topic in topics(prefix)]
        async with contextlib.AsyncExitStack() as undo:
            # What is to be removed is noted before it is made: whatever happens meanwhile.
            undo.push_async_callback(_delete_topics, self.kafka, names, security)
            await create_topics(
                self.kafka, dict.fromkeys(names, workload.partitions), replication_factor=self.replication, **security
            )
            drop = f"DROP DATABASE IF EXISTS {database}"
            undo.push_async_callback(asyncio.to_thread, client.command, drop)
            await asyncio.to_thread(migrate, client, database, settings.retention())
            yield Servers(endpoints, prefix, settings=own)

    async def _check_brokers(self, security: Mapping[str, Any]) -> None:
        """A broker may send its clients on to other hosts than the one that was named."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka, **security)
        try:
            await admin.start()
            brokers = (await admin.describe_cluster())["brokers"]
        except KafkaError as error:
            raise TargetError(
                f"Kafka at {self.kafka} cannot be used: {error}. Check that it runs, and --target."
            ) from None
        finally:
            await admin.close()
        if not self.allow_remote and (found := _elsewhere([str(broker["host"]) for broker in brokers])):
            raise TargetError(
                f"the brokers at {self.kafka} send their clients on to {', '.join(found)}: load goes there only with "
                "--allow-remote"
            )

    def title(self) -> str:
        """In reports."""
        return f"{self.kafka} and {self.clickhouse}"


async def _delete_topics(kafka: str, names: list[str], security: Mapping[str, Any]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka, **security)
    try:
        await admin.start()
        await admin.delete_topics(names)
    except KafkaError as error:
        log.warning("topics %s could not be removed (%s): remove them by hand", ", ".join(names), error)
    finally:
        await admin.close()


def _elsewhere(hosts: Sequence[str]) -> list[str]:
    return sorted({host for host in hosts if not _is_loopback(host)})


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
