"""Which records are duplicates: by the definition, whoever counts, wherever batches, deltas and workers end."""

from __future__ import annotations

import random
import tracemalloc
import uuid
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.rejects import RejectReason
from sinks.claims import Claim
from sinks.delta import DeltaRows
from streams.batch import RecordBatch
from streams.counters import PythonCounter
from streams.duplicates import Duplicates, Past, Verdicts, Window, event_ids
from streams.errors import LogMismatchError
from streams.judge import event_id_of
from streams.partition import Delta, Partition
from streams.records import Records
from streams.rules import Rules
from tests.duplicates import EVENT_IDS, KIND, LATE, LOG, Case, Made, cases, claim_of, marked


def root() -> Claim:
    return Claim(LOG, 0, 0, uuid.uuid4(), "w", 0.0, "", done=True)


class OneWorker:
    """A worker's way through one partition, from the claim with number `at` on; the claims before are done."""

    def __init__(self, case: Case, at: int, *, is_open: bool) -> None:
        self.case, self.at = case, at
        mine = case.claims[at]
        tail = mine if is_open else case.claims[at - 1] if at else root()
        self.partition = Partition(LOG, 1, tail, replace(mine, done=False) if is_open else None)
        reach = max(case.reach, case.rules[mine.rules].dedup_records if is_open else 0)
        verdicts = {name: Verdicts(KIND, rules) for name, rules in case.rules.items()}
        position = self.partition.position
        past = [
            Past(claim.first, claim.next, claim.clock, verdicts[claim.rules])
            for claim in case.claims
            if claim.next > position - reach and claim.first < position
        ]
        if reach:
            self.partition.duplicates = Duplicates(reach, past)

    def count(self, claims: int) -> list[Delta]:
        """The deltas of so many claims."""
        case, deltas = self.case, list[Delta]()
        wanted = case.claims[self.at : self.at + claims]
        start = self.partition.start_offset(case.begin, case.end)
        for batch in case.batches(start, wanted[-1].next):
            rest = self.partition.fresh_part(batch)
            while rest is not None:
                claim = wanted[len(deltas) - 1] if deltas else None
                if claim is None or deltas[-1].next == claim.next:
                    claim = wanted[len(deltas)]
                    counter = PythonCounter(KIND, case.rules[claim.rules])
                    deltas.append(Delta(rest.first, claim.clock, counter, duplicates=self.partition.duplicates))
                here, more = rest.split(min(rest.next_offset, claim.next))
                outcome = deltas[-1].add(here)
                assert outcome.records == len(here)
                self.partition.position = deltas[-1].next
                rest = more if more.next_offset > more.first else None
        return deltas


def events(delta: Delta) -> int:
    """Events that a delta counts."""
    rows = delta.counts.rows()
    assert isinstance(rows, DeltaRows)
    return sum(number for number, tag in zip(rows.events, rows.hashtags, strict=True) if not tag)


def found(deltas: list[Delta]) -> dict[int, str]:
    rejects = [reject for delta in deltas for reject in delta.counts.rejects]
    assert [reject.offset for reject in rejects] == sorted({reject.offset for reject in rejects})
    return {reject.offset: reject.reason.value for reject in rejects}


@settings(max_examples=100, deadline=None)
@given(cases(), st.data())
def test_whoever_counts_comes_to_the_decision_of_the_definition(case: Case, data: st.DataObject) -> None:
    """Workers follow each other; each counts some claims. Some take over an open claim and count it again."""
    at = 0
    while at < len(case.claims):
        number = data.draw(st.integers(1, len(case.claims) - at), label="claims counted by one worker")
        is_open = data.draw(st.booleans(), label="the first of them was left open")
        # New claims are by the settings of the worker; only one that was left open has rules of its own.
        case = replace(
            case,
            claims=[
                replace(claim, rules=str(case.reach)) if k > at or (k == at and not is_open) else claim
                for k, claim in enumerate(case.claims)
            ],
        )
        deltas = OneWorker(case, at, is_open=is_open).count(number)
        first, next_ = case.claims[at].first, case.claims[at + number - 1].next
        truth = {offset: reason for offset, reason in case.truth().items() if first <= offset < next_}
        assert found(deltas) == truth
        assert sum(map(events, deltas)) == sum(first <= offset < next_ for offset in case.records) - len(truth)
        at += number


def test_an_event_id_is_read_as_the_judge_reads_it() -> None:
    values: list[bytes | None] = [Made(event_id, "good").value for event_id in [None, *EVENT_IDS]]
    values += [None, b"", b"{", b"[]", b'{"event_id": "a", "event_id": "b"}', b'{"event_id": "\\ud800"}']
    by_judge = [event_id_of(value) for value in values]
    assert by_judge == ["", *EVENT_IDS.values(), "", "", "", "", "b", ""]
    offsets = list(range(len(values)))
    for kept in (values, Records.of(offsets, values)):
        read = event_ids(kept)
        assert [event_id is None for event_id in read] == [event_id == "" for event_id in by_judge]
        assert len(set(read)) == len(set(by_judge))
        short = [event_id for event_id in read if isinstance(event_id, str)]
        assert short == [event_id for event_id in by_judge if event_id and event_id.isascii() and len(event_id) <= 64]


