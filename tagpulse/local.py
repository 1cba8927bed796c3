"""The local stack as tagpulse wants it: migrations first, a new incarnation for every new log."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from schemas.topics import TOPICS
from sinks.claims import Claims
from sinks.client import connect
from sinks.migrations import migrate
from streams.settings import Settings
from tagpulse.stack.broker import BrokerKind
from tagpulse.stack.options import Endpoints, StackOptions


def local_options(
    *,
    workers: int = 1,
    partitions: int = 4,
    data: Path | None = None,
    broker: BrokerKind = BrokerKind.EMBEDDED,
    kafka_nodes: int = 1,
    kafka_port: int = 0,
    clickhouse_port: int = 0,
    settings: Mapping[str, str] | None = None,
) -> StackOptions:
    """Options of a stack of this build. `settings` (TAGPULSE_...) go to workers and migrations."""
    extra = dict(settings or {})

    def command(index: int) -> tuple[Sequence[str], Mapping[str, str]]:
        name = {"TAGPULSE_WORKER_NAME": f"worker-{index}"}
        return [sys.executable, "-m", "tagpulse", "worker"], name | extra

    return StackOptions(
        data=data,
        broker=broker,
        kafka_nodes=kafka_nodes,
        kafka_port=kafka_port,
        clickhouse_port=clickhouse_port,
        workers=workers,
        partitions=partitions,
        prepare=lambda at: _migrate(at, extra),
        prepare_broker=_new_incarnations,
        worker_command=command,
    )


async def _migrate(at: Endpoints, extra: Mapping[str, str]) -> None:
    named = {name.removeprefix("TAGPULSE_").lower(): value for name, value in extra.items()}
    retention = Settings(**{k: v for k, v in named.items() if k.startswith("retention_")}).retention()  # type: ignore[arg-type]

    def run() -> None:
        client = connect(at.clickhouse, at.credentials.user, at.credentials.password)
        migrate(client, at.database, retention)

    await asyncio.to_thread(run)


async def _new_incarnations(at: Endpoints) -> None:
    def run() -> None:
        claims = Claims(connect(at.clickhouse, at.credentials.user, at.credentials.password, at.database))
        for topic in TOPICS:
            claims.start_incarnation(topic.name, "the local broker began a new log")

    await asyncio.to_thread(run)


def worker_environment(at: Endpoints) -> dict[str, str]:
    """Settings for a worker, or any client of ours, on a running stack."""
    return {
        "TAGPULSE_KAFKA_BOOTSTRAP_SERVERS": at.kafka,
        "TAGPULSE_KAFKA_IDEMPOTENT_PRODUCER": str(at.idempotent).lower(),
        "TAGPULSE_CLICKHOUSE_URL": at.clickhouse,
        "TAGPULSE_CLICKHOUSE_USER": at.credentials.user,
        "TAGPULSE_CLICKHOUSE_PASSWORD": at.credentials.password,
        "TAGPULSE_CLICKHOUSE_DATABASE": at.database,
    }
