"""A stack that tests share: everything sent to it, by any of them, must be counted exactly."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.harness import Stack

GROUPS = '{"kindness": ["love", "mentalhealth"]}'


class Shared:
    """The stack of the moment. One that a test has failed on may hold anything: the next test gets a new one."""

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        self._folders = folders
        self._stack: Stack | None = None

    def get(self) -> Stack:
        if self._stack is not None and self._stack.suspect:
            self._stack.abandon()
            self._stack = None
        if self._stack is None:
            folder = self._folders.mktemp("shared")
            self._stack = Stack(folder, workers=2, settings={"TAGPULSE_TAG_GROUPS": GROUPS})
            self._stack.start()
        return self._stack

    def end(self) -> None:
        if self._stack is not None:
            try:
                if not self._stack.suspect:
                    self._stack.stop()
            finally:
                self._stack.abandon()


@pytest.fixture(scope="package")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    shared = Shared(tmp_path_factory)
    yield shared
    shared.end()


@pytest.fixture
def stack(shared: Shared) -> Stack:
    """Two workers, four partitions. Other tests may have sent to it; the ledger knows."""
    return shared.get()
