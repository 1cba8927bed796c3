"""What an operator may do to Kafka, and a look at its log that has nothing to do with the worker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError
from aiokafka.protocol.admin import DeleteGroupsRequest
from aiokafka.structs import OffsetAndMetadata

from tests.e2e.harness import Stack
from tests.e2e.ledger import Place, Record

T = TypeVar("T")
GROUP = "tagpulse"


def _ask(stack: Stack, action: Callable[[AIOKafkaAdminClient], Awaitable[T]]) -> T:
    async def ask() -> T:
        admin = AIOKafkaAdminClient(bootstrap_servers=stack.ready["kafka"])
        try:
            await admin.start()
            return await action(admin)
        finally:
            await admin.close()

    return asyncio.run(ask())


def configure(stack: Stack, kind: str, name: str, **configs: str) -> None:
    """Set what is configured for a `topic` or a `broker`; names are written with `_` for `.`."""
    dotted = {key.replace("_", "."): value for key, value in configs.items()}
    resource = ConfigResource(ConfigResourceType[kind.upper()], name, dotted)
    answers = _ask(stack, lambda admin: admin.alter_configs([resource]))
    errors = [answer for one in answers for answer in one.resources if answer[0]]
    assert not errors, errors


def add_partitions(stack: Stack, topic: str, total: int) -> None:
    _ask(stack, lambda admin: admin.create_partitions({topic: NewPartitions(total)}))


def remove_before(stack: Stack, topic: str, partition: int, offset: int) -> None:
    """As retention does: the log then begins at `offset`."""
    which = {TopicPartition(topic, partition): RecordsToDelete(offset)}
    _ask(stack, lambda admin: admin.delete_records(which))


def make_again(stack: Stack, topic: str, partitions: int) -> None:
    """Delete the topic, and create another of its name."""
    _ask(stack, lambda admin: admin.delete_topics([topic]))
    stack.wait_for(lambda: topic not in _ask(stack, lambda admin: admin.list_topics()), f"{topic} is gone")
    answer = _ask(stack, lambda admin: admin.create_topics([NewTopic(topic, partitions, 1)]))
    assert [error[1] for error in answer.topic_errors] == [0], answer


def leaders(stack: Stack, topic: str) -> dict[int, int]:
    """Partition -> the node that leads it, or -1. Empty where the node that was asked is away."""
    try:
        (described,) = _ask(stack, lambda admin: admin.describe_topics([topic]))
    except KafkaError:
        return {}
    return {partition["partition"]: partition["leader"] for partition in described["partitions"]}


def forget_group(stack: Stack) -> None:
    """Delete the workers' group, and all that it has committed. It must have no members."""

    async def forget(admin: AIOKafkaAdminClient) -> list[tuple[str, int]]:
        node = await admin.find_coordinator(GROUP)
        return list((await admin._send_request(DeleteGroupsRequest([GROUP]), node)).results)

    assert _ask(stack, forget) == [(GROUP, 0)]
    assert GROUP not in [name for name, *_ in _ask(stack, lambda admin: admin.list_consumer_groups())]


def commit_for_group(stack: Stack, topic: str, partition: int, offset: int) -> None:
    """As a tool does that resets offsets."""

    async def commit() -> None:
        where = TopicPartition(topic, partition)
        async with AIOKafkaConsumer(bootstrap_servers=stack.ready["kafka"], group_id=GROUP) as consumer:
            consumer.assign([where])
            await consumer.commit({where: OffsetAndMetadata(offset, "")})

    asyncio.run(commit())


def read(stack: Stack, topic: str, partition: int) -> dict[int, bytes | None]:
    """Offset -> value of all that a reader of committed records finds in a partition now."""

    async def read() -> dict[int, bytes | None]:
        where = TopicPartition(topic, partition)
        found: dict[int, bytes | None] = {}
        async with AIOKafkaConsumer(
            bootstrap_servers=stack.ready["kafka"], isolation_level="read_committed", auto_offset_reset="earliest"
        ) as consumer:
            consumer.assign([where])
            end = (await consumer.end_offsets([where]))[where]
            while await consumer.position(where) < end:
                for some in (await consumer.getmany(where, timeout_ms=100)).values():
                    found |= {record.offset: record.value for record in some}
        return found

    return asyncio.run(read())


async def send_keyed(
    producer: AIOKafkaProducer, topic: str, records: Sequence[tuple[bytes | None, Record]], partition: int
) -> list[tuple[Record, Place]]:
    """Send in order, with keys. Returns where each record lies. Nothing is noted in a ledger."""
    sent = [await producer.send(topic, record.value, key=key, partition=partition) for key, record in records]
    return [
        (record, (topic, partition, (await answer).offset)) for (_, record), answer in zip(records, sent, strict=True)
    ]
