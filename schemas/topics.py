"""The event types and the Kafka topics that carry them: the one place that names both."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class EventType(StrEnum):
    """What happened. The value is what events, tables and the command line show."""

    VIDEO_CREATION = "video_creation"
    """A video was posted."""
    STICKER_USE = "sticker_use"
    """A sticker or effect was put on a video."""
    VIDEO_VIEW = "video_view"
    """A video was watched."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic and the one event type it carries; `partitions` is how many we create it with."""

    name: str
    event_type: EventType
    partitions: int = 4


TOPICS: tuple[Topic, ...] = (
    Topic("video-creations", EventType.VIDEO_CREATION),
    Topic("sticker-uses", EventType.STICKER_USE),
    Topic("video-views", EventType.VIDEO_VIEW),
)

_BY_TYPE = {topic.event_type: topic for topic in TOPICS}
_BY_NAME = {topic.name: topic for topic in TOPICS}


def topic_for(event_type: EventType) -> Topic:
    """The topic that carries `event_type`."""
    return _BY_TYPE[event_type]


def topic_named(name: str) -> Topic:
    """The topic called `name`.

    Raises KeyError, with the names there are, where none is.
    """
    try:
        return _BY_NAME[name]
    except KeyError:
        raise KeyError(f"no topic {name!r}; there are {', '.join(_BY_NAME)}") from None
