"""The producer against a real broker (the embedded one): what was sent is what a consumer reads."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any, Literal

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import MessageSizeTooLargeError

from schemas.errors import (
    BrokerUnreachableError,
    DeliveryError,
    EventTooLargeError,
    IdempotenceUnsupportedError,
    InvalidEventError,
    ProducerClosedError,
    TopicNotFoundError,
)
from schemas.events import Event, StickerUse, VideoCreation, VideoView
from schemas.producer import EventProducer
from schemas.topics import EventType, topic_for
from tests.schemas.conftest import free_port, running_broker

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


async def create_topics(broker: str, *names: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, num_partitions=4, replication_factor=1) for name in names])
    finally:
        await admin.close()


async def consume(broker: str, topic: str, count: int) -> list[Any]:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=broker, auto_offset_reset="earliest", group_id=None)
    await consumer.start()
    try:
        async with asyncio.timeout(20):
            return [await consumer.getone() for _ in range(count)]
    finally:
        await consumer.stop()


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
async def test_what_is_sent_is_what_is_read(broker: str, compression: Literal["lz4", "zstd"] | None) -> None:
    names = {event_type: f"{topic_for(event_type).name}-{compression}" for event_type in EventType}
    await create_topics(broker, *names.values())
    events: dict[EventType, list[Event]] = {
        EventType.VIDEO_CREATION: [VideoCreation(ts=NOON, video_id=n, hashtags=("fypシ",)) for n in range(20)],
        EventType.STICKER_USE: [StickerUse(ts=NOON, video_id=n, sticker="🔥") for n in range(20)],
        EventType.VIDEO_VIEW: [VideoView(ts=NOON, video_id=2**64 - 1 - n, count=3) for n in range(20)],
    }
    async with EventProducer(broker, idempotent=False, compression=compression, topics=names) as producer:
        acknowledged = [await producer.send(event) for some in events.values() for event in some]
        await producer.flush()
        deliveries = [await each for each in acknowledged]
    for event_type, sent in events.items():
        records = await consume(broker, names[event_type], len(sent))
        assert sorted(record.value for record in records) == sorted(event.to_json() for event in sent)
        assert {record.key for record in records} == {str(event.video_id).encode() for event in sent}
        assert {(r.topic, r.partition, r.offset) for r in records} <= {
            (d.topic, d.partition, d.offset) for d in deliveries
        }


async def test_a_broker_without_producer_ids_is_named_in_time(broker: str) -> None:
    with pytest.raises(IdempotenceUnsupportedError, match="idempotent=False"):
        async with EventProducer(broker, timeout_s=5):
            pass


async def test_no_broker() -> None:
    for idempotent in (True, False):
        with pytest.raises(BrokerUnreachableError, match="bootstrap_servers"):
            async with EventProducer(f"127.0.0.1:{free_port()}", idempotent=idempotent, timeout_s=3):
                pass


async def test_a_server_that_does_not_speak_kafka() -> None:
    connections: list[asyncio.Task[Any] | None] = []

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(asyncio.current_task())
        await reader.read()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(BrokerUnreachableError):
        async with EventProducer(f"127.0.0.1:{port}", timeout_s=1):
            pass
    server.close()
    await asyncio.gather(*filter(None, connections))
    await server.wait_closed()


async def test_a_broker_that_dies_fails_what_is_in_flight_in_time() -> None:
    with running_broker() as (servers, process):
        await create_topics(servers, "video-views")
        async with EventProducer(servers, idempotent=False, timeout_s=2) as producer:
            await (await producer.send(VideoView(ts=NOON, video_id=1)))
            process.kill()
            process.wait()
            acknowledged = await producer.send(VideoView(ts=NOON, video_id=2))
            with pytest.raises(DeliveryError):
                await acknowledged
            with pytest.raises(DeliveryError):
                await producer.flush()


async def test_a_topic_that_is_missing(broker: str) -> None:
    names = {EventType.VIDEO_VIEW: "no-such-topic"}
    async with EventProducer(broker, idempotent=False, topics=names, timeout_s=1) as producer:
        for _ in range(2):  # the broker creates topics that it is asked for; we must not ask
            with pytest.raises(TopicNotFoundError, match="no-such-topic"):
                await producer.send(VideoView(ts=NOON, video_id=1))


async def test_an_event_too_large(broker: str) -> None:
    event = VideoView(ts=NOON, video_id=1, hashtags=tuple("\u200b" * 600 + str(n) for n in range(200)))
    async with EventProducer(broker, idempotent=False) as producer:
        with pytest.raises(EventTooLargeError, match="bytes"):
            await producer.send(event)


async def test_what_is_no_event_is_refused(broker: str) -> None:
    async with EventProducer(broker, idempotent=False) as producer:
        with pytest.raises(InvalidEventError, match="dict"):
            await producer.send({"video_id": "1"})  # type: ignore[arg-type]


async def test_a_closed_producer_says_so(broker: str) -> None:
    producer = EventProducer(broker, idempotent=False)
    with pytest.raises(ProducerClosedError):
        await producer.send(VideoView(ts=NOON, video_id=1))
    async with producer:
        pass
    with pytest.raises(ProducerClosedError):
        await producer.send(VideoView(ts=NOON, video_id=1))


async def test_in_flight_is_bounded_and_failures_reach_flush(broker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[asyncio.Future[Any]] = []

    async def send(*args: object, **kwargs: object) -> asyncio.Future[Any]:
        answers.append(asyncio.get_running_loop().create_future())
        return answers[-1]

    names = {EventType.VIDEO_VIEW: "bounded"}
    await create_topics(broker, "bounded")
    event = VideoView(ts=NOON, video_id=1)
    producer = EventProducer(broker, idempotent=False, topics=names, max_in_flight=2)
    async with producer:
        monkeypatch.setattr(producer._producer, "send", send)
        await producer.send(event)
        await producer.send(event)
        third = asyncio.create_task(producer.send(event))
        await asyncio.sleep(0.05)
        assert not third.done()
        answers[0].set_exception(MessageSizeTooLargeError())
        await third
        for answer in answers[1:]:
            answer.set_exception(MessageSizeTooLargeError())
        with pytest.raises(DeliveryError):
            await producer.flush()
        await producer.flush()
