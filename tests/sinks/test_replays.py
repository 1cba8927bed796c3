"""Marks of replays: one run gets a record, and what was begun is never taken for free."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING

from sinks.rejected import Place
from sinks.replays import Mark, Outcome, Replays

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


def marks(first: int, number: int = 3) -> list[Mark]:
    return [Mark(Place("video-views", 1, 0, offset), True, 5, "ab") for offset in range(first, first + number)]


def test_what_is_begun_is_unknown_until_it_is_concluded(database: Client) -> None:
    replays, (one, two, three) = Replays(database), marks(10)
    batch, taken = replays.begin([one, two, three], "me", again=False)
    assert (batch.marks, taken) == ((one, two, three), {})
    _, taken = replays.begin([one], "you", again=False)
    assert taken == {one.place: "unknown"}
    replays.conclude(batch, [Outcome(one, "sent", 2, 77), Outcome(two, "refused")])
    next_, taken = replays.begin([one, two, three], "you", again=False)
    assert taken == {one.place: "sent", three.place: "unknown"}
    assert next_.marks == (two,)  # what the broker refused is free


def test_again_takes_what_was_sent(database: Client) -> None:
    replays, some = Replays(database), marks(10)
    batch, _ = replays.begin(some, "me", again=False)
    replays.conclude(batch, [Outcome(mark, "sent", 0, 1) for mark in some])
    again, taken = replays.begin(some, "me", again=True)
    assert (again.marks, taken) == (tuple(some), {})
    assert again.number > batch.number


def test_nothing_free_writes_nothing(database: Client) -> None:
    replays, some = Replays(database), marks(10)
    replays.begin(some, "me", again=False)
    before = database.query("SELECT count() FROM replayed_events").result_rows
    batch, taken = replays.begin(some, "you", again=False)
    assert (batch.marks, len(taken)) == ((), 3)
    assert database.query("SELECT count() FROM replayed_events").result_rows == before


def test_of_runs_that_begin_together_one_gets_each_record(database: Client) -> None:
    """Overlapping ranges, all at once, again and again: every record goes to exactly one run."""
    runs, barrier = 4, Barrier(4)

    def run(number: int) -> list[Mark]:
        got: list[Mark] = []
        for turn in range(5):
            barrier.wait()
            batch, _ = Replays(database).begin(marks(100 * turn + number, 6), f"run {number}", again=False)
            got += batch.marks
        return got

    with ThreadPoolExecutor(runs) as pool:
        got = [mark.place for result in pool.map(run, range(runs)) for mark in result]
    assert len(got) == len(set(got))
    assert set(got) == {mark.place for turn in range(5) for mark in marks(100 * turn, 9)}
