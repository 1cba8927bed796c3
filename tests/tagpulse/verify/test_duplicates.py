"""The recount finds the duplicates of the definition by itself, and says where it no longer can."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.topics import topic_for
from sinks.claims import Claim
from streams.rules import Rules
from tagpulse.verify.chain import Chain
from tagpulse.verify.log import LogReader
from tagpulse.verify.recount import Recount
from tagpulse.verify.scan import Scanner, Skipped
from tagpulse.verify.sightings import History
from tests.duplicates import KIND, LATE, LOG, Case, Made, cases, claim_of, marked


class Kept(LogReader):
    """The log of a case, from its begin on."""

    def __init__(self, case: Case) -> None:
        super().__init__("nowhere:1")
        self._case = case

    async def records(
        self, topic: str, partition: int, first: int, next_: int
    ) -> AsyncIterator[tuple[int, bytes | None]]:
        assert first >= self._case.begin
        for offset in range(first, next_):
            if offset in self._case.records:
                yield offset, self._case.records[offset].value


def recounted(case: Case, claims: list[Claim], *, forgotten: int = 0) -> list[Recount | Skipped]:
    """What becomes of `claims`, where the first `forgotten` claims of the log, and its root, are not known any more."""
    root = Claim(LOG, 0, 0, uuid4(), "w", 0.0, "", done=True)
    chain = Chain(LOG, None if forgotten else root, case.claims[forgotten:])

    def rules_of(claim: Claim) -> Rules:
        return case.rules[claim.rules]

    scanner = Scanner(
        Kept(case),
        topic_for(KIND),
        {0: (case.begin, case.end)},
        lambda claim: Recount(claim, KIND, rules_of(claim)),
        histories={LOG: History(chain.done, chain.root is not None, KIND, rules_of)},
    )

    async def all_of_them() -> list[Recount | Skipped]:
        return [outcome async for outcome in scanner.recounts(claims)]

    return asyncio.run(all_of_them())


@settings(max_examples=60, deadline=None)
@given(cases(), st.data())
def test_some_claims_are_recounted_by_the_definition(case: Case, data: st.DataObject) -> None:
    case = marked(case)
    some = data.draw(st.sets(st.integers(0, len(case.claims) - 1), min_size=1), label="claims recounted")
    claims = [case.claims[k] for k in sorted(some)]
    found = recounted(case, claims)
    assert [len(one.rejects) for one in found if isinstance(one, Recount)] == [claim.rejects for claim in claims]
    rejects = {offset: why.reason for one in found if isinstance(one, Recount) for offset, why in one.rejects.items()}
    assert [one.claim for one in found if isinstance(one, Recount)] == claims
    assert rejects == {
        offset: reason
        for offset, reason in case.truth().items()
        if any(claim.first <= offset < claim.next for claim in claims)
    }


#: Offsets 3, 4 and 5 repeat what lies three before them.
REPEATED = {offset: Made(f'"{"abcabcd"[offset]}"', "good") for offset in range(7)}
EDGES = ((0, 3), (3, 5), (5, 7))


@pytest.mark.parametrize("first", [0, 2])
@pytest.mark.parametrize(("reach", "last"), [(3, Skipped), (2, Recount)])
def test_what_compaction_took_makes_nobody_wrong(first: int, reach: int, last: type) -> None:
    """It took offset 1, which offset 4 repeats. Claims that look back to its claim are left out, others are not."""
    claims = [claim_of(begin, end, LATE, "r", REPEATED) for begin, end in EDGES]
    left = {offset: record for offset, record in REPEATED.items() if offset != 1}
    case = Case(left, 7, claims, {"r": Rules(dedup_records=reach)}, reach)
    *earlier, found = recounted(case, claims[first:])
    assert all(isinstance(one, Skipped) for one in earlier)
    assert isinstance(found, last)


@pytest.mark.parametrize(
    ("begin", "forgotten", "outcomes"),
    [
        (0, 0, [0, 2, 1]),
        (1, 0, ["its retention removed", "of the 3 offsets before it", 1]),
        (3, 0, ["its retention removed", "of the 3 offsets before it", "of the 3 offsets before it"]),
        (0, 1, ["", "of the 3 offsets before it (dedup_records) were forgotten", "were forgotten"]),
    ],
)
def test_claims_whose_duplicates_cannot_be_known_are_left_out(
    begin: int, forgotten: int, outcomes: list[int | str]
) -> None:
    claims = [claim_of(first, next_, LATE, "3", REPEATED) for first, next_ in EDGES]
    case = replace(Case(REPEATED, 7, claims, {"3": Rules(dedup_records=3)}, 3), begin=begin)
    found = recounted(case, claims[forgotten:], forgotten=forgotten)
    for one, expected in zip(found, outcomes[forgotten:], strict=True):
        if isinstance(one, Recount):
            assert len(one.rejects) == expected
        else:
            assert isinstance(expected, str)
            assert expected in one.why
