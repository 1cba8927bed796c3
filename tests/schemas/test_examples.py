"""The example files of schemas/v1, each run through the JSON Schema, the SDK's types and the decoder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pytest
import yaml

import schemas
from schemas.events import event_from_dict
from schemas.topics import TOPICS, EventType
from streams.batch import RecordBatch
from streams.decoding import Decoded, Decoder
from streams.rules import Rules

V1 = Path(schemas.__file__).parent / "v1"
CLOCK = 1_772_366_400.0  # 2026-03-01T12:00:00Z
EXAMPLES = sorted((V1 / "examples").rglob("*.json"))


def json_schema(event_type: EventType) -> Any:
    return json.loads((V1 / f"{event_type.value}.schema.json").read_text())


def decode(event_type: EventType, value: bytes) -> Decoded:
    batch = RecordBatch("t", 0, 0, 0, 1, [0], [value])
    return Decoder(event_type, Rules()).decode(batch, CLOCK)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: "-".join(path.relative_to(V1 / "examples").parts))
def test_example(path: Path) -> None:
    event_type = EventType(path.parent.parent.name)
    value = path.read_bytes()
    decoded = decode(event_type, value)
    match path.parent.name:
        case "valid":
            assert len(decoded) == 1
            sent = orjson.loads(value)
            jsonschema.validate(sent, json_schema(event_type))
            event = event_from_dict(sent)
            assert event.event_type is event_type
            assert event_from_dict(orjson.loads(event.to_json())) == event
            again = decode(event_type, event.to_json())
            assert again == decoded
        case "odd":
            assert len(decoded) == 1
            assert decoded.rejects == []
        case "invalid":
            assert [reject.reason.value for reject in decoded.rejects] == [path.stem.partition("--")[0]]
            assert len(decoded) == 0
        case kind:
            pytest.fail(f"{kind} is no kind of example")


@pytest.mark.parametrize("event_type", list(EventType))
def test_every_type_has_examples_and_a_sound_schema(event_type: EventType) -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema(event_type))
    kinds = {path.parent.name for path in EXAMPLES if path.parent.parent.name == event_type.value}
    assert kinds == {"valid", "odd", "invalid"}


def test_the_asyncapi_document_names_our_topics_and_schemas() -> None:
    document = yaml.safe_load((V1 / "asyncapi.yaml").read_text())
    assert document["asyncapi"] == "3.0.0"
    channels = {channel["address"]: channel for channel in document["channels"].values()}
    assert set(channels) == {topic.name for topic in TOPICS}
    for topic in TOPICS:
        channel = channels[topic.name]
        assert channel["bindings"]["kafka"]["partitions"] == topic.partitions
        assert list(channel["messages"]) == [topic.event_type.value]
        message = document["components"]["messages"][topic.event_type.value]
        assert (V1 / message["payload"]["schema"]["$ref"]).is_file()
    references = set(_references(document))
    for reference in references:
        if reference.startswith("#/"):
            node: Any = document
            for part in reference[2:].split("/"):
                node = node[part]


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        found = [value for key, value in node.items() if key == "$ref"]
        return found + [ref for value in node.values() for ref in _references(value)]
    if isinstance(node, list):
        return [ref for value in node for ref in _references(value)]
    return []
