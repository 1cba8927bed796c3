"""Draining fetches: real record batches, real aiokafka classes, no broker."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult, PartitionRecords
from aiokafka.consumer.subscription_state import Assignment
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder

from streams import drain as module
from streams.batch import RecordBatch
from streams.drain import KeptRecords, drain, drain_bytes

TP = TopicPartition("video-views", 3)


def log_of(offset: int, values: list[bytes | None], *, producer: int = -1, compression: int = 0) -> bytes:
    """One record batch as it lies in the log."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=compression,
        is_transactional=producer >= 0,
        producer_id=producer,
        producer_epoch=0 if producer >= 0 else -1,
        base_sequence=0 if producer >= 0 else -1,
        batch_size=1_000_000,
    )
    for index, value in enumerate(values):
        builder.append(index, timestamp=0, key=None, value=value, headers=[])
    batch = builder.build()
    batch[0:8] = offset.to_bytes(8, "big")
    return bytes(batch)


def fetched(data: bytes, position: int, aborted: list[tuple[int, int]] | None = None) -> tuple[FetchResult, Any]:
    assignment = Assignment({TP})
    state = assignment.state_value(TP)
    state.reset_to(position)
    records = PartitionRecords(
        TP, KeptRecords(data), aborted, position, None, None, check_crcs=True, isolation_level=READ_COMMITTED
    )
    return FetchResult(TP, assignment=assignment, partition_records=records, backoff=0), state


Drain = Callable[[FetchResult, TopicPartition, int], list[RecordBatch]]
Plain = tuple[str, int, int, int, int, list[int], list[bytes | None]]


def plain(batch: RecordBatch) -> Plain:
    """All that a batch holds, whatever holds its values."""
    offsets = [int(offset) for offset in batch.offsets]
    assert batch.value_bytes == sum(len(value or b"") for value in batch.values)
    return (
        batch.topic, batch.partition, batch.epoch, batch.first, batch.next_offset, offsets, list(batch.values)
    )  # fmt: skip


@pytest.fixture(params=[drain, drain_bytes], ids=["drain", "drain_bytes"])
def take(request: pytest.FixtureRequest) -> Drain:
    return request.param  # type: ignore[no-any-return]


async def test_a_fetch_becomes_one_batch(take: Drain) -> None:
    result, state = fetched(log_of(10, [b"a", b"b"]) + log_of(12, [None, b""]), 10)
    (batch,) = take(result, TP, 7)
    assert plain(batch) == ("video-views", 3, 7, 10, 14, [10, 11, 12, 13], [b"a", b"b", None, b""])
    assert state.position == 14
    assert take(result, TP, 7) == []


async def test_nothing_of_a_fetch_is_kept_without_the_garbage_collector(take: Drain) -> None:
    """Which a worker calls once in 100,000 new objects: fetches of hundreds of megabytes would pile up."""
    result, _ = fetched(log_of(10, [b"a", b"b"]), 10)
    fetch = weakref.ref(result._partition_records)
    gc.collect()
    gc.disable()
    try:
        batches = take(result, TP, 1)
        assert fetch() is None
        assert [plain(batch)[6] for batch in batches] == [[b"a", b"b"]]
    finally:
        gc.enable()


async def test_records_before_the_position_are_left_out(take: Drain) -> None:
    result, _ = fetched(log_of(10, [b"a", b"b", b"c"], compression=3), 12)
    assert [plain(batch)[3:] for batch in take(result, TP, 1)] == [(12, 13, [12], [b"c"])]


async def test_a_gap_belongs_to_the_batch(take: Drain) -> None:
    result, _ = fetched(log_of(20, [b"a"]) + log_of(30, [b"b"]), 15)
    assert [plain(batch)[3:] for batch in take(result, TP, 1)] == [(15, 31, [20, 30], [b"a", b"b"])]


async def test_aborted_records_are_a_gap(take: Drain) -> None:
    result, state = fetched(log_of(10, [b"a", b"b"], producer=5), 10, aborted=[(5, 10)])
    assert [plain(batch)[3:] for batch in take(result, TP, 1)] == [(10, 12, [], [])]
    assert state.position == 12


async def test_large_fetches_come_in_pieces_that_form_a_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BATCH_RECORDS", 3)
    monkeypatch.setattr(module, "MAX_BATCH_BYTES", 10)
    values: list[bytes | None] = [*[b"1"] * 7, b"x" * 20, b"2", b"3"]
    result, _ = fetched(log_of(0, values) + log_of(50, [b"4"]), 0)
    pieces = drain(result, TP, 1)
    assert [(p.first, p.next_offset, len(p)) for p in pieces] == [(0, 3, 3), (3, 6, 3), (6, 8, 2), (8, 51, 3)]
    assert [v for piece in pieces for v in piece.values] == [*values, b"4"]


async def test_what_compressed_batches_unpack_to_comes_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BATCH_BYTES", 1_000)
    batches = [log_of(10 * n, [b"x" * 600, None, b"y"], compression=4) for n in range(4)]
    result, state = fetched(b"".join(batches) + log_of(40, [b"plain"]), 0)
    pieces = drain_bytes(result, TP, 1)
    assert [(p.first, p.next_offset, len(p)) for p in pieces] == [(0, 20, 6), (20, 40, 6), (40, 41, 1)]
    assert [v for piece in pieces for v in piece.values] == [*[b"x" * 600, None, b"y"] * 4, b"plain"]
    assert state.position == 41


async def test_older_formats_are_read_as_aiokafka_reads_them() -> None:
    builder = LegacyRecordBatchBuilder(magic=1, compression_type=0, batch_size=1_000)
    builder.append(0, timestamp=0, key=None, value=b"old")
    result, _ = fetched(bytes(builder.build()), 0)
    assert [plain(batch)[3:] for batch in drain_bytes(result, TP, 1)] == [(0, 1, [0], [b"old"])]


async def test_a_fetch_for_another_position_is_dropped(take: Drain) -> None:
    result, state = fetched(log_of(10, [b"a"]), 10)
    state.seek(5)
    assert take(result, TP, 1) == []
    assert state.position == 5


@pytest.mark.parametrize("compression", [0, 4])
async def test_a_bad_checksum_moves_nothing(take: Drain, compression: int) -> None:
    broken = bytearray(log_of(10, [b"a"]) + log_of(11, [b"b"], compression=compression))
    broken[-1] ^= 1
    result, state = fetched(bytes(broken), 10)
    with pytest.raises(CorruptRecordException):
        take(result, TP, 1)
    assert state.position == 10


@pytest.mark.parametrize("offset", [10, 11, 13, 14])
async def test_batches_split_where_they_are_told(take: Drain, offset: int) -> None:
    result, _ = fetched(log_of(10, [b"a", b"b"]) + log_of(13, [b"c"]), 10)
    (batch,) = take(result, TP, 1)
    before, after = batch.split(offset)
    assert (before.first, before.next_offset, after.first, after.next_offset) == (10, offset, offset, 14)
    assert plain(before)[5] == [o for o in (10, 11, 13) if o < offset]
    assert [*before.values, *after.values] == [b"a", b"b", b"c"]
