"""What the producer SDK raises. Each error says what to do about it in `remedy`.

EventError
├── InvalidEventError (also a ValueError)   the event is not one the SDK sends: names the field
└── DeliveryError                           the event did not, or may not have, reached the broker
    ├── BrokerUnreachableError              no broker answers
    ├── TopicNotFoundError                  the broker has no such topic
    ├── EventTooLargeError                  the event exceeds what the producer or the broker takes
    ├── IdempotenceUnsupportedError         the broker gives out no producer ids
    ├── DeliveryTimeoutError                no acknowledgement in time: the event may or may not be there
    └── ProducerClosedError                 the producer is not open
"""

from __future__ import annotations


class EventError(Exception):
    """Root of all errors of the SDK. `reason` says what is wrong, `remedy` what to do."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}. {remedy}")
        self.reason = reason
        self.remedy = remedy


class InvalidEventError(EventError, ValueError):
    """The event breaks the contract of `schemas/v1` in `field`; nothing was sent."""

    def __init__(self, field: str, reason: str, remedy: str) -> None:
        super().__init__(f"{field}: {reason}" if field else reason, remedy)
        self.field = field


class DeliveryError(EventError):
    """The event did not, or may not have, reached the broker."""


class BrokerUnreachableError(DeliveryError):
    """No bootstrap server answered, or the connection was lost for good."""


class TopicNotFoundError(DeliveryError):
    """The broker does not have the topic and does not create it."""


class EventTooLargeError(DeliveryError):
    """The event is larger than the producer or the broker takes."""


class IdempotenceUnsupportedError(DeliveryError):
    """The broker does not give out producer ids, so retries could send an event twice."""


class DeliveryTimeoutError(DeliveryError):
    """The broker did not acknowledge in time: the event may or may not have been written."""


class ProducerClosedError(DeliveryError):
    """The producer was not started, or is closed already."""
