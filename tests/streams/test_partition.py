"""A partition's place in its log: where to start, what to skip, what to refuse."""

from __future__ import annotations

from uuid import uuid4

import pytest

from schemas.topics import EventType
from sinks.claims import Claim, Log
from streams.batch import RecordBatch
from streams.counters import PythonCounter
from streams.errors import LogMismatchError
from streams.partition import Delta, Partition, checksum
from streams.rules import Rules

LOG = Log("video-views", 1, 0)


def claim(first: int, next_: int, *, done: bool = True, value: bytes = b"last") -> Claim:
    last = next_ - 1 if next_ > first else -1
    return Claim(LOG, first, next_, uuid4(), "w", 0.0, "r", next_ - first, 0, (), last, checksum(value), done)


def batch(first: int, values: list[bytes], next_offset: int | None = None) -> RecordBatch:
    offsets = list(range(first, first + len(values)))
    return RecordBatch("video-views", 0, 1, first, next_offset or first + len(values), offsets, values)


def test_a_new_chain_starts_at_its_root() -> None:
    partition = Partition(LOG, 1, claim(40, 40), None)
    assert partition.start_offset(begin=40, end=90) == 40
    assert partition.fresh_part(batch(40, [b"a"])) == batch(40, [b"a"])


def test_the_last_counted_record_is_read_again_and_compared() -> None:
    partition = Partition(LOG, 1, claim(40, 50), None)
    assert partition.start_offset(begin=0, end=90) == 49
    assert partition.fresh_part(batch(49, [b"last", b"x"])) == batch(50, [b"x"])


def test_another_record_in_its_place_stops_the_worker() -> None:
    partition = Partition(LOG, 1, claim(40, 50), None)
    partition.start_offset(begin=0, end=90)
    with pytest.raises(LogMismatchError, match=r"offset 49 .*`tagpulse topics reset video-views`"):
        partition.fresh_part(batch(49, [b"other", b"x"]))


def test_a_record_that_compaction_removed_is_not_compared() -> None:
    partition = Partition(LOG, 1, claim(40, 50), None)
    partition.start_offset(begin=0, end=90)
    assert partition.fresh_part(RecordBatch("video-views", 0, 1, 49, 52, [51], [b"x"])) == RecordBatch(
        "video-views", 0, 1, 50, 52, [51], [b"x"]
    )


def test_a_record_that_retention_removed_is_not_read() -> None:
    partition = Partition(LOG, 1, claim(40, 50), None)
    assert partition.start_offset(begin=50, end=90) == 50
    assert partition.verify is None


@pytest.mark.parametrize(
    ("partition", "begin", "end", "message"),
    [
        (Partition(LOG, 1, claim(40, 50), None), 51, 90, "must continue at offset 50, but the log begins at 51"),
        (Partition(LOG, 1, claim(40, 50), None), 0, 49, "claimed up to offset 50, but the log ends at 49"),
        (Partition(LOG, 1, claim(40, 50), claim(50, 60, done=False)), 0, 59, "claimed up to offset 60"),
        (Partition(LOG, 1, claim(40, 50), claim(50, 60, done=False)), 51, 90, "must continue at offset 50"),
    ],
)
def test_a_log_that_lost_records_stops_the_worker(partition: Partition, begin: int, end: int, message: str) -> None:
    with pytest.raises(LogMismatchError, match=message):
        partition.start_offset(begin, end)


def test_counted_batches_are_skipped() -> None:
    partition = Partition(LOG, 1, claim(40, 50), None)
    assert partition.fresh_part(batch(45, [b"a"] * 5)) is None
    assert partition.fresh_part(batch(50, [], 50)) is None


def test_a_hole_in_the_chain_stops_the_worker() -> None:
    with pytest.raises(LogMismatchError, match="begins at 51, expected 50"):
        Partition(LOG, 1, claim(40, 50), None).fresh_part(batch(51, [b"a"]))


def recount(open_claim: Claim, *values: bytes) -> Delta:
    delta = Delta(open_claim.first, 0.0, PythonCounter(EventType.VIDEO_VIEW, Rules()), open_claim)
    delta.add(batch(open_claim.first, list(values)))
    return delta


def test_a_recount_ends_where_its_claim_ends() -> None:
    open_claim = claim(50, 52, done=False)
    delta = recount(open_claim, b"a")
    assert not delta.complete
    delta.add(batch(51, [b"last"]))
    assert delta.complete


def test_a_recount_of_other_records_is_refused() -> None:
    open_claim = Claim(LOG, 50, 52, uuid4(), "w", 0.0, "r", 2, 2, (), 51, checksum(b"last"))
    recount(open_claim, b"a", b"last").check_recount(open_claim)
    with pytest.raises(LogMismatchError, match="changed since it was claimed"):
        recount(open_claim, b"a", b"other").check_recount(open_claim)
