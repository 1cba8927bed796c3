"""What the counts of one topic share: rules, what was learnt about tags and stickers, the slow way, scratch space."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable

import numpy as np

from schemas.tags import bounded_form, display_form
from schemas.topics import EventType
from streams.decoding import Decoder
from streams.judge import time_bounds
from streams.kernel import layout
from streams.kernel.compiled import KernelUnavailable, functions, unsupported
from streams.kernel.counts import KernelCounts
from streams.kernel.interned import Generation, Words
from streams.records import Bytes, Ints
from streams.rules import Rules

#: A generation with more strings than this is followed by a new one when the next delta begins.
MAX_STRINGS = 1 << 19
#: And with twice as many it learns no more: records with strings it does not know take the slow way.
_FORGETTING = 2

_SECRETS = np.frombuffer(os.urandom(8 * layout.TYPE_HEAD), np.uint64)
_MAX_SHOWN = 1 << 17


class KernelCounter:
    """Makes counts for the deltas of one topic. For one thread, like `Decoder`; rows may be made in another.

    Raises KernelUnavailable where `unsupported(rules)` says so.
    """

    def __init__(self, event_type: EventType, rules: Rules) -> None:
        reason = unsupported(rules)
        if reason is not None:
            raise KernelUnavailable(reason)
        self.event_type = event_type
        self.functions = functions()
        self.decoder = Decoder(event_type, rules)
        self.words = self._words()
        self.scratch = Scratch()
        self._rules = rules
        self._groups = [(f"@{name}".encode(), frozenset(rules.tag_groups[name])) for name in sorted(rules.tag_groups)]
        self._grouped = frozenset[str]().union(*(members for _, members in self._groups))
        self._shown: set[str] = set()
        self._generation = self._new_generation()

    def _words(self) -> Words:
        name = self.event_type.value.encode().ljust(16, b"\0")
        return np.concatenate([_SECRETS, np.frombuffer(name, "<u8").astype(np.uint64)])

    def _new_generation(self) -> Generation:
        generation = Generation(self.words)
        generation.forms.intern([name for name, _ in self._groups], [0] * len(self._groups))
        return generation

    def begin(self) -> KernelCounts:
        """Empty counts for a new delta."""
        if len(self._generation) > MAX_STRINGS:
            self._generation = self._new_generation()
        return KernelCounts(self, self._generation)

    def rules_at(self, clock_s: float) -> Ints:
        """What to count when the clock stands at `clock_s`, for the compiled code."""
        oldest, latest = time_bounds(self._rules, clock_s)
        array = np.zeros(layout.RULES_SIZE, np.int64)
        array[layout.OLDEST], array[layout.LATEST] = oldest, latest
        array[layout.MAX_RECORD_BYTES] = self._rules.max_record_bytes
        array[layout.MAX_TAGS] = min(layout.MAX_TAGS_FAST, self._rules.max_hashtags_per_event)
        array[layout.HAS_STICKER] = self.event_type is EventType.STICKER_USE
        array[layout.HAS_COUNT] = self.event_type is EventType.VIDEO_VIEW
        array[layout.GROUPS] = len(self._groups)
        array[layout.TYPE_LENGTH] = len(self.event_type.value)
        return array

    @property
    def group_forms(self) -> Ints:
        """The forms of the groups, by bit."""
        return np.arange(1, 1 + len(self._groups), dtype=np.int64)

    # ---- learning -------------------------------------------------------------------------------------

    def learn(self, generation: Generation, buffer: Bytes, misses: Ints, display_forms: dict[str, str]) -> bool:
        """Learn strings that the compiled code did not know. False where the generation is full.

        Display forms of new tags go to `display_forms`.
        """
        if len(generation) >= _FORGETTING * MAX_STRINGS:
            return False
        raws: dict[tuple[int, bytes], None] = {}
        view = buffer.data
        for start, length, kind in misses.reshape(-1, layout.MISS_WORDS).tolist():
            raws[kind, bytes(view[start : start + length])] = None
        self._learn_tags(generation, [raw for kind, raw in raws if kind == layout.TAG], display_forms)
        self._learn_stickers(generation, [raw for kind, raw in raws if kind == layout.STICKER])
        return True

    def _learn_tags(self, generation: Generation, raws: list[bytes], display_forms: dict[str, str]) -> None:
        values = [0] * len(raws)
        forms: dict[int, str] = {}
        for index, raw in enumerate(raws):
            text = _text(raw)
            form = bounded_form(text, self._rules.max_tag_bytes)
            if not form:
                values[index] = layout.LONG_TAG if form is None else layout.EMPTY_TAG
                continue
            forms[index] = form
            # A normal form is shown as it is; most tags are written so.
            if form != text and form not in self._shown:
                display = display_form(text)
                if display[1:] != form:
                    self.show({form: display}, display_forms)
        for index, number in zip(forms, self.intern_forms(generation, list(forms.values())).tolist(), strict=True):
            values[index] = number
        generation.tags.intern(raws, values)

    def _learn_stickers(self, generation: Generation, raws: list[bytes]) -> None:
        values = [layout.ODD] * len(raws)
        forms: dict[int, str] = {}
        for index, raw in enumerate(raws):
            form = bounded_form(_text(raw), self._rules.max_tag_bytes)
            if form:
                forms[index] = form
        for index, number in zip(forms, self.intern_stickers(generation, forms.values()).tolist(), strict=True):
            values[index] = number
        generation.stickers.intern(raws, values)

    def intern_forms(self, generation: Generation, forms: list[str]) -> Ints:
        """The numbers of normal forms of tags, new or not."""
        groups = [self._groups_of(form) for form in forms] if self._grouped else [0] * len(forms)
        return generation.forms.intern([form.encode() for form in forms], groups)

    def intern_stickers(self, generation: Generation, forms: Iterable[str]) -> Ints:
        """The numbers of normal forms of stickers, new or not."""
        encoded = [form.encode() for form in forms]
        numbers = generation.sticker_forms.intern(encoded, [0] * len(encoded))
        if len(generation.sticker_forms) > layout.MAX_STICKERS:
            raise OverflowError(f"more than {layout.MAX_STICKERS} stickers in one delta: lower max_delta_rows")
        return numbers

    def _groups_of(self, form: str) -> int:
        bits = sum(1 << bit for bit, (_, members) in enumerate(self._groups) if form in members)
        return bits - (1 << 64) if bits >> 63 else bits  # as int64

    def show(self, found: dict[str, str], display_forms: dict[str, str]) -> None:
        """Put those of the display forms `found` into `display_forms` whose tags are new."""
        for form, display in found.items():
            if form not in self._shown:
                if len(self._shown) >= _MAX_SHOWN:
                    self._shown.clear()
                self._shown.add(form)
                display_forms[form] = display


class Scratch:
    """Arrays that a call of the compiled code writes to, kept for the next."""

    def __init__(self) -> None:
        self.state = np.zeros(layout.STATE_SIZE, np.int64)
        self.record = np.zeros(16, np.int64)
        self.tags = np.zeros(layout.MAX_KEYS_OF_RECORD + 1, np.int64)
        self.misses = np.zeros(layout.MISS_WORDS * layout.MISSES_SIZE, np.int64)
        self.pending = np.zeros(3 * layout.PENDING_SIZE, np.uint64)


def _text(raw: bytes) -> str:
    """The string that stands in JSON as `raw`, between its quotes; the compiled code has seen that it is sound."""
    if b"\\" not in raw:
        return raw.decode()
    text = json.loads(b'"' + raw + b'"')
    assert isinstance(text, str)
    return text
