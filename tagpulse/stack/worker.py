"""One worker process of the stack."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from tagpulse.stack.logfile import LogFile
from tagpulse.stack.options import Endpoints, WorkerCommand
from tagpulse.stack.ports import HOST
from tagpulse.stack.server import Server, answers_ok

#: Variables by these prefixes are not passed on: they are logins to servers that are not ours.
_FOREIGN = (
    *("TAGPULSE_KAFKA_SASL_", "TAGPULSE_KAFKA_SSL_", "TAGPULSE_KAFKA_SECURITY_"),
    *("TAGPULSE_CLICKHOUSE_", "TAGPULSE_ANALYST_"),
)


class Worker(Server):
    """Other settings (`TAGPULSE_…`) of our own environment reach it unchanged."""

    purpose = "a worker's health endpoint"
    keeps_port = False

    def __init__(
        self,
        index: int,
        log: LogFile,
        *,
        endpoints: Endpoints,
        command: WorkerCommand,
        grace_s: float,
    ) -> None:
        super().__init__(f"worker-{index}", log, port=0, grace_s=grace_s)
        self._endpoints = endpoints
        self._argv, self._extra = command(index)

    def argv(self) -> Sequence[str]:
        return self._argv

    def env(self) -> Mapping[str, str]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(_FOREIGN)}
        at = self._endpoints
        return {
            **inherited,
            "TAGPULSE_KAFKA_BOOTSTRAP_SERVERS": at.kafka,
            "TAGPULSE_CLICKHOUSE_URL": at.clickhouse,
            "TAGPULSE_CLICKHOUSE_USER": at.credentials.user,
            "TAGPULSE_CLICKHOUSE_PASSWORD": at.credentials.password,
            "TAGPULSE_CLICKHOUSE_DATABASE": at.database,
            "TAGPULSE_HEALTH_HOST": HOST,
            "TAGPULSE_HEALTH_PORT": str(self.port),
            "TAGPULSE_WORKER_NAME": self.name,
            **self._extra,
        }

    async def serves(self) -> bool:
        return await answers_ok(f"http://{HOST}:{self.port}/ready")
