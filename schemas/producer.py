"""Sends typed events to Kafka.

    async with EventProducer("localhost:9092") as producer:
        acknowledged = await producer.send(VideoView(ts=datetime.now(UTC), video_id=7001))
        delivery = await acknowledged          # optional: where the broker put it
        await producer.flush()                 # all sent so far is acknowledged, or this raises

Each event goes to the topic of its type, keyed by video id, with acks=all. No failure is silent: who does not
await what `send` returns learns of it from `flush` or from leaving the `async with` block.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self

from aiokafka import AIOKafkaProducer
from aiokafka import errors as kafka_errors

from schemas.errors import (
    BrokerUnreachableError,
    DeliveryError,
    DeliveryTimeoutError,
    EventTooLargeError,
    IdempotenceUnsupportedError,
    InvalidEventError,
    ProducerClosedError,
    TopicNotFoundError,
)
from schemas.events import Event, StickerUse, VideoCreation, VideoView
from schemas.topics import TOPICS, EventType

#: What consumers reject by default (`max_record_bytes`); larger events are not sent.
MAX_EVENT_BYTES = 256 * 1024

_TOPIC_ATTEMPTS = 5
_TOPIC_RETRY_S = 0.2


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where the broker wrote an event."""

    topic: str
    partition: int
    offset: int


