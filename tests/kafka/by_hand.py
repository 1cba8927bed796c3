"""Workers that a test starts and ends itself, beside or instead of those of the stack."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from streams.app import EXIT_FATAL
from tests.e2e.harness import Stack

TAGPULSE = str(Path(sys.executable).parent / "tagpulse")


def start(
    stack: Stack, name: str, command: Sequence[str] = (TAGPULSE, "worker"), **settings: str
) -> subprocess.Popen[bytes]:
    """A worker whose log is `NAME.log` in the stack's folder."""
    with (stack.folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            command,
            cwd=stack.folder,
            env=stack.worker_environment(name, **settings),
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def end(stack: Stack, worker: subprocess.Popen[bytes]) -> None:
    """It must end in order."""
    worker.terminate()
    stack.wait_for(lambda: worker.poll() is not None, "a worker ends on SIGTERM")
    assert worker.returncode == 0, stack.state()


def last_words(stack: Stack, name: str, worker: subprocess.Popen[bytes]) -> str:
    """Why a worker gives up by itself, which it must."""
    stack.wait_for(lambda: worker.poll() is not None, f"{name} gives up")
    log = (stack.folder / f"{name}.log").read_text()
    assert worker.returncode == EXIT_FATAL, log[-4000:]
    return log[log.index("tagpulse worker stops:") :]


def tell(stack: Stack, *arguments: str) -> str:
    """Run a command of tagpulse against the stack; it must succeed."""
    done = subprocess.run(
        [TAGPULSE, *arguments],
        cwd=stack.folder,
        env=stack.worker_environment("operator") | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
