"""A worker that stands still ends, whatever made it so, and says why."""

from __future__ import annotations

import subprocess
import sys

import pytest

from streams.app import EXIT_FATAL
from tests.faults import stuck_worker
from tests.faults.conftest import StartStack

pytestmark = pytest.mark.faults

_DEADLINE_S = 120


def test_a_worker_that_stands_still_ends(start_stack: StartStack) -> None:
    stack = start_stack()
    wanted = {
        "group": "GroupAuthorizationFailedError",
        "fetch": "Fetcher._fetch_requests_routine has ended",
        "takeover": "could not be taken over within 2 s",
        "loop": "its event loop has stood for",
    }
    for fault, message in wanted.items():
        environment = stack.worker_environment(fault, TAGPULSE_WATCHDOG_S="12", TAGPULSE_KAFKA_GROUP=f"stuck-{fault}")
        ended = subprocess.run(
            [sys.executable, str(stuck_worker.__file__), fault],
            env=environment,
            capture_output=True,
            text=True,
            timeout=_DEADLINE_S,
            check=False,
        )
        assert ended.returncode == EXIT_FATAL, f"{fault}: {ended.returncode}\n{ended.stderr[-4000:]}"
        assert message in ended.stderr, f"{fault}: {ended.stderr[-4000:]}"
    stack.stop()
