"""Events that a producer sends twice, on a whole stack whose workers are killed between the two."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.commands import answer
from tests.e2e.harness import Stack
from tests.e2e.repeats import REACH, portions

pytestmark = pytest.mark.e2e

PARTITIONS, PORTIONS = 2, 2


@pytest.mark.parametrize("broker_kind", ["kafka"], indirect=True)
def test_events_sent_twice_are_counted_once(tmp_path: Path, broker_kind: str) -> None:
    settings = {"TAGPULSE_DEDUP_RECORDS": str(REACH), "TAGPULSE_FLUSH_INTERVAL_S": "0.3"}
    stack = Stack(tmp_path, workers=1, partitions=PARTITIONS, settings=settings, broker=broker_kind)
    try:
        stack.start()
        in_turn = [list(portions(900 + partition, PORTIONS)) for partition in range(PARTITIONS)]
        for portion in zip(*in_turn, strict=True):
            for partition, part in enumerate(portion):
                stack.sender.send(part.firsts, partition=partition)
            # Whoever counted the firsts takes what it remembers of them along.
            stack.wait_counted()
            for worker in stack.workers():
                worker.kill()
            for partition, part in enumerate(portion):
                stack.sender.send(part.repeats, partition=partition)
        stack.check()
        duplicates = [record for record in stack.ledger.rejects.values() if record.reason == "duplicate"]
        report = answer(stack, "verify")
        assert sum(topic["records"] for topic in report["topics"]) == stack.ledger.sent
        assert sum(topic["rejects"] for topic in report["topics"]) == len(duplicates) == 3 * 40 * PARTITIONS * PORTIONS
        assert not any(topic["not_recounted"] or topic["judged_otherwise"] for topic in report["topics"])
        stack.stop()
    finally:
        stack.abandon()
