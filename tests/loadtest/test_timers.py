"""Stages: CPU time is charged once, and the stages add up to the whole."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from loadtest.peers import tagpulse_stages as path
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
        path.UNPACK: 100, path.DECODE: 500, path.COUNT: 300, path.ROWS: 50, path.ENCODE: 60, path.INSERT: 70,
        path.CLAIM: 80, path.SERVER: 2_000, "kafka thread": 450, "main thread": 900, "worker": 1_700,
    }  # fmt: skip
    stages = path.stages(spent, 10)
    assert stages[path.FETCH] == 35
    assert stages[path.LOOP] == 10
    assert stages[path.REST] == 9
    assert sum(stages.values()) == pytest.approx((1_700 + 2_000) / 10)
    assert next(iter(stages)) == path.FETCH
    assert list(stages)[-1] == path.SERVER
