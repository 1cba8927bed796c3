"""A stack that tests share: everything sent to it, by any of them, must be counted exactly."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.harness import Stack

GROUPS = '{"kindness": ["love", "mentalhealth"]}'


@pytest.fixture(scope="package")
def shared_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("shared"), workers=2, settings={"TAGPULSE_TAG_GROUPS": GROUPS})
    try:
        stack.start()
        yield stack
        stack.stop()
    finally:
        stack.abandon()


@pytest.fixture
def stack(shared_stack: Stack) -> Stack:
    """Two workers, four partitions. Other tests may have sent to it; the ledger knows."""
    return shared_stack