class EventProducer:
    """An asynchronous producer of events. Use it as a context manager, in one event loop.

    `idempotent` lets the broker drop the repeats of a retried send; a broker that cannot (the embedded one)
    needs False, and then a retry may write an event twice. `topics` overrides the names of topics by type.
    At most `max_in_flight` events wait for the broker; `send` waits while there are as many. `client_options`
    go to aiokafka's producer (security_protocol, ssl_context, sasl_...).
    """

    def __init__(
        self,
        bootstrap_servers: str,
        *,
        idempotent: bool = True,
        compression: Literal["lz4", "zstd"] | None = "lz4",
        topics: Mapping[EventType, str] | None = None,
        max_in_flight: int = 10_000,
        linger_ms: int = 5,
        timeout_s: float = 30.0,
        **client_options: Any,
    ) -> None:
        self._client_options = client_options
        self._servers = bootstrap_servers
        self._idempotent = idempotent
        self._compression = compression
        self._topics = {topic.event_type: topic.name for topic in TOPICS} | dict(topics or {})
        self._max_in_flight = max_in_flight
        self._linger_ms = linger_ms
        self._timeout_s = timeout_s
        self._known_topics: set[str] = set()
        self._producer: Any = None
        self._slots = asyncio.BoundedSemaphore(max_in_flight)
        self._in_flight: set[asyncio.Task[Delivery]] = set()
        self._failure: DeliveryError | None = None

    async def __aenter__(self) -> Self:
        """Connect. Raises BrokerUnreachableError or IdempotenceUnsupportedError, within `timeout_s`."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self._servers,
            acks="all",
            enable_idempotence=self._idempotent,
            compression_type=self._compression,
            linger_ms=self._linger_ms,
            request_timeout_ms=max(1, int(self._timeout_s * 1000)),
            max_request_size=4 * MAX_EVENT_BYTES,
            **self._client_options,
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                await producer.start()
        except BaseException as error:
            connected = bool(producer.client.cluster.brokers())
            await producer.stop()
            if isinstance(error, kafka_errors.KafkaError | OSError):  # TimeoutError is an OSError
                raise self._start_error(error, connected) from error
            raise
        self._producer = producer
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Flush and close. Raises as `flush` does, unless the block itself raised."""
        try:
            if exc_type is None:
                await self.flush()
        finally:
            producer, self._producer = self._producer, None
            await producer.stop()
            if self._in_flight:
                await asyncio.wait(self._in_flight)

    async def send(self, event: Event) -> asyncio.Future[Delivery]:
        """Hand `event` to the broker's queue; what it returns is done when the broker acknowledged it.

        Raises InvalidEventError, EventTooLargeError, TopicNotFoundError, ProducerClosedError, or
        DeliveryTimeoutError where the queue stays full. Awaiting the result raises a DeliveryError.
        """
        if not isinstance(event, VideoCreation | StickerUse | VideoView):
            raise InvalidEventError("", f"{type(event).__name__} is no event", "Send an event of schemas.events.")
        if self._producer is None:
            raise ProducerClosedError("the producer is not open", "Send inside its `async with` block.")
        value = event.to_json()
        if len(value) > MAX_EVENT_BYTES:
            raise _too_large(len(value))
        topic = self._topics[event.event_type]
        await self._slots.acquire()
        try:
            await self._check_topic(topic)
            acknowledged = await self._producer.send(topic, value, key=str(event.video_id).encode("ascii"))
        except BaseException as error:
            self._slots.release()
            if isinstance(error, kafka_errors.KafkaError):
                raise self._delivery_error(error, topic) from error
            raise
        task = asyncio.create_task(self._deliver(acknowledged, topic))
        self._in_flight.add(task)
        task.add_done_callback(self._delivered)
        return task

    async def flush(self) -> None:
        """Wait until all sent so far is acknowledged or has failed.

        Raises the first DeliveryError since the last flush, also where the sender has awaited it already.
        """
        if self._in_flight:
            await asyncio.wait(tuple(self._in_flight))
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    async def _check_topic(self, topic: str) -> None:
        """Ask for all topics: asking for one by name would make many brokers create it, typing error and all."""
        attempts = 0
        while topic not in self._known_topics:
            if attempts == _TOPIC_ATTEMPTS:
                raise _no_topic(topic)
            if attempts > 0:  # a topic that was just created may be a moment without a leader
                await asyncio.sleep(_TOPIC_RETRY_S)
            attempts += 1
            self._known_topics |= (await self._producer.client.fetch_all_metadata()).topics()

    async def _deliver(self, acknowledged: asyncio.Future[Any], topic: str) -> Delivery:
        try:
            metadata = await acknowledged
        except kafka_errors.KafkaError as error:
            raise self._delivery_error(error, topic) from error
        return Delivery(metadata.topic, metadata.partition, metadata.offset)

    def _delivered(self, task: asyncio.Task[Delivery]) -> None:
        self._in_flight.discard(task)
        self._slots.release()
        error = None if task.cancelled() else task.exception()
        if isinstance(error, DeliveryError) and self._failure is None:
            self._failure = error

    def _start_error(self, error: Exception, connected: bool) -> DeliveryError:
        if connected and self._idempotent:
            return IdempotenceUnsupportedError(
                f"the broker at {self._servers} gave out no producer id ({type(error).__name__})",
                "Use idempotent=False (the embedded broker needs it; a retry may then write an event twice).",
            )
        return _unreachable(self._servers)

    def _delivery_error(self, error: Exception, topic: str) -> DeliveryError:
        match error:
            case kafka_errors.MessageSizeTooLargeError() | kafka_errors.RecordListTooLargeError():
                return _too_large(None)
            case kafka_errors.UnknownTopicOrPartitionError():
                return _no_topic(topic)
            case kafka_errors.KafkaTimeoutError() | kafka_errors.RequestTimedOutError():
                return DeliveryTimeoutError(
                    f"the broker at {self._servers} did not acknowledge an event for {topic} in {self._timeout_s} s",
                    "The event may or may not have been written; check the broker, then send it again.",
                )
            case kafka_errors.KafkaConnectionError() | kafka_errors.NodeNotReadyError():
                return _unreachable(self._servers)
            case _:
                return DeliveryError(
                    f"the broker refused an event for {topic}: {type(error).__name__} {error}".rstrip(),
                    "See the broker's log and its topic settings.",
                )


def _unreachable(servers: str) -> BrokerUnreachableError:
    return BrokerUnreachableError(
        f"no Kafka broker answers at {servers}", "Start it, or correct bootstrap_servers (host:port)."
    )


def _no_topic(topic: str) -> TopicNotFoundError:
    return TopicNotFoundError(
        f"the broker has no topic {topic!r}", "Create it, or name yours with topics={EventType...: name}."
    )


def _too_large(size: int | None) -> EventTooLargeError:
    return EventTooLargeError(
        f"the event is {size} bytes" if size else "the event is larger than the broker takes",
        f"Send up to {MAX_EVENT_BYTES} bytes: shorten its hashtags; or raise the topic's max.message.bytes.",
    )
