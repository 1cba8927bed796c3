"""The event types and the Kafka topics that carry them: the one place that names both."""

from __future__ import annotations

from dataclasses import dataclass, replace
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


def topics(prefix: str = "") -> tuple[Topic, ...]:
    """The topics of a deployment whose names all begin with `prefix`."""
    return tuple(topic_for(topic.event_type, prefix) for topic in TOPICS)


def topic_for(event_type: EventType, prefix: str = "") -> Topic:
    """The topic that carries `event_type`."""
    topic = _BY_TYPE[event_type]
    return replace(topic, name=prefix + topic.name) if prefix else topic


def topic_named(name: str, prefix: str = "") -> Topic:
    """The topic called `name`, among those that begin with `prefix`.

    Raises KeyError, with the names there are, where none is.
    """
    found = {topic.name: topic for topic in topics(prefix)}
    try:
        return found[name]
    except KeyError:
        raise KeyError(f"no topic {name!r}; there are {', '.join(found)}") from None


def event_type_of(name: str) -> EventType:
    """What a topic called `name` carries, whatever its prefix. Raises KeyError where it is none of ours."""
    for topic in TOPICS:
        if name.endswith(topic.name):
            return topic.event_type
    raise KeyError(f"no topic of tagpulse is called {name!r}")
