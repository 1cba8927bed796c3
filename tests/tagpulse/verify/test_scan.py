"""Which claims are read again where retention has removed the beginning of a log."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from schemas.topics import EventType, topic_for
from sinks.claims import Claim
from streams.rules import Rules
from tagpulse.verify.log import LogReader
from tagpulse.verify.recount import Recount
from tagpulse.verify.scan import Scanner
from tests.tagpulse.verify.making import claim, view

BEGIN = 30


class Kept(LogReader):
    """A log in memory of one record at each offset from BEGIN. Refuses to read before that, as Kafka does."""

    def __init__(self) -> None:
        super().__init__("nowhere:1")

    async def records(
        self, topic: str, partition: int, first: int, next_: int
    ) -> AsyncIterator[tuple[int, bytes | None]]:
        if first < BEGIN:
            pytest.fail(f"read from {first}, but the log begins at {BEGIN}")
        for offset in range(first, next_):
            yield offset, view()


def full(first: int, next_: int) -> Claim:
    return claim(first, next_, last_offset=next_ - 1, last_checksum=zlib.crc32(view()))


def gap(first: int, next_: int) -> Claim:
    return claim(first, next_, records=0, months=())


CHAINS: dict[str, tuple[list[Claim], list[Any]]] = {
    "removed, kept": ([full(0, 30), full(30, 40)], ["skipped", 10]),
    "a gap removed": ([gap(0, 30), full(30, 40)], [0, 10]),
    "a gap between removed records": (
        [full(0, 10), gap(10, 20), full(20, 30), full(30, 31)],
        ["skipped", 0, "skipped", 1],
    ),
    "cut in the middle": ([full(20, 40), full(40, 42)], ["skipped", 2]),
}


@pytest.mark.parametrize("chain", list(CHAINS))
async def test_a_claim_without_records_needs_no_log(chain: str) -> None:
    claims, expected = CHAINS[chain]
    views = EventType.VIDEO_VIEW
    scanner = Scanner(Kept(), topic_for(views), {3: (BEGIN, 50)}, lambda claim: Recount(claim, views, Rules()))
    outcomes = [outcome async for outcome in scanner.recounts(claims)]
    assert [one.records if isinstance(one, Recount) else "skipped" for one in outcomes] == expected
