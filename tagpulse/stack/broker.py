"""What the stack needs to know of its Kafka, whatever serves it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Protocol

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from tagpulse.stack.ports import HOST, accepts
from tagpulse.stack.server import Server


class BrokerKind(Enum):
    EMBEDDED = "embedded"
    """In memory, up in milliseconds, needs nothing."""
    KAFKA = "kafka"
    """Apache Kafka on disk; needs Java."""


class Broker(Protocol):
    """One Kafka, made of one process or of several."""

    durable: bool
    """Whether the log survives the death of a process. Otherwise a restarted one begins a new, empty log."""
    idempotent: bool
    """Whether it knows idempotent producers."""
    replication_factor: int
    """Copies of each partition that a topic here can have."""

    @property
    def nodes(self) -> Sequence[Server]:
        """Its processes. They are started together: none may serve before the others run."""

    @property
    def bootstrap_servers(self) -> str:
        """host:port of every node, by comma; known once `prepare` has returned."""

    @property
    def log_is_new(self) -> bool:
        """Whether its log was not announced yet to those who keep track of offsets."""

    def announced(self) -> None:
        """Remember that they were told."""

    async def prepare(self, tell: Callable[[str], None]) -> None:
        """Whatever has to be done once before the first start; `tell` hears of what may take long.

        Raises StackError.
        """


async def listed_brokers(port: int) -> set[int]:
    """Numbers of the brokers that the one on `port` knows to be alive. Raises OSError where nobody listens."""
    # First by hand: aiokafka logs an error for each connection refused.
    await accepts(port)
    admin = AIOKafkaAdminClient(bootstrap_servers=f"{HOST}:{port}")
    try:
        await admin.start()
        cluster = await admin.describe_cluster()
    except KafkaError:
        return set()
    finally:
        await admin.close()
    return {int(broker["node_id"]) for broker in cluster["brokers"]}
