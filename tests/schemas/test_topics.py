from __future__ import annotations

import pytest

from schemas.topics import TOPICS, EventType, event_type_of, topic_for, topic_named, topics


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


def test_a_prefix_stands_before_every_name() -> None:
    assert [topic.name for topic in topics("eu-")] == ["eu-video-creations", "eu-sticker-uses", "eu-video-views"]
    assert topic_named("eu-sticker-uses", "eu-") == topic_for(EventType.STICKER_USE, "eu-")
    with pytest.raises(KeyError, match="eu-video-views"):
        topic_named("video-views", "eu-")


def test_a_name_tells_what_it_carries_whatever_its_prefix() -> None:
    assert event_type_of("eu-video-views") is event_type_of("video-views") is EventType.VIDEO_VIEW
    with pytest.raises(KeyError, match="payments"):
        event_type_of("payments")
