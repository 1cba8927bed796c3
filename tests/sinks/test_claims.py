"""Claims: one winner, no gap, nobody late."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from sinks.claims import Claim, Claims, Log
from sinks.errors import ClaimLost

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

LOG = Log("video-views", 2, 7)


def fresh(first: int, next_: int, worker: str = "w", log: Log = LOG) -> Claim:
    return Claim(log, first, next_, uuid4(), worker, 12.5, "rules", 3, 1, (202605,), next_ - 1, 99)


def test_a_chain_grows(database: Client) -> None:
    claims = Claims(database)
    assert claims.last(LOG) is None
    tail = claims.begin(LOG, 40, "w", uuid4())
    assert (tail.first, tail.next, tail.done, tail.is_root) == (40, 40, True, True)
    for first, next_ in ((40, 50), (50, 51), (51, 2**40)):
        wanted = fresh(first, next_)
        claim = claims.claim(wanted, tail)
        assert claim.claimed_at is not None
        assert replace(claim, claimed_at=None) == wanted
        assert claims.last(LOG) == claim
        tail = claims.done(claim)
        last = claims.last(LOG)
        assert last is not None
        assert replace(last, claimed_at=tail.claimed_at) == tail


def test_logs_do_not_meet(database: Client) -> None:
    claims = Claims(database)
    for log in (LOG, Log("video-views", 2, 8), Log("video-views", 3, 7), Log("sticker-uses", 2, 7)):
        root = claims.begin(log, 0, "w", uuid4())
        claims.done(claims.claim(fresh(0, 10, log=log), root))


def test_claiming_again_is_the_same_claim(database: Client) -> None:
    claims = Claims(database)
    root = claims.begin(LOG, 0, "w", uuid4())
    wanted = fresh(0, 10)
    assert claims.claim(wanted, root) == claims.claim(wanted, root)
    assert database.query("SELECT count() FROM claims WHERE done = 0").result_rows[0][0] == 1


@pytest.mark.parametrize("next_", [10, 7, 12])
def test_the_second_is_refused(database: Client, next_: int) -> None:
    claims = Claims(database)
    root = claims.begin(LOG, 0, "w", uuid4())
    claims.claim(fresh(0, 10, "first"), root)
    with pytest.raises(ClaimLost, match="claimed by first"):
        claims.claim(fresh(0, next_, "second"), root)


def test_nobody_passes_an_open_claim(database: Client) -> None:
    claims = Claims(database)
    root = claims.begin(LOG, 0, "w", uuid4())
    claim = claims.claim(fresh(0, 10), root)
    with pytest.raises(ClaimLost, match="moved"):
        claims.claim(fresh(10, 20), claim)


def test_a_late_worker_is_refused_even_without_its_token(database: Client) -> None:
    """The guard alone must refuse whoever is behind: tokens are forgotten some day."""
    claims = Claims(database)
    tail = root = claims.begin(LOG, 0, "w", uuid4())
    for first in range(0, 50, 10):
        tail = claims.done(claims.claim(fresh(first, first + 10), tail))
    database.command("ALTER TABLE claims MODIFY SETTING non_replicated_deduplication_window = 1")
    with pytest.raises(ClaimLost):
        claims.claim(fresh(0, 10, "zombie"), root)
    late = fresh(10, 20, "zombie")
    with pytest.raises(ClaimLost):
        claims.claim(late, fresh(0, 10))
    assert database.query("SELECT count() FROM claims WHERE worker = 'zombie'").result_rows[0][0] == 0


def test_a_race_has_one_winner(database: Client) -> None:
    claims = Claims(database)
    for round_ in range(10):
        log = Log("video-views", 2, round_)
        with ThreadPoolExecutor(8) as pool:
            roots = list(pool.map(lambda _, log=log: claims.begin(log, 5, "w", uuid4()), range(4)))
            assert len({root.claim_id for root in roots}) == 1
            start = threading.Barrier(4)

            def attempt(number: int, log: Log = log, start: threading.Barrier = start, root: Claim = roots[0]) -> str:
                start.wait()
                try:
                    return claims.claim(fresh(5, 10 + number, f"w{number}", log), root).worker
                except ClaimLost:
                    return ""

            winners = [worker for worker in pool.map(attempt, range(4)) if worker]
        assert len(winners) == 1
        last = claims.last(log)
        assert last is not None
        assert last.worker == winners[0]


def test_a_token_whose_row_was_lost_does_not_block_the_chain(database: Client) -> None:
    """ClickHouse killed between token and row: it says "seen" for ever, and there is no claim."""
    claims = Claims(database)
    root = claims.begin(LOG, 0, "w", uuid4())
    lost = fresh(0, 10, "lost")
    claims._insert(lost, "1", f"claim/{LOG}/0/0")
    database.command("TRUNCATE TABLE claims")
    claims._insert(root, "1", "again")
    assert claims.claim(fresh(0, 12, "next"), root).next == 12


def test_a_done_row_that_was_lost_does_not_keep_the_claim_open(database: Client) -> None:
    """The same loss at the end of a claim: its token is used up, and the claim would never be done."""
    claims = Claims(database)
    claim = claims.claim(fresh(0, 10), claims.begin(LOG, 0, "w", uuid4()))
    claims._insert(replace(claim, done=True), "1", f"done/{claim.token}/0")
    database.command("DELETE FROM claims WHERE done AND next = 10")
    assert claims.last(LOG) == claim
    tail = claims.done(claim)
    last = claims.last(LOG)
    assert last is not None
    assert last.done
    claims.claim(fresh(10, 12), tail)


def test_finishing_again_is_the_same_row(database: Client) -> None:
    claims = Claims(database)
    claim = claims.claim(fresh(0, 10), claims.begin(LOG, 0, "w", uuid4()))
    assert claims.done(claim) == claims.done(claim)
    assert database.query("SELECT count() FROM claims WHERE done AND next = 10").result_rows[0][0] == 1


def test_incarnations_count_up(database: Client) -> None:
    claims = Claims(database)
    assert claims.incarnation("video-views") == 0
    assert [claims.start_incarnation("video-views", "test") for _ in range(3)] == [1, 2, 3]
    assert claims.incarnation("video-views") == 3
    assert claims.incarnation("sticker-uses") == 0


def test_rules_are_kept_by_version(database: Client) -> None:
    claims = Claims(database)
    assert claims.rules_text("v") is None
    claims.keep_rules("v", "text")
    claims.keep_rules("v", "text")
    assert claims.rules_text("v") == "text"


def test_pruning_keeps_the_end_of_the_chain(database: Client) -> None:
    claims = Claims(database)
    tail = claims.begin(LOG, 0, "w", uuid4())
    for first in range(0, 50, 10):
        tail = claims.done(claims.claim(fresh(first, first + 10), tail))
    claims.prune(tail, kept_days=1)
    assert database.query("SELECT uniqExact(first) FROM claims").result_rows[0][0] == 5
    assert [claim.first for claim in claims.judged(LOG, 15, 40)] == [10, 20, 30]
    claims.prune(tail, kept_days=0, kept_offsets=15)
    assert [claim.first for claim in claims.judged(LOG, -5, 50)] == [20, 30, 40], "what has any of 15 offsets before 40"
    claims.prune(tail, kept_days=0)
    last = claims.last(LOG)
    assert last is not None
    assert (last.first, last.next, last.done) == (40, 50, True)
    assert database.query("SELECT uniqExact(first) FROM claims").result_rows[0][0] == 1
    claims.claim(fresh(50, 60), last)
