"""From the records of a batch to columns: what each record counts for, and which cannot be counted.

Pure: no I/O, no clock, and the same batch, clock and rules always give the same columns and rejects, whatever
the decoder saw before (only display forms, which are best effort, are given once). `judge` defines what a
record means; the loop here reads the usual record faster (one msgspec pass without intermediate dicts, and
caches of what repeats) and hands every other one to `judge`.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from schemas.countries import normalise_country
from schemas.rejects import Reject
from schemas.tags import bounded_form, display_form
from schemas.timestamps import parse_timestamp
from schemas.topics import EventType
from streams.batch import RecordBatch
from streams.judge import MAX_COUNT, MAX_DEPTH, MAX_VIDEO_ID, Fault, judge, time_bounds
from streams.rules import Rules


@dataclass(slots=True)
class Decoded:
    """Parallel columns with one entry per counted record, in offset order; and what was not counted."""

    minutes: list[int] = field(default_factory=list)
    """Event time in unix minutes."""
    countries: list[str] = field(default_factory=list)
    tags: list[tuple[str, ...]] = field(default_factory=list)
    """Distinct normal forms, then one `@name` for each tag group that holds any of them, by name."""
    stickers: list[str] = field(default_factory=list)
    """Normal form; "" for events that have none."""
    counts: list[int] = field(default_factory=list)
    """`count` of a view; 1 for the other types, whose `count`, if any, is an unknown field."""
    video_ids: list[int] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    """In offset order."""
    dropped_tags: Counter[str] = field(default_factory=Counter)
    """Tags that their record was counted without: "empty" and "too_long", each time; "too_many", distinct."""
    display_forms: dict[str, str] = field(default_factory=dict)
    """Normal form -> as first written, with one `#`: of tags new to the decoder, where the two differ."""

    def __len__(self) -> int:
        return len(self.minutes)


class Decoder:
    """Decodes batches of one topic. Keeps caches of bounded size, so it is for one thread.

    Decoders of one thread and the same `max_tag_bytes` may share `forms`: the topics carry the same hashtags.
    """

    def __init__(self, event_type: EventType, rules: Rules, forms: Forms | None = None) -> None:
        self._event_type = event_type
        self._rules = rules
        self._decode = msgspec.json.Decoder(_STRUCTS[event_type]).decode
        self._seconds = _Seconds()
        self._tails = _Tails()
        self._countries = _Countries()
        self._stickers = _Stickers(rules.max_tag_bytes)
        self._forms = Forms(rules.max_tag_bytes) if forms is None else forms
        self._groups = {f"@{name}": frozenset(rules.tag_groups[name]) for name in sorted(rules.tag_groups)}
        self._grouped = frozenset[str]().union(*self._groups.values())

    def decode(self, batch: RecordBatch, clock_s: float) -> Decoded:
        """Decode all records of `batch`. Raises nothing, whatever bytes the records hold."""
        out = Decoded()
        self._forms.begin(out.dropped_tags, out.display_forms)
        add_minute, add_country, add_tags = out.minutes.append, out.countries.append, out.tags.append
        add_sticker, add_count, add_id = out.stickers.append, out.counts.append, out.video_ids.append
        decode, seconds, tails = self._decode, self._seconds, self._tails
        countries, stickers, tags = self._countries, self._stickers, self._tags
        has_sticker = self._event_type is EventType.STICKER_USE
        has_count = self._event_type is EventType.VIDEO_VIEW
        max_bytes = self._rules.max_record_bytes
        oldest, latest = time_bounds(self._rules, clock_s)
        sticker, count = "", 1

        for index, value in enumerate(batch.values):
            try:
                if value is None or len(value) > _SURELY_SHALLOW_BYTES:
                    _check_size(value, max_bytes)
                # msgspec skips ignored fields without a look at their UTF-8.
                if not value.isascii():  # type: ignore[union-attr]
                    value.decode()  # type: ignore[union-attr]
                event: Any = decode(value)  # type: ignore[arg-type]
                ts = event.ts
                second = seconds[ts[:19]] - tails[ts[19:]]
                digits = event.video_id
                if not oldest <= second <= latest or len(digits) > 20 or not (digits.isdigit() and digits.isascii()):
                    raise _UnusualError
                video_id = int(digits)
                if video_id > MAX_VIDEO_ID:
                    raise _UnusualError
                country = countries[event.country]
                hashtags = event.hashtags
                if has_sticker:
                    sticker = stickers[event.sticker]
                elif has_count:
                    count = event.count
                    if not 1 <= count <= MAX_COUNT:
                        raise _UnusualError
            except _UNUSUAL:
                verdict = judge(self._event_type, self._rules, value, clock_s)
                if isinstance(verdict, Fault):
                    out.rejects.append(Reject.of(batch.offsets[index], verdict.reason, verdict.field, value))
                    continue
                second, video_id, country, hashtags, sticker, count = verdict
            add_minute(second // 60)
            add_country(country)
            add_tags(tags(hashtags) if hashtags else ())
            add_sticker(sticker)
            add_count(count)
            add_id(video_id)
        return out

    def _tags(self, hashtags: tuple[str, ...]) -> tuple[str, ...]:
        forms = tuple(map(self._forms.__getitem__, hashtags))
        if len(forms) > 1 and len(set(forms)) < len(forms):
            forms = tuple(dict.fromkeys(forms))
        if "" in forms:
            forms = tuple(filter(None, forms))
        if len(forms) > self._rules.max_hashtags_per_event:
            self._forms.dropped["too_many"] += len(forms) - self._rules.max_hashtags_per_event
            forms = forms[: self._rules.max_hashtags_per_event]
        if self._grouped and not self._grouped.isdisjoint(forms):
            forms += tuple(name for name, members in self._groups.items() if not members.isdisjoint(forms))
        return forms


# ---- the usual record ---------------------------------------------------------------------------------


class _Creation(msgspec.Struct, gc=False):
    ts: str
    video_id: str
    hashtags: tuple[str, ...] | None = None
    country: str | None = None
    schema: Literal[1] | None = None
    type: Literal["video_creation"] | None = None


class _StickerUse(msgspec.Struct, gc=False):
    ts: str
    video_id: str
    sticker: str
    hashtags: tuple[str, ...] | None = None
    country: str | None = None
    schema: Literal[1] | None = None
    type: Literal["sticker_use"] | None = None


class _View(msgspec.Struct, gc=False):
    ts: str
    video_id: str
    count: int = 1
    hashtags: tuple[str, ...] | None = None
    country: str | None = None
    schema: Literal[1] | None = None
    type: Literal["video_view"] | None = None


_STRUCTS: dict[EventType, type[msgspec.Struct]] = {
    EventType.VIDEO_CREATION: _Creation,
    EventType.STICKER_USE: _StickerUse,
    EventType.VIDEO_VIEW: _View,
}

#: A level of nesting takes two bytes, so a record up to this size cannot be too deep.
_SURELY_SHALLOW_BYTES = 2 * MAX_DEPTH


class _UnusualError(ValueError):
    """The record is for `judge` to decide. Says nothing about whether it can be counted."""


#: msgspec's errors and UnicodeDecodeError are ValueErrors. RecursionError: msgspec counts the caller's depth.
_UNUSUAL = (ValueError, RecursionError)


def _check_size(value: bytes | None, max_bytes: int) -> None:
    if value is None or len(value) > max_bytes or value.count(b"[") + value.count(b"{") > MAX_DEPTH:
        raise _UnusualError


# ---- caches: dicts that compute what they miss, and forget all when they are full ---------------------

_MAX_SECONDS = 1 << 16
_MAX_TAILS = 1 << 12
_MAX_FORMS = 1 << 18
_MAX_CACHED_CHARACTERS = 64


class _Seconds(dict[str, int]):
    """`2026-03-01T12:00:00` -> unix seconds, read as UTC. Raises ValueError where it is no date and time."""

    def __missing__(self, head: str) -> int:
        if head.endswith("60"):
            raise _UnusualError  # whether that is a leap second depends on the offset
        second = parse_timestamp(head + "Z")
        if len(self) >= _MAX_SECONDS:
            self.clear()
        self[head] = second
        return second


class _Tails(dict[str, int]):
    """What follows the seconds (`Z`, `.123Z`, `+05:30`) -> the offset in seconds. Raises ValueError."""

    _TAIL = re.compile(r"(?:\.[0-9]+)?(?:[Zz]|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))")

    def __missing__(self, tail: str) -> int:
        match = self._TAIL.fullmatch(tail)
        if match is None:
            raise _UnusualError
        sign, hours, minutes = match.groups()
        offset = 0
        if sign is not None:
            offset = (int(hours) * 60 + int(minutes)) * (60 if sign == "+" else -60)
        # Milliseconds repeat, microseconds do not.
        if len(tail) <= len(".123+00:00") and len(self) < _MAX_TAILS:
            self[tail] = offset
        return offset


class _Countries(dict[str | None, str]):
    """A country as written -> its normal form. Raises ValueError. Bounded by what is valid."""

    def __missing__(self, text: str | None) -> str:
        code = self[text] = normalise_country(text)
        return code


class _Stickers(dict[str, str]):
    """A sticker as written -> its normal form. Raises ValueError where that is empty or too long."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes

    def __missing__(self, text: str) -> str:
        form = bounded_form(text, self._max_bytes)
        if not form:
            raise _UnusualError
        if len(text) <= _MAX_CACHED_CHARACTERS:
            if len(self) >= _MAX_FORMS:
                self.clear()
            self[text] = form
        return form


class Forms(dict[str, str]):
    """A hashtag as written -> its normal form, or "" where it is dropped, which is counted each time."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._shown: set[str] = set()
        self.begin(Counter(), {})

    def begin(self, dropped: Counter[str], display_forms: dict[str, str]) -> None:
        """From now on count drops in `dropped` and put the display forms of new tags in `display_forms`."""
        self.dropped = dropped
        self._display_forms = display_forms

    def __missing__(self, text: str) -> str:
        form = bounded_form(text, self._max_bytes)
        if not form:
            self.dropped["too_long" if form is None else "empty"] += 1
            return ""
        if form not in self._shown:
            display = display_form(text)
            if display[1:] != form:
                self._display_forms[form] = display
                self._remember(form)
        if len(text) <= _MAX_CACHED_CHARACTERS:
            if len(self) >= _MAX_FORMS:
                self.clear()
            self[text] = form
        return form

    def _remember(self, form: str) -> None:
        if len(self._shown) >= _MAX_FORMS:
            self._shown.clear()
        self._shown.add(form)
