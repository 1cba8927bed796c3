"""What the counts of one topic share: rules, vocabulary, the slow way, scratch space."""

from __future__ import annotations

import numpy as np

from schemas.topics import EventType
from streams.decoding import Decoder
from streams.duplicates import Verdicts
from streams.judge import time_bounds
from streams.kernel import layout
from streams.kernel.compiled import KernelUnavailable, functions, unsupported
from streams.kernel.counts import KernelCounts
from streams.kernel.interned import Words
from streams.kernel.vocabulary import Vocabulary
from streams.records import Ints
from streams.rules import Rules


class KernelCounter:
    """Makes counts for the deltas of one topic. For one thread, like `Decoder`; rows may be made in another.

    `vocabulary` may be shared by counters of one thread and the same rules. Raises KernelUnavailable where
    `unsupported(rules)` says so.
    """

    def __init__(self, event_type: EventType, rules: Rules, vocabulary: Vocabulary | None = None) -> None:
        reason = unsupported(rules)
        if reason is not None:
            raise KernelUnavailable(reason)
        self.event_type = event_type
        self.functions = functions()
        self.decoder = Decoder(event_type, rules)
        self.verdicts = Verdicts(event_type, rules)
        self.vocabulary = vocabulary or Vocabulary(rules)
        self.words = self._words()
        self.scratch = Scratch()
        self.last_rows = 0
        """Rows of a delta that was finished lately: the next is likely to need as much room."""
        self._rules = rules

    def _words(self) -> Words:
        name = self.event_type.value.encode().ljust(16, b"\0")
        return np.concatenate([self.vocabulary.secrets, np.frombuffer(name, "<u8").astype(np.uint64)])

    def begin(self) -> KernelCounts:
        """Empty counts for a new delta."""
        return KernelCounts(self, self.vocabulary.generation())

    def rules_at(self, clock_s: float) -> Ints:
        """What to count when the clock stands at `clock_s`, for the compiled code."""
        oldest, latest = time_bounds(self._rules, clock_s)
        array = np.zeros(layout.RULES_SIZE, np.int64)
        array[layout.OLDEST], array[layout.LATEST] = oldest, latest
        array[layout.MAX_RECORD_BYTES] = self._rules.max_record_bytes
        array[layout.MAX_TAGS] = min(layout.MAX_TAGS_FAST, self._rules.max_hashtags_per_event)
        array[layout.HAS_STICKER] = self.event_type is EventType.STICKER_USE
        array[layout.HAS_COUNT] = self.event_type is EventType.VIDEO_VIEW
        array[layout.GROUPS] = len(self._rules.tag_groups)
        array[layout.TYPE_LENGTH] = len(self.event_type.value)
        return array


class Scratch:
    """Arrays that a call of the compiled code writes to, kept for the next."""

    def __init__(self) -> None:
        self.state = np.zeros(layout.STATE_SIZE, np.int64)
        self.record = np.zeros(16, np.int64)
        self.tags = np.zeros(layout.MAX_KEYS_OF_RECORD + 1, np.int64)
        self.strings = np.zeros(layout.STRING_WORDS * layout.STRINGS_AT_ONCE, np.int64)
        self.misses = np.zeros(layout.MISS_WORDS * layout.MISSES_SIZE, np.int64)
        self.pending = np.zeros(3 * layout.PENDING_SIZE, np.uint64)
