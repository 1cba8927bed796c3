"""Gaps between record batches: found, waited for, and taken for what they are."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import IllegalGenerationError

from streams import gaps as module
from streams.drain import drain_bytes, gaps_in
from streams.gaps import PATIENCE_S, Doubts, gaps
from streams.metrics import Metrics
from streams.transport import BatchConsumerThread
from tests.streams.test_drain import TP, fetched, log_of

NOW = 1_000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [NOW]
    monkeypatch.setattr("streams.gaps.time.monotonic", lambda: now[0])
    return now


def test_gaps_lie_between_batches_and_before_the_first() -> None:
    data = log_of(10, [b"a", b"b"]) + log_of(15, [b"c"]) + log_of(16, [b"d"])
    assert gaps(data, 10) == gaps(data, 11) == [(12, 15)]
    assert gaps(data, 8) == [(8, 10), (12, 15)]
    assert gaps(data, 14) == [(14, 15)]
    assert gaps(data, 15) == gaps(b"", 3) == []


def test_a_batch_that_is_cut_off_tells_nothing() -> None:
    data = log_of(10, [b"a"])
    assert gaps(data + log_of(12, [b"b"])[:-1], 10) == []
    assert gaps(data + b"\0" * 8, 10) == []


def test_what_was_there_when_asked_again_is_no_gap(clock: list[float]) -> None:
    doubts = Doubts()
    assert doubts.wait_s(TP, [(12, 13)], 14) == PATIENCE_S
    clock[0] += PATIENCE_S / 2
    assert doubts.wait_s(TP, [(12, 13)], 14) == pytest.approx(PATIENCE_S / 2)
    clock[0] += PATIENCE_S / 2
    assert doubts.wait_s(TP, [(12, 13)], 14) == 0
    assert doubts.wait_s(TP, [], 15) is None
    # The next is doubted anew.
    assert doubts.wait_s(TP, [(15, 16)], 17) == PATIENCE_S


def test_what_is_still_missing_then_is_missing(clock: list[float]) -> None:
    doubts = Doubts()
    doubts.wait_s(TP, [(12, 13)], 100)
    clock[0] += PATIENCE_S
    assert doubts.wait_s(TP, [(12, 13)], 100) == 0
    # A compacted log has many: all that lay before its end then are settled at once.
    assert doubts.wait_s(TP, [(12, 13), (40, 50), (98, 99)], 120) is None
    assert doubts.wait_s(TP, [(99, 100)], 120) is None
    assert doubts.wait_s(TP, [(100, 101)], 120) == PATIENCE_S


async def test_a_fetch_tells_its_gaps() -> None:
    result, _ = fetched(log_of(12, [b"a"]), 10)
    assert gaps_in(result) == [(10, 12)]


class _Fetcher:
    """The parts of aiokafka's fetcher that draining needs; a fetch shows what the log holds at that moment."""

    def __init__(self, log: list[bytes]) -> None:
        self.log, self.fetches, self._closed = log, 0, False
        self._subscriptions, self._wait_consume_future = self, None
        self.reassignment_in_progress = False
        self._records: dict[Any, FetchResult] = {}
        self._waiter: asyncio.Future[None] | None = None
        self._fetch()

    def _fetch(self) -> None:
        result, self.state = fetched(b"".join(self.log), 10)
        self.state.highwater = 13
        self._records[TP] = result
        self.fetches += 1
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _notify(self, _: object) -> None:
        if self.state.position == 10:
            asyncio.get_running_loop().call_soon(self._fetch)

    def _create_fetch_waiter(self) -> asyncio.Future[None]:
        self._waiter = asyncio.get_running_loop().create_future()
        return self._waiter


class _Flow:
    flow_active = True


async def test_a_record_that_was_overtaken_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.01)
    first, second, third = (log_of(10 + k, [b"abc"[k : k + 1]]) for k in range(3))
    fetcher = _Fetcher([first, third])
    thread = _thread()
    assert await asyncio.wait_for(thread._drain(fetcher, {TP}, 0.005), 30) == {}
    fetcher.log[1:] = [second, third]
    (batch,) = (await asyncio.wait_for(thread._drain(fetcher, {TP}, 30), 30))[TP]
    assert list(batch.values) == [b"a", b"b", b"c"]
    assert b"missing_offsets_total{" not in thread.app.metrics.text()


async def test_a_record_that_never_comes_is_passed_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.01)
    fetcher = _Fetcher([log_of(10, [b"a"]), log_of(12, [b"c"])])
    thread = _thread()
    (batch,) = (await asyncio.wait_for(thread._drain(fetcher, {TP}, 30), 30))[TP]
    assert (list(batch.values), batch.first, batch.next_offset) == ([b"a", b"c"], 10, 13)
    assert fetcher.fetches == 2
    assert f'tagpulse_missing_offsets_total{{topic="{TP.topic}"}} 1.0'.encode() in thread.app.metrics.text()


class _App:
    def __init__(self) -> None:
        self.metrics = Metrics()


def _thread() -> BatchConsumerThread:
    """Without Faust, which would start it."""
    thread = BatchConsumerThread.__new__(BatchConsumerThread)
    thread.consumer, thread.app, thread._doubts, thread._epochs = _Flow(), _App(), Doubts(), {}
    thread._drained = drain_bytes
    return thread


async def test_a_refused_commit_leaves_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the thread stops, its calls are cancelled, and aiokafka's shielded task fails with nobody to listen."""
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    begun, refused = asyncio.Event(), asyncio.Event()

    class Consumer(AIOKafkaConsumer):  # type: ignore[misc]
        def __init__(self) -> None:
            self._closed = True

        async def commit(self, offsets: object = None) -> None:
            async def ask() -> None:
                begun.set()
                await refused.wait()
                raise IllegalGenerationError

            await asyncio.shield(ask())

    thread = _thread()
    monkeypatch.setattr(thread, "_ensure_consumer", Consumer)
    call = asyncio.create_task(thread._commit_for_lag({("video-views", 0): 5}))
    await begun.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    refused.set()
    await asyncio.wait([thread._commit])
    del thread, call
    gc.collect()  # a task tells of its exception when it goes
    await asyncio.sleep(0)
    assert told == []
