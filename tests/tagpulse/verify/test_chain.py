"""Claims as chains: what is done, what is open, where they are broken."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest

from sinks.claims import Claim, Log
from tagpulse.verify.chain import chains
from tests.tagpulse.verify.making import LOG, claim


def rows(*claims: Claim) -> list[Claim]:
    """As the table has them: each finished claim twice."""
    return [row for c in claims for row in ([replace(c, done=False), c] if c.done and not c.is_root else [c])]


ROOT = claim(5, 5)


def test_an_unbroken_chain() -> None:
    found = chains(rows(ROOT, claim(5, 9), claim(9, 10), claim(10, 12, done=False)))
    chain = found[LOG]
    assert (chain.root, chain.faults, chain.tail) == (ROOT, [], 10)
    assert [(c.first, c.next) for c in chain.done] == [(5, 9), (9, 10)]
    assert [(c.first, c.next) for c in chain.open] == [(10, 12)]


def test_the_order_of_rows_does_not_matter() -> None:
    made = rows(ROOT, claim(5, 9), claim(9, 10))
    assert chains(reversed(made)) == chains(made)


def test_logs_are_kept_apart() -> None:
    other = Log("video-views", 1, 3)
    found = chains(rows(ROOT, claim(5, 9), claim(0, 0, log=other)))
    assert [(log, len(chain.claims)) for log, chain in found.items()] == [(LOG, 1), (other, 0)]
    assert found[other].tail == 0


def test_forgotten_claims_leave_a_chain_without_a_root() -> None:
    chain = chains(rows(claim(70, 80), claim(80, 90)))[LOG]
    assert (chain.root, chain.faults, chain.tail) == (None, [], 90)


TWICE = claim(5, 9)
BROKEN = {
    "hole after 9": [*rows(ROOT, claim(5, 9)), *rows(claim(10, 11))],
    "overlaps what ends at 9": [*rows(ROOT, claim(5, 9)), *rows(claim(8, 11))],
    "follows a claim that is not done": rows(ROOT, claim(5, 9, done=False), claim(9, 11)),
    "claimed more than once": [*rows(ROOT, TWICE), replace(TWICE, claim_id=uuid4(), done=False)],
    "never claimed": [ROOT, claim(5, 9)],
}


@pytest.mark.parametrize("named", BROKEN)
def test_a_broken_chain_is_named(named: str) -> None:
    faults = chains(BROKEN[named])[LOG].faults
    assert len(faults) == 1
    assert named in faults[0]
    assert "video-views/0/3 [" in faults[0]
