"""What was learnt about tags and stickers: strings as they stand in JSON, their normal forms, the groups of these."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable

import numpy as np

from schemas.tags import bounded_form, display_form
from streams.kernel import layout
from streams.kernel.interned import Generation, Words
from streams.records import Bytes, Ints
from streams.rules import Rules

#: A generation with more strings than this is followed by a new one when the next delta begins.
MAX_STRINGS = 1 << 19
#: And with twice as many it learns no more: records with strings it does not know take the slow way.
_FORGETTING = 2
_MAX_SHOWN = 1 << 17

#: Tags come from strangers: nobody may choose them so that their hashes are alike.
_SECRETS = np.frombuffer(os.urandom(8 * layout.TYPE_HEAD), np.uint64).copy()


class Vocabulary:
    """Learns by one set of rules. For one thread; the counters of its topics may share it, as topics share hashtags."""

    def __init__(self, rules: Rules, secrets: Words = _SECRETS) -> None:
        self.secrets = secrets
        self._rules = rules
        self._groups = [(f"@{name}".encode(), frozenset(rules.tag_groups[name])) for name in sorted(rules.tag_groups)]
        self._grouped = frozenset[str]().union(*(members for _, members in self._groups))
        self._shown: set[str] = set()
        self._generation = self._new_generation()

    def _new_generation(self) -> Generation:
        generation = Generation(self.secrets)
        generation.forms.intern([name for name, _ in self._groups], [0] * len(self._groups))
        return generation

    def generation(self) -> Generation:
        """The generation that a new delta shall keep to."""
        if len(self._generation) > MAX_STRINGS:
            self._generation = self._new_generation()
        return self._generation

    @property
    def group_forms(self) -> Ints:
        """The forms of the groups, by bit."""
        return np.arange(1, 1 + len(self._groups), dtype=np.int64)

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


def _text(raw: bytes) -> str:
    """The string that stands in JSON as `raw`, between its quotes; the compiled code has seen that it is sound."""
    if b"\\" not in raw:
        return raw.decode()
    text = json.loads(b'"' + raw + b'"')
    assert isinstance(text, str)
    return text