def batch_of(first: int, made: list[Made], *, packed: bool = False) -> RecordBatch:
    offsets, values = list(range(first, first + len(made))), [record.value for record in made]
    if packed:
        records = Records.of(offsets, values)
        return RecordBatch(LOG.topic, 0, 1, first, first + len(made), records.offsets, records)  # type: ignore[arg-type]
    return RecordBatch(LOG.topic, 0, 1, first, first + len(made), offsets, values)


@pytest.mark.parametrize("packed", [False, True])
def test_a_duplicate_is_rejected_with_its_bytes(packed: bool) -> None:
    delta = Delta(0, LATE, PythonCounter(KIND, Rules(dedup_records=10)), duplicates=Duplicates(10))
    again = Made('"a"', "good")
    outcome = delta.add(batch_of(0, [again, Made(None, "good"), again, Made('"a"', "bad"), again], packed=packed))
    assert (outcome.records, outcome.duplicates, len(outcome.rejects)) == (5, 2, 1)
    assert [(r.offset, r.reason.value, r.field) for r in delta.counts.rejects] == [
        (2, "duplicate", "event_id"),
        (3, "too_old", "ts"),
        (4, "duplicate", "event_id"),
    ]
    assert delta.counts.rejects[0].raw == again.value
    assert (delta.counts.records, delta.last_offset, delta.last_value) == (5, 4, again.value)
    assert delta.counts.rejects[0].reason is RejectReason.DUPLICATE


def test_a_batch_left_out_of_what_is_only_looked_at_stops_the_worker() -> None:
    """Otherwise its event ids would be missing, and nobody would know."""
    records = {offset: Made('"a"', "good") for offset in range(9)}
    claims = [claim_of(first, first + 3, LATE, "5", records) for first in (0, 3, 6)]
    worker = OneWorker(Case(records, 9, claims, {"5": Rules(dedup_records=5)}, 5), 2, is_open=False)
    assert worker.partition.start_offset(0, 9) == 1
    first, _, third = worker.case.batches(1, 7)[:2] + worker.case.batches(5, 7)
    assert worker.partition.fresh_part(first) is None
    with pytest.raises(LogMismatchError, match="a batch begins at 5, expected 4"):
        worker.partition.fresh_part(third)


def test_a_recount_whose_log_was_cut_may_find_fewer_duplicates() -> None:
    """Retention or compaction removed offset 0, of which offset 2 was a duplicate when its claim was made."""
    made = {0: Made('"a"', "good"), 2: Made('"a"', "good"), 3: Made('"b"', "good"), 4: Made('"b"', "good")}
    case = Case(made, 5, [], {"5": Rules(dedup_records=5)}, 5, sizes=[5])
    log = replace(case, claims=[claim_of(first, next_, LATE, "5", made) for first, next_ in ((0, 2), (2, 5))])
    log = marked(log)
    assert log.claims[1].rejects == 2
    whole = OneWorker(replace(log, records=log.records | {1: Made(None, "good")}), 1, is_open=True)
    (delta,) = whole.count(1)
    delta.check_recount(log.claims[1], whole.partition.cut)
    assert not whole.partition.cut
    compacted = replace(log, records={offset: record for offset, record in made.items() if offset})
    for lost in (replace(log, begin=1), compacted):
        worker = OneWorker(lost, 1, is_open=True)
        (delta,) = worker.count(1)
        assert found([delta]) == {4: "duplicate"}
        with pytest.raises(LogMismatchError, match="the log changed"):
            delta.check_recount(log.claims[1])
        delta.check_recount(log.claims[1], cut=True)
    assert worker.partition.cut, "it has seen the hole"


@pytest.mark.parametrize("reach", range(1, 14))
def test_a_window_remembers_all_that_it_reaches(reach: int) -> None:
    dice, window, offset, seen = random.Random(reach), Window(reach), 0, dict[str, int]()
    for _ in range(400):
        offsets = [offset + n for n in range(dice.randrange(6)) if dice.random() < 0.8]
        ids = [dice.choice("abcdefghij") if dice.random() < 0.9 else None for _ in offsets]
        window.note(ids, offsets)
        seen |= {event_id: at for event_id, at in zip(ids, offsets, strict=True) if event_id}
        offset += dice.randrange(6) if not offsets else offsets[-1] + 1 - offset + dice.choice((0, 0, 0, 2, reach))
        for event_id, at in seen.items():
            if offset - at <= reach:
                assert window.last(event_id) == at
                assert window.known({event_id, "z", None}) == {event_id}


BYTES_PER_OFFSET = 300
"""What docs/operations.md states as the most, for each offset that a window reaches back."""


def test_memory_stays_within_what_the_docs_state() -> None:
    reach, batch = 10_000, 500
    window, offset, peak = Window(reach), 0, 0
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        while offset < 4 * reach:
            ids = [f"{number:064x}" for number in range(offset, offset + batch)]  # the longest that are kept whole
            window.note(ids, list(range(offset, offset + batch)))
            offset += batch
            del ids
            peak = max(peak, tracemalloc.get_traced_memory()[0] - before)
            assert len(window) <= reach + reach // 4 + batch
    finally:
        tracemalloc.stop()
    assert 100 * reach < peak < BYTES_PER_OFFSET * reach
