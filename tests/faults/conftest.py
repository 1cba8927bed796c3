"""A stack for one test that will be treated badly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import Stack

StartStack = Callable[..., Stack]
#: Many small deltas, so that a fault at a random moment hits the protocol and not the pause between.
SMALL_DELTAS = {"TAGPULSE_FLUSH_INTERVAL_S": "0.2", "TAGPULSE_MAX_DELTA_ROWS": "2000"}


@pytest.fixture
def start_stack(tmp_path: Path) -> Iterator[StartStack]:
    """Starts a stack with quick restarts and many small deltas: options of the program, then those of Stack."""
    started: list[Stack] = []

    def start(*options: str, workers: int = 1, partitions: int = 4, settings: dict[str, str] | None = None) -> Stack:
        stack = Stack(
            tmp_path / f"stack-{len(started)}",
            workers=workers,
            partitions=partitions,
            settings=SMALL_DELTAS | (settings or {}),
            program=("-m", "tests.e2e.program", *options),
        )
        started.append(stack)
        return stack.start()

    yield start
    for stack in started:
        stack.abandon()
