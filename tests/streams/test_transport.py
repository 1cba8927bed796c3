"""Draining fetches: real record batches, real aiokafka classes, no broker."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult, PartitionRecords
from aiokafka.consumer.subscription_state import Assignment
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from streams import transport
from streams.batch import RecordBatch
from streams.transport import drain

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
        TP, MemoryRecords(data), aborted, position, None, None, check_crcs=True, isolation_level=READ_COMMITTED
    )
    return FetchResult(TP, assignment=assignment, partition_records=records, backoff=0), state


async def test_a_fetch_becomes_one_batch() -> None:
    result, state = fetched(log_of(10, [b"a", b"b"]) + log_of(12, [None, b""]), 10)
    assert drain(result, TP, 7) == [RecordBatch("video-views", 3, 7, 10, 14, [10, 11, 12, 13], [b"a", b"b", None, b""])]
    assert state.position == 14
    assert drain(result, TP, 7) == []


async def test_records_before_the_position_are_left_out() -> None:
    result, _ = fetched(log_of(10, [b"a", b"b", b"c"], compression=3), 12)
    assert drain(result, TP, 1) == [RecordBatch("video-views", 3, 1, 12, 13, [12], [b"c"])]


async def test_a_gap_belongs_to_the_batch() -> None:
    result, _ = fetched(log_of(20, [b"a"]) + log_of(30, [b"b"]), 15)
    assert drain(result, TP, 1) == [RecordBatch("video-views", 3, 1, 15, 31, [20, 30], [b"a", b"b"])]


async def test_aborted_records_are_a_gap() -> None:
    result, state = fetched(log_of(10, [b"a", b"b"], producer=5), 10, aborted=[(5, 10)])
    assert drain(result, TP, 1) == [RecordBatch("video-views", 3, 1, 10, 12, [], [])]
    assert state.position == 12


async def test_large_fetches_come_in_pieces_that_form_a_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "MAX_BATCH_RECORDS", 3)
    monkeypatch.setattr(transport, "MAX_BATCH_BYTES", 10)
    values: list[bytes | None] = [*[b"1"] * 7, b"x" * 20, b"2", b"3"]
    result, _ = fetched(log_of(0, values) + log_of(50, [b"4"]), 0)
    pieces = drain(result, TP, 1)
    assert [(p.first, p.next_offset, len(p)) for p in pieces] == [(0, 3, 3), (3, 6, 3), (6, 8, 2), (8, 51, 3)]
    assert [v for piece in pieces for v in piece.values] == [*values, b"4"]


async def test_a_fetch_for_another_position_is_dropped() -> None:
    result, state = fetched(log_of(10, [b"a"]), 10)
    state.seek(5)
    assert drain(result, TP, 1) == []
    assert state.position == 5


async def test_a_bad_checksum_moves_nothing() -> None:
    broken = bytearray(log_of(10, [b"a"]) + log_of(11, [b"b"]))
    broken[-1] ^= 1
    result, state = fetched(bytes(broken), 10)
    with pytest.raises(CorruptRecordException):
        drain(result, TP, 1)
    assert state.position == 10
