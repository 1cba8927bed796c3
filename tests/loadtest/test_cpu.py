"""CPU time covers descendants; merges are waited for, within bounds."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys

import psutil
import pytest

from loadtest.peers import merges
from loadtest.peers.job import cpu_s

BURN = "import time\nwhile time.process_time() < {seconds}: pass\n"


def test_a_child_counts_while_it_runs_and_after_it_ended() -> None:
    before = cpu_s(psutil.Process(os.getpid()))
    code = BURN.format(seconds=0.3) + "print('done', flush=True)\ninput()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:  # fmt: skip
        assert child.stdout is not None
        assert child.stdin is not None
        assert child.stdout.readline() == "done\n"
        running = cpu_s(psutil.Process(os.getpid())) - before
        child.stdin.write("\n")
    assert child.returncode == 0
    ended = cpu_s(psutil.Process(os.getpid())) - before
    assert 0.25 < running <= ended + 0.02


def test_a_grandchild_counts() -> None:
    code = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BURN.format(seconds=0.3)!r}])"
    before = cpu_s(psutil.Process(os.getpid()))
    subprocess.run([sys.executable, "-c", code], check=True)
    assert cpu_s(psutil.Process(os.getpid())) - before > 0.25


@pytest.fixture
def _quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merges, "_LOOK_S", 0.001)


@pytest.mark.usefixtures("_quick_looks")
def test_merges_are_charged_until_they_ended() -> None:
    """A merge, then changed parts, then nothing more: CPU of the quiet time is not charged."""
    states = itertools.chain([(0, 1), (1, 1), (1, 1), (0, 2)], itertools.repeat((0, 2)))
    clock = itertools.count()
    found = merges.settle(lambda: next(states), lambda: float(next(clock)), quiet_s=0.05)
    assert found == {"merges_cpu_s": 3.0, "merges_settled": 1.0}


@pytest.mark.usefixtures("_quick_looks")
def test_merges_that_do_not_end_are_said_to() -> None:
    clock = itertools.count()
    found = merges.settle(lambda: (1, 1), lambda: float(next(clock)), quiet_s=0.1, deadline_s=0.05)
    assert found["merges_settled"] == 0.0
    assert found["merges_cpu_s"] > 0
