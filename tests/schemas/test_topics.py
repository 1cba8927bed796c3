from __future__ import annotations

import pytest

from schemas.topics import TOPICS, EventType, topic_for, topic_named


def test_every_type_has_one_topic() -> None:
    assert [topic.event_type for topic in TOPICS] == list(EventType)
    assert [topic.name for topic in TOPICS] == ["video-creations", "sticker-uses", "video-views"]


def test_lookup_both_ways() -> None:
    for topic in TOPICS:
        assert topic_for(topic.event_type) is topic
        assert topic_named(topic.name) is topic


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(KeyError, match="video-views"):
        topic_named("video-likes")
