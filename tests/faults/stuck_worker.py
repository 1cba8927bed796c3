"""A worker in which one thing is stuck: `python stuck_worker.py group|fetch|takeover|loop`. For test_watchdog."""

from __future__ import annotations

import sys
import time
from typing import Any

from aiokafka.consumer.fetcher import Fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import GroupAuthorizationFailedError

from sinks.claims import Claims
from streams import transport
from streams.checkpoints import Checkpoints
from streams.settings import Settings
from streams.worker import run


async def refuse_the_group(self: Any, *_: Any) -> None:
    raise GroupAuthorizationFailedError(self.group_id)


def fail_to_fetch(*_: Any) -> None:
    raise AssertionError("a fault in the fetch task")


def answer_late(*_: Any) -> int:
    time.sleep(60)
    return 0


async def hold_the_loop(*_: Any) -> None:
    time.sleep(60)  # noqa: ASYNC251 - that is the fault


def break_one(thing: str) -> None:
    """Have `thing` stand still in this process."""
    match thing:
        case "group":
            GroupCoordinator._do_rejoin_group = refuse_the_group
        case "fetch":
            Fetcher._get_actions_per_node = fail_to_fetch
        case "takeover":
            Claims.incarnation = answer_late  # type: ignore[method-assign, assignment]
            transport.TAKEOVER_DEADLINE_S = 2.0
        case "loop":
            Checkpoints.assign = hold_the_loop  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    break_one(sys.argv.pop())
    run(Settings())
