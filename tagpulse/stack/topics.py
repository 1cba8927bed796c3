"""Creating topics on any Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import for_code

from tagpulse.stack.errors import TopicCreationError

_TOPIC_ALREADY_EXISTS = 36
_SHOWN_DEADLINE_S = 30.0


async def create_topics(
    bootstrap_servers: str,
    topics: Mapping[str, int],
    *,
    replication_factor: int = 1,
    topic_configs: Mapping[str, str] | None = None,
    **client_options: Any,
) -> dict[str, int]:
    """Create each topic (name -> partitions) that is not there yet.

    A topic that exists stays as it is, with whatever partitions it has. Returns the partitions of each now.
    `client_options` go to aiokafka's admin client (security). Raises TopicCreationError.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers, **client_options)
    try:
        await admin.start()
        response = await admin.create_topics(
            [
                NewTopic(name, partitions, replication_factor, topic_configs=dict(topic_configs or {}))
                for name, partitions in topics.items()
            ]
        )
        for name, code, *message in response.topic_errors:
            if code not in (0, _TOPIC_ALREADY_EXISTS):
                detail = message[0] if message and message[0] else for_code(code).__name__
                raise TopicCreationError(name, detail)
        return await _shown(admin, list(topics))
    finally:
        await admin.close()


async def _shown(admin: AIOKafkaAdminClient, topics: list[str]) -> dict[str, int]:
    """Partitions of each topic, once the broker shows all: Kafka confirms a creation before every node knows of it."""
    deadline = asyncio.get_running_loop().time() + _SHOWN_DEADLINE_S
    while True:
        described = await admin.describe_topics(topics)
        found = {topic["topic"]: len(topic["partitions"]) for topic in described if topic["error_code"] == 0}
        missing = [name for name in topics if not found.get(name)]
        if not missing:
            return {name: found[name] for name in topics}
        if asyncio.get_running_loop().time() > deadline:
            raise TopicCreationError(missing[0], f"it is still not shown after {_SHOWN_DEADLINE_S:.0f} s")
        await asyncio.sleep(0.1)
