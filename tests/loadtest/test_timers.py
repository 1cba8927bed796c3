"""Stages: CPU time is charged once, and the stages add up to the whole."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest

from loadtest.peers import places
from loadtest.peers import tagpulse_stages as path
from loadtest.peers.places import Place, PlaceError, Thread
from loadtest.peers.timers import Timers


def burn(milliseconds: int) -> None:
    end = time.thread_time_ns() + milliseconds * 1_000_000
    while time.thread_time_ns() < end:
        pass


def test_a_stage_within_a_stage_is_charged_once() -> None:
    work = SimpleNamespace()
    work.inner = lambda: burn(20)
    timers = Timers()
    timers.wrap(work, "inner", "inner")

    def outer() -> None:
        burn(10)
        work.inner()
        work.inner()

    work.outer = outer
    timers.wrap(work, "outer", "outer")
    began = time.thread_time_ns()
    work.outer()
    whole = time.thread_time_ns() - began
    assert timers.totals["inner"] >= 40e6
    assert 10e6 <= timers.totals["outer"] < 25e6
    assert timers.totals["inner"] + timers.totals["outer"] <= whole


def test_waiting_is_not_charged() -> None:
    work = SimpleNamespace(wait=lambda: time.sleep(0.05))
    timers = Timers()
    timers.wrap(work, "wait", "wait")
    work.wait()
    assert timers.totals["wait"] < 20e6


def test_an_error_passes_and_is_charged() -> None:
    def fail() -> None:
        burn(5)
        raise KeyError("x")

    work = SimpleNamespace(fail=fail)
    timers = Timers()
    timers.wrap(work, "fail", "fail")
    with pytest.raises(KeyError):
        work.fail()
    assert timers.totals["fail"] >= 5e6


def test_stages_add_up_to_worker_and_clickhouse() -> None:
    spent = {
        places.UNPACK: 100, places.DECODE: 500, places.COUNT: 300, places.ROWS: 50, places.ENCODE: 60,
        places.INSERT: 70, places.CLAIM: 80, path.SERVER: 2_000, Thread.KAFKA.value: 450, Thread.MAIN.value: 900,
        "worker": 1_700,
    }  # fmt: skip
    listed = tuple(
        Place("", "", stage, thread)
        for thread, stages in (
            (Thread.KAFKA, (places.UNPACK,)),
            (Thread.MAIN, (places.DECODE, places.COUNT)),
            # Two places of a stage are charged once.
            (Thread.OTHER, (places.ROWS, places.ROWS, places.ENCODE, places.INSERT, places.CLAIM)),
        )
        for stage in stages
    )
    stages = path.stages(spent, 10, listed)
    assert stages[path.FETCH] == 35
    assert stages[path.LOOP] == 10
    assert stages[path.REST] == 9
    assert sum(stages.values()) == pytest.approx((1_700 + 2_000) / 10)
    assert next(iter(stages)) == path.FETCH
    assert list(stages)[-1] == path.SERVER


@pytest.mark.parametrize("place", places.PLACES, ids=lambda place: place.name)
def test_a_place_is_there(place: Place) -> None:
    owner, name = place.owner()
    assert callable(getattr(owner, name))


def test_a_place_that_is_gone_is_named_with_its_stage() -> None:
    gone = Place("streams.decoding", "Decoder.decipher", places.DECODE, Thread.MAIN)
    with pytest.raises(
        PlaceError, match=r"streams\.decoding has no Decoder\.decipher: adapt loadtest\.peers\.places.*decode"
    ):
        gone.owner()


def test_a_stage_in_another_thread_than_listed_is_an_error() -> None:
    listed = (
        Place("", "", places.UNPACK, Thread.KAFKA),
        Place("", "", places.DECODE, Thread.MAIN),
        Place("", "", places.ROWS, Thread.OTHER),
    )
    main = threading.main_thread().ident
    assert main is not None
    ran = {places.UNPACK: {1}, places.DECODE: {main}, places.ROWS: {2, 3}}
    assert path.kafka_thread(listed, ran) == 1
    path.check_threads(listed, ran, 1)
    for wrong, said in (
        (ran | {places.DECODE: {main, 4}}, "another thread and the main thread"),
        (ran | {places.ROWS: set()}, "nowhere"),
    ):
        with pytest.raises(PlaceError, match=said):
            path.check_threads(listed, wrong, 1)
    with pytest.raises(PlaceError, match="2 threads"):
        path.kafka_thread(listed, ran | {places.UNPACK: {1, 2}})
