"""Which brokers a test runs on.

Apache Kafka needs Java and, once, Maven and a network. Where they are absent its tests are skipped, unless
TAGPULSE_REQUIRE_KAFKA=1: then they fail.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import tempfile
from pathlib import Path

import pytest

from tagpulse.stack.errors import DownloadError, ToolMissingError
from tagpulse.stack.kafka import jars
from tagpulse.stack.logfile import LogFile

REQUIRE, _REQUIRED = "TAGPULSE_REQUIRE_KAFKA", "TESTS_REQUIRE_KAFKA"
#: Given another name: whatever a test starts would take it for a setting of tagpulse, and the processes that
#: share the tests must find it.
os.environ.setdefault(_REQUIRED, os.environ.pop(REQUIRE, ""))
REQUIRED = os.environ[_REQUIRED] == "1"
#: Three attempts are within the time that one test may take.
_ATTEMPT_S = 80.0

on_both_brokers = pytest.mark.parametrize("broker_kind", ["embedded", "kafka"], indirect=True)


def require_kafka() -> None:
    """Skip, or fail, where Apache Kafka cannot be started. Must run in the main thread."""
    try:
        # One download, and no two Mavens in one repository, whatever other tests do at the same time.
        with (Path(tempfile.gettempdir()) / f"tagpulse-kafka-{os.getuid()}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            asyncio.run(_prepare())
    except (ToolMissingError, DownloadError) as error:
        if REQUIRED:
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))


async def _prepare() -> None:
    await jars.require_java()
    with tempfile.TemporaryDirectory() as folder:
        await jars.fetch(LogFile(Path(folder) / "download.log"), print, attempt_s=_ATTEMPT_S)
