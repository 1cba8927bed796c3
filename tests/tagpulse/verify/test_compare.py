"""Comparing: exactly where all is recounted, as a lower bound where not; receipts against claims."""

from __future__ import annotations

from sinks.claims import Log
from sinks.migrations import Retention
from tagpulse.verify.compare import Found, Receipt, compare, receipt_faults, uncertain_months
from tagpulse.verify.recount import Tally
from tagpulse.verify.windows import END_OF_TIME, Span, spans
from tests.tagpulse.verify.making import LOG, MAY, NOON, claim, key

EXACT: frozenset[int] = frozenset()
WHOLE = frozenset({LOG})


def tally(**events: int) -> Tally:
    made = Tally()
    for tag, number in events.items():
        made.events[key(tag)] = number
    return made


def found(**events: int) -> Found:
    return Found(events={key(tag): number for tag, number in events.items()})


def test_equal() -> None:
    result = compare(tally(a=1, b=2), found(a=1, b=2), EXACT)
    assert (result.exact, result.at_least, result.differences) == (2, 0, [])


def test_every_kind_of_difference_worst_first() -> None:
    result = compare(tally(a=1, b=2, c=10, d=4), found(b=4, c=5, d=4, e=1), EXACT)
    assert [(d.key.hashtag, d.truth, d.found) for d in result.differences] == [
        ("c", 10, 5),
        ("b", 2, 4),
        ("a", 1, 0),
        ("e", 0, 1),
    ]


def test_in_an_uncertain_month_more_is_no_difference() -> None:
    result = compare(tally(a=1, b=2), found(a=5, b=1, c=3), frozenset({MAY}))
    assert (result.exact, result.at_least) == (0, 3)
    assert [(d.key.hashtag, d.off) for d in result.differences] == [("b", -1)]


def test_distinct_videos_are_compared_within_the_bound_of_the_sketch() -> None:
    truth = tally(a=1, b=1, c=1)
    truth.videos.update({key("a"): set(range(1000)), key("b"): set(range(1000)), key("c"): {1}})
    there = found(a=1, b=1, c=1)
    there.videos = {key("a"): 1030, key("b"): 969, key("c"): 2}
    result = compare(truth, there, EXACT)
    assert [d.key.hashtag for d in result.sketches] == ["b"]
    assert result.worst_sketch == 1.0
    assert not result.differences


def test_receipts_say_which_claims_a_table_holds() -> None:
    there = Found(receipts={(LOG, MAY): Receipt(20, 30)})
    assert there.holds(claim(20, 30), MAY)
    assert not there.holds(claim(30, 31), MAY)
    assert not there.holds(claim(20, 30), MAY + 1)


def test_months_with_rows_of_others_are_uncertain() -> None:
    older = Log("video-views", 0, 2)
    there = Found(receipts={(LOG, MAY): Receipt(99, 10), (older, MAY): Receipt(7, 7), (older, MAY + 1): Receipt(5, 7)})
    held = [(claim(0, 10), MAY), (claim(0, 7, log=older), MAY)]
    assert uncertain_months(there, held, WHOLE) == {MAY + 1}
    assert uncertain_months(there, held, EXACT) == {MAY, MAY + 1}  # type: ignore[arg-type]


def test_receipts_must_add_up_to_claims() -> None:
    one, two = claim(0, 10), claim(10, 17)
    held = [(one, MAY), (two, MAY)]
    assert receipt_faults(Found(receipts={(LOG, MAY): Receipt(17, 17)}), held, WHOLE, 0) == []
    (lost,) = receipt_faults(Found(receipts={(LOG, MAY): Receipt(10, 10)}), held, WHOLE, 0)
    assert (lost.claimed, lost.landed, lost.claims) == (17, 10, (two,))
    (twice,) = receipt_faults(Found(receipts={(LOG, MAY): Receipt(27, 17)}), held, WHOLE, 0)
    assert twice.claims == (one,)
    assert len(receipt_faults(Found(), held, WHOLE, 0)) == 1
    assert receipt_faults(Found(), held, WHOLE, NOON + 31 * 86_400) == []  # a TTL may have taken them
    assert receipt_faults(Found(), held, frozenset(), 0) == []


def test_only_whole_windows_within_retention_are_compared() -> None:
    bounds = {g.value: s for g, s in spans(NOON + 60, NOON + 3 * 86_400, Retention(36_500, 36_500), NOON).items()}
    assert bounds["minute"] == Span(NOON + 60, NOON + 3 * 86_400)
    assert bounds["hour"] == Span(NOON + 3600, NOON + 3 * 86_400)
    assert bounds["day"] == Span(NOON + 43_200, NOON + 3 * 86_400 - 43_200)
    kept = {g.value: s for g, s in spans(None, None, Retention(30, 400), NOON).items()}
    assert kept["minute"].since == NOON - 29 * 86_400
    assert kept["hour"].since == NOON - 399 * 86_400
    assert kept["day"] == Span(0, END_OF_TIME // 86_400 * 86_400)
