"""What a backfill has to count of a chain of claims, and what it gives up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from sinks.claims import Claim
from streams.rules import Rules
from tagpulse.backfill.plan import Known, plan
from tagpulse.verify.chain import Chain
from tagpulse.verify.group import Group
from tests.tagpulse.verify.making import LOG, claim

KIND = Group("kind", ("kindness", "love"))
#: One letter a claim of ten records: without the group, with it, with other hashtags, by rules of another build, with
#: duplicates left out.
RULES = {
    "-": Rules(),
    "k": Rules(tag_groups={"kind": KIND.hashtags}),
    "o": Rules(tag_groups={"kind": ("joy",)}),
    "x": Rules(decoding=-1),
    "d": Rules(dedup_records=5),
}
WHOLE = Known(0, 1_000)


def chain(letters: str, first: int = 0) -> Chain:
    """Claims at clocks 0, 1000, 2000, ... A capital O is an open claim without the group."""
    claims = [
        replace(claim(first + 10 * n, first + 10 * n + 10, done=letter != "O"), rules=letter, clock=1000.0 * n)
        for n, letter in enumerate(letters)
    ]
    return Chain(LOG, None if first else claim(0, 0, records=0), claims)


def planned(letters: str, known: Known = WHOLE, first: int = 0, records: int = 15) -> tuple[Any, Sequence[Any]]:
    def rules_of(claim: Claim) -> Rules:
        return RULES[claim.rules.replace("O", "-")]

    found = plan(chain(letters, first), KIND, rules_of, lambda rules: rules.decoding > 0, known, records)
    lost = found.lost and (found.lost.first, found.lost.next, found.lost.until_s)
    return lost, [(batch.first, batch.next, [source.first for source in batch.sources]) for batch in found.batches]


CASES: dict[str, tuple[Any, Any, Any]] = {
    "all by batches": (("----kk",), None, [(0, 20, [0, 10]), (20, 40, [20, 30])]),
    "nothing": (("kkk",), None, []),
    "what was counted is passed over": (("-kk-k",), None, [(0, 40, [0, 30])]),
    "up to an open claim": (("-O",), None, [(0, 10, [0])]),
    "on from where it was": (("---k-k", replace(WHOLE, tail=40)), None, [(40, 50, [40])]),
    "without what retention removed": (("---k", replace(WHOLE, begin=15)), (0, 20, 1600.0), [(20, 30, [20])]),
    "removed and counted with it": (("kk--", replace(WHOLE, begin=15)), None, [(0, 40, [20, 30])]),
    "after other hashtags": (("-o-",), (0, 20, 1600.0), [(20, 30, [20])]),
    "after another backfill of the name": (("---", replace(WHOLE, otherwise=20)), (0, 20, 1600.0), [(20, 30, [20])]),
    "after rules of another build": (("-x-",), (0, 20, 1600.0), [(20, 30, [20])]),
    "after duplicates were left out": (("-d-",), (0, 20, 1600.0), [(20, 30, [20])]),
    "a log that ends too early is another": (("---", replace(WHOLE, end=25)), (0, 30, 2600.0), []),
    "as far back as is asked for": (("---", replace(WHOLE, since_s=1700.0)), (0, 20, 1600.0), [(20, 30, [20])]),
    "after forgotten claims": (
        ("-", replace(WHOLE, forgotten_until_s=77.0), 500), (0, 500, 77.0), [(500, 510, [500])],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", list(CASES))
def test_a_plan(case: str) -> None:
    given, lost, batches = CASES[case]
    assert planned(*given) == (lost, batches)
