"""Why a record cannot be counted: one vocabulary for the SDK, the worker, the tables and the metrics."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

#: Bytes of a rejected record that are kept; its length and SHA-256 are always of the whole.
KEPT_RAW_BYTES = 64 * 1024


class RejectReason(StrEnum):
    """Reason of a reject. The value is what tables, metrics and the command line show."""

    EMPTY = "empty"
    """The record has no value (a tombstone) or a value of zero bytes or white space only."""
    TOO_LARGE = "too_large"
    """The value is larger than `max_record_bytes`."""
    NOT_UTF8 = "not_utf8"
    """The value is not valid UTF-8, or an escape in it names a lone surrogate."""
    NOT_JSON = "not_json"
    """The value does not parse as JSON (NaN, trailing bytes and truncation included)."""
    TOO_DEEP = "too_deep"
    """The value nests deeper than the parser goes."""
    NOT_OBJECT = "not_object"
    """The value is JSON, but not an object."""
    UNSUPPORTED_SCHEMA = "unsupported_schema"
    """`schema` names a version that this build does not know."""
    TYPE_MISMATCH = "type_mismatch"
    """`type` disagrees with the topic the record was sent to."""
    MISSING = "missing"
    """A required field is absent or null."""
    WRONG_TYPE = "wrong_type"
    """A field holds a JSON value of another type."""
    INVALID = "invalid"
    """A field holds the right type but a value that is not allowed (format or range)."""
    TOO_OLD = "too_old"
    """`ts` lies before `min_event_time` (feeds write 1970 for "missing")."""
    IN_FUTURE = "in_future"
    """`ts` lies more than `max_future_s` ahead of the clock."""
    DUPLICATE = "duplicate"
    """Another record with this `event_id` lies among the `dedup_records` offsets before, and could be counted."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that was not counted, with what a person needs to repair it.

    `field` is the JSON field at fault, or "" where the record as a whole is. `raw` holds the first
    `KEPT_RAW_BYTES` bytes; `length` (bytes) and `sha256` (hex) are of the whole value.
    """

    offset: int
    reason: RejectReason
    field: str
    raw: bytes
    length: int
    sha256: str

    @classmethod
    def of(cls, offset: int, reason: RejectReason, field: str, value: bytes | None) -> Reject:
        """Build a reject for `value`, the record's bytes as fetched (None is a tombstone)."""
        whole = value or b""
        return cls(offset, reason, field, whole[:KEPT_RAW_BYTES], len(whole), hashlib.sha256(whole).hexdigest())
