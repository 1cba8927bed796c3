"""Rejects and repaired records as NDJSON. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from sinks.rejected import KeptReject
from tagpulse.rejects.errors import RepairsError


@dataclass(frozen=True, slots=True)
class Repair:
    """A new value for the record at a place; `incarnation` None: of the youngest life that has a reject there."""

    line: int
    topic: str
    partition: int
    offset: int
    incarnation: int | None
    value: bytes


def export_line(reject: KeptReject) -> bytes:
    """One line for a reject: its place, why, and its bytes as base64 and, where they are UTF-8, as text."""
    record: dict[str, Any] = {
        **reject.place._asdict(),
        "reason": reject.reason,
        "field": reject.field,
        "rejected_at": reject.rejected_at.isoformat(timespec="milliseconds"),
        "length": reject.length,
        "sha256": reject.sha256,
        "truncated": reject.truncated,
        "replay": reject.replay,
        "raw_base64": base64.b64encode(reject.raw).decode(),
    }
    try:
        record["text"] = reject.raw.decode()
    except UnicodeDecodeError:
        record["text"] = None
    return orjson.dumps(record) + b"\n"


def repairs(lines: Iterable[bytes]) -> list[Repair]:
    """The repairs in a file: each line names topic, partition, offset and `value` (text) or `value_base64`.

    Other fields are ignored, so a line of an export with a `value` added will do. Raises RepairsError, which
    names the line, where one cannot be used or two are for one record.
    """
    found: dict[tuple[str, int | None, int, int], Repair] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        repair = _repair(number, line)
        key = (repair.topic, repair.incarnation, repair.partition, repair.offset)
        if key in found:
            raise RepairsError(f"line {number}: line {found[key].line} repairs the same record: leave one")
        found[key] = repair
    return list(found.values())


def _repair(number: int, line: bytes) -> Repair:
    try:
        fields = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise RepairsError(f"line {number}: not JSON: {error}") from None
    if not isinstance(fields, dict):
        raise RepairsError(f"line {number}: not a JSON object: write one for each record")
    if not isinstance(fields.get("topic"), str):
        raise RepairsError(f"line {number}: topic is not a string")
    numbers: dict[str, int | None] = {}
    for name in ("partition", "offset", "incarnation"):
        value = fields.get(name)
        if name == "incarnation" and value is None:
            numbers[name] = None
        elif not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
            raise RepairsError(f"line {number}: {name} is not a number from 0")
        else:
            numbers[name] = value
    partition, offset = numbers["partition"], numbers["offset"]
    assert partition is not None
    assert offset is not None
    return Repair(number, fields["topic"], partition, offset, numbers["incarnation"], _value(number, fields))


def _value(number: int, fields: dict[str, Any]) -> bytes:
    text: Any = fields.get("value")
    encoded: Any = fields.get("value_base64")
    if (text is None) == (encoded is None):
        raise RepairsError(f"line {number}: give the repaired record as value (text) or as value_base64")
    if text is not None:
        if not isinstance(text, str):
            raise RepairsError(f"line {number}: value is not a string: write the record as text")
        return text.encode()
    try:
        return base64.b64decode(encoded, validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise RepairsError(f"line {number}: value_base64 is not base64") from None
