"""The rules of counting: everything but the records and the clock that can change a count."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping
from functools import cached_property

import msgspec

#: Raised by one whenever the same record, clock and settings would be counted differently than before.
DECODING_VERSION = 1
#: Groups of tags that one set of rules may have: the compiled kernel keeps them as bits of a word.
MAX_GROUPS = 64


class Rules(msgspec.Struct, frozen=True, dict=True, kw_only=True, forbid_unknown_fields=True):
    """Settings that a recount must repeat to reproduce a delta, row for row.

    Their text is kept in ClickHouse under `version`; a claim names the version it was counted with.
    """

    decoding: int = DECODING_VERSION
    unicode: str = unicodedata.unidata_version
    """Version of the Unicode tables that normal forms were made with; it comes with Python."""
    min_event_time_s: int = 1_451_606_400
    """Unix seconds; earlier events are rejected. Default 2016-01-01T00:00:00Z."""
    max_future_s: int = 600
    max_record_bytes: int = 256 * 1024
    max_tag_bytes: int = 512
    """UTF-8 bytes of a tag's normal form; longer tags are dropped, their record is counted."""
    max_hashtags_per_event: int = 256
    tag_groups: dict[str, tuple[str, ...]] = {}
    """Name of a group -> normal forms of its tags. An event that carries any of them adds one row `@name`."""
    dedup_records: int = 0
    """Offsets before a record in which its event id makes it a duplicate (see `streams.duplicates`); 0: none is."""

    @cached_property
    def text(self) -> str:
        """The rules as canonical JSON (sorted keys)."""
        fields = msgspec.to_builtins(self)
        if not self.dedup_records:
            del fields["dedup_records"]  # rules that do without have the versions they always had
        return msgspec.json.encode(fields, order="sorted").decode()

    @cached_property
    def version(self) -> str:
        """First 16 hex digits of the SHA-256 of `text`."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]

    def with_groups(self, groups: Mapping[str, tuple[str, ...]]) -> tuple[Rules, list[str]]:
        """These rules with more groups, and the names of those that do not go in.

        A group keeps its name against one that comes later, and there are at most MAX_GROUPS.
        """
        merged, left_out = dict(self.tag_groups), []
        for name, tags in groups.items():
            if name in merged or len(merged) >= MAX_GROUPS:
                left_out.append(name)
            else:
                merged[name] = tags
        return msgspec.structs.replace(self, tag_groups=dict(sorted(merged.items()))), left_out

    @classmethod
    def parse(cls, text: str) -> Rules:
        """Read rules back from their text.

        Raises msgspec.ValidationError where the text holds a field or value that this build does not know.
        """
        return msgspec.json.decode(text, type=cls)
