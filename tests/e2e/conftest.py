"""A stack that tests share: everything sent to it, by any of them, must be counted exactly."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.harness import Stack

GROUPS = '{"kindness": ["love", "mentalhealth"]}'


class Shared:
    """The stack of the moment on each broker. After a failure it may hold anything: the next test gets a new one."""

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        self._folders = folders
        self._stacks: dict[str, Stack] = {}

    def get(self, broker: str = "embedded") -> Stack:
        if broker in self._stacks and self._stacks[broker].suspect:
            self._stacks.pop(broker).abandon()
        if broker not in self._stacks:
            folder = self._folders.mktemp("shared")
            stack = Stack(folder, workers=2, settings={"TAGPULSE_TAG_GROUPS": GROUPS}, broker=broker)
            try:
                self._stacks[broker] = stack.start()
            except BaseException:
                stack.abandon()
                raise
        return self._stacks[broker]

    def end(self) -> None:
        try:
            for stack in self._stacks.values():
                if not stack.suspect:
                    stack.stop()
        finally:
            for stack in self._stacks.values():
                stack.abandon()


@pytest.fixture(scope="package")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    shared = Shared(tmp_path_factory)
    yield shared
    shared.end()


@pytest.fixture
def stack(shared: Shared, broker_kind: str) -> Stack:
    """Two workers, four partitions. Other tests may have sent to it; the ledger knows."""
    return shared.get(broker_kind)
