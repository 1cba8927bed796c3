"""Who counts: the compiled kernel or plain Python, behind one interface. Both give the same counts and rejects."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from schemas.rejects import Reject
from schemas.topics import EventType
from sinks.delta import Rows
from streams.batch import RecordBatch
from streams.counting import Outcome, counts_for, insert_rejects
from streams.decoding import Decoder, Forms
from streams.duplicates import Verdicts
from streams.kernel import KernelCounter, KernelUnavailable, Vocabulary, unsupported
from streams.rules import Rules

log = logging.getLogger(__name__)

#: `auto` takes the compiled kernel where it can be used.
Kernel = Literal["auto", "numba", "python"]


class DeltaCounts(Protocol):
    """The counts of one delta, growing as batches are counted. For one thread, but see `rows`."""

    @property
    def records(self) -> int:
        """Records counted, rejects included."""

    @property
    def rejects(self) -> Sequence[Reject]:
        """In the order of their offsets."""

    def __len__(self) -> int:
        """Rows so far, rejects included."""

    @property
    def video_ids(self) -> int:
        """Video ids held, for the bound on memory."""

    def count(self, batch: RecordBatch, clock_s: float) -> Outcome:
        """Count a batch when the delta's clock stands at `clock_s`. Raises nothing, whatever its values hold."""

    def refuse(self, rejects: list[Reject]) -> None:
        """Add records of the last batch that were not given to `count`, in the order of their offsets."""

    def rows(self) -> Rows:
        """The counts as rows for the writer. May be called in another thread once nothing is counted any more."""


class TopicCounter(Protocol):
    """Makes counts for the deltas of one topic, by one set of rules."""

    @property
    def verdicts(self) -> Verdicts:
        """Which records can be counted by its rules."""

    def begin(self) -> DeltaCounts:
        """Empty counts for a new delta."""


class PythonCounter:
    """The reference: decode, then fold into dicts. Counters of one thread and the same rules may share `forms`."""

    def __init__(self, event_type: EventType, rules: Rules, forms: Forms | None = None) -> None:
        self.verdicts = Verdicts(event_type, rules)
        self._event_type = event_type
        self._decoder = Decoder(event_type, rules, forms)

    def begin(self) -> DeltaCounts:
        """Empty counts for a new delta."""
        return _PythonCounts(self._event_type, self._decoder)


class _PythonCounts:
    def __init__(self, event_type: EventType, decoder: Decoder) -> None:
        self._counts = counts_for(event_type)
        self._decoder = decoder
        self.rejects = self._counts.rejects

    @property
    def records(self) -> int:
        return self._counts.records

    @property
    def video_ids(self) -> int:
        return self._counts.video_ids

    def __len__(self) -> int:
        return len(self._counts)

    def count(self, batch: RecordBatch, clock_s: float) -> Outcome:
        decoded = self._decoder.decode(batch, clock_s)
        self._counts.add(decoded)
        return Outcome(len(batch), 0, 0, decoded.rejects, decoded.dropped_tags, decoded.display_forms)

    def refuse(self, rejects: list[Reject]) -> None:
        self._counts.records += len(rejects)
        insert_rejects(self.rejects, rejects)

    def rows(self) -> Rows:
        return self._counts.rows()


def compiled(kernel: Kernel, rules: Rules) -> bool:
    """Whether `kernel` means compiled code for `rules` on this machine.

    Raises KernelUnavailable where it has to be compiled code and cannot be.
    """
    if kernel == "python":
        return False
    reason = unsupported(rules)
    if reason is not None and kernel == "numba":
        raise KernelUnavailable(f"kernel is numba, but {reason}")
    return reason is None


def counters(event_types: Mapping[str, EventType], rules: Rules, kernel: Kernel) -> dict[str, TopicCounter]:
    """A counter for each topic, all of the same kind. Raises KernelUnavailable as `compiled` does.

    The compiled kernel is loaded here, which takes two seconds, and some twenty the first time on a machine.
    """
    if compiled(kernel, rules):
        log.info("loading the compiled kernel (the first time on a machine it takes some 20 s)")
        vocabulary = Vocabulary(rules)
        return {topic: KernelCounter(kind, rules, vocabulary) for topic, kind in event_types.items()}
    if kernel == "auto":
        log.info("counting in plain Python, which is several times slower: %s", unsupported(rules))
    forms = Forms(rules.max_tag_bytes)
    return {topic: PythonCounter(kind, rules, forms) for topic, kind in event_types.items()}
