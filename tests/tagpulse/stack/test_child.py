from __future__ import annotations

import os
import signal
import subprocess
import sys

from tagpulse.stack import child

COMMAND = [sys.executable, "-I", "-S", child.__file__]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False)


def test_execs_the_command_and_keeps_its_exit_code() -> None:
    done = run(str(os.getpid()), str(int(signal.SIGKILL)), "--", "sh", "-c", "echo here; exit 3")
    assert (done.returncode, done.stdout) == (3, "here\n")


def test_does_not_start_for_a_parent_that_is_gone() -> None:
    done = run(str(os.getpid() + 1), str(int(signal.SIGKILL)), "--", "echo", "here")
    assert (done.returncode, done.stdout) == (child.EXIT_ORPHANED, "")


def test_a_command_that_is_not_there() -> None:
    done = run(str(os.getpid()), "9", "--", "/nonexistent/command")
    assert done.returncode == child.EXIT_NOT_FOUND
    assert "/nonexistent/command: no such file" in done.stderr


def test_a_command_that_cannot_be_executed() -> None:
    assert run(str(os.getpid()), "9", "--", "/").returncode == child.EXIT_NOT_EXECUTABLE


def test_usage() -> None:
    assert run("1", "9", "true").returncode == child.EXIT_USAGE
