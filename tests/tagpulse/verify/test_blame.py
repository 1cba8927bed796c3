"""Who is to blame: batches that are missing or doubled as a whole, and what is left."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from tagpulse.verify.blame import Kind, Part, blame
from tagpulse.verify.windows import Key
from tests.tagpulse.verify.making import MAY, claim, key


def part(first: int, *, whole: bool = True, month: int = MAY, **events: int) -> Part:
    made = claim(first, first + 10)
    return Part(made, month, {key(tag): number for tag, number in events.items()}, whole)


def off(**events: int) -> dict[Key, int]:
    return {key(tag): number for tag, number in events.items()}


def test_a_lost_batch() -> None:
    lost, other = part(0, a=3, b=1), part(10, a=3)
    verdict = blame(off(a=-3, b=-1), [other, lost])
    assert [(s.kind, s.part) for s in verdict.suspects] == [(Kind.MISSING, lost)]
    assert verdict.claims == {key("a"): [lost.claim], key("b"): [lost.claim]}
    assert verdict.explained == {key("a"), key("b")}


def test_a_doubled_batch() -> None:
    twice = part(0, a=3, b=1)
    verdict = blame(off(a=3, b=1), [twice, part(10, whole=False, a=3)])
    assert [(s.kind, s.part) for s in verdict.suspects] == [(Kind.DOUBLED, twice)]
    assert set(verdict.kinds.values()) == {Kind.DOUBLED}


def test_two_lost_batches_that_share_keys() -> None:
    one, two = part(0, a=3, b=1, c=1), part(10, a=2, d=4)
    verdict = blame(off(a=-5, b=-1, c=-1, d=-4), [two, one])
    assert {s.part.claim.first for s in verdict.suspects} == {0, 10}
    assert verdict.claims[key("a")] == [one.claim, two.claim]
    assert len(verdict.explained) == 4


def test_one_lost_and_one_doubled() -> None:
    lost, twice = part(0, a=3, b=1), part(10, c=2, d=2)
    verdict = blame(off(a=-3, b=-1, c=2, d=2), [lost, twice])
    assert {(s.kind, s.part.claim.first) for s in verdict.suspects} == {(Kind.MISSING, 0), (Kind.DOUBLED, 10)}


def test_equal_batches_are_named_as_alternatives() -> None:
    one, two = part(0, a=1, b=1), part(10, a=1, b=1)
    (suspect,) = blame(off(a=-1, b=-1), [one, two]).suspects
    assert {suspect.part.claim.first, *(p.claim.first for p in suspect.others)} == {0, 10}


def test_receipts_decide_among_equals() -> None:
    one, two = part(0, a=1, b=1), part(10, a=1, b=1)
    (suspect,) = blame(off(a=-1, b=-1), [one, two], [(two.claim, MAY)]).suspects
    assert suspect.part is two


def test_a_single_key_names_claims_that_count_it_as_often() -> None:
    verdict = blame(off(a=-3), [part(0, whole=False, a=3), part(10, whole=False, a=2), part(20, whole=False, a=9)])
    assert not verdict.suspects
    assert [c.first for c in verdict.claims[key("a")]] == [0]
    assert verdict.explained == {key("a")}


def test_a_single_key_that_nothing_explains_names_who_counts_it() -> None:
    verdict = blame(off(a=5, z=1), [part(0, whole=False, a=3), part(10, whole=False, a=2)])
    assert verdict.kinds == {key("a"): Kind.EXTRA, key("z"): Kind.EXTRA}
    assert [c.first for c in verdict.claims[key("a")]] == [0, 10]
    assert verdict.claims[key("z")] == []
    assert not verdict.explained


@pytest.mark.parametrize("seed", range(20))
def test_damage_of_any_batches_is_found(seed: int) -> None:
    """Batches with long-tailed keys; some are lost: every difference is explained by exactly these."""
    dice = random.Random(seed)
    parts = []
    for number in range(30):
        events: Counter[Key] = Counter({key(f"only-{number}"): 1 + dice.randrange(3)})
        for _ in range(40):
            events[key(f"tag{int(dice.paretovariate(0.7)) % 500}")] += 1
        parts.append(Part(claim(number * 10, number * 10 + 10), MAY, dict(events)))
    lost = dice.sample(parts, dice.randrange(1, 5))
    differences: Counter[Key] = Counter()
    for one in lost:
        differences.subtract(one.events)
    seen = [
        Part(p.claim, p.month, {k: n for k, n in p.events.items() if k in differences}, whole=p in lost) for p in parts
    ]
    verdict = blame(dict(differences), seen)
    assert {s.part.claim.first for s in verdict.suspects} == {p.claim.first for p in lost}
    assert verdict.explained == set(differences)
