from __future__ import annotations

from tagpulse.stack.backoff import Backoff


def test_doubles_up_to_the_most() -> None:
    backoff = Backoff(first_s=0.5, most_s=3, well_after_s=60)
    assert [backoff.next() for _ in range(5)] == [0.5, 1, 2, 3, 3]
    assert backoff.attempts == 5


def test_starts_over_after_it_ran_well() -> None:
    backoff = Backoff(first_s=0.5, most_s=3, well_after_s=60)
    backoff.next()
    backoff.ran(59.9)
    assert backoff.next() == 1
    backoff.ran(60)
    assert backoff.next() == 0.5


def test_a_thousand_attempts_are_no_overflow() -> None:
    backoff = Backoff(first_s=0.5, most_s=30, well_after_s=60)
    assert [backoff.next() for _ in range(2000)][-1] == 30
