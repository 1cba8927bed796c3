"""Which brokers a test runs on.

Apache Kafka needs Java and, once, Maven and a network. Where they are absent its tests are skipped, unless
TAGPULSE_REQUIRE_KAFKA=1: then they fail.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path

import pytest

from tagpulse.stack.errors import DownloadError, ToolMissingError
from tagpulse.stack.kafka import jars
from tagpulse.stack.logfile import LogFile

REQUIRE = "TAGPULSE_REQUIRE_KAFKA"
#: Taken out of the environment: whatever a test starts would take it for a setting of tagpulse.
REQUIRED = os.environ.pop(REQUIRE, "") == "1"
#: Three attempts are within the time that one test may take.
_ATTEMPT_S = 80.0

on_both_brokers = pytest.mark.parametrize("broker_kind", ["embedded", "kafka"], indirect=True)


def require_kafka() -> None:
    """Skip, or fail, where Apache Kafka cannot be started. Must run in the main thread."""
    try:
        asyncio.run(_prepare())
    except (ToolMissingError, DownloadError) as error:
        if REQUIRED:
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))


async def _prepare() -> None:
    await jars.require_java()
    with tempfile.TemporaryDirectory() as folder:
        await jars.fetch(LogFile(Path(folder) / "download.log"), print, attempt_s=_ATTEMPT_S)
