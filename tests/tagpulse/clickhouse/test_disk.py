"""What the engine says when it cannot write."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from loadtest.faults.processes import failing_writes
from sinks.client import connect


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[psutil.Process, str]]:
    """A server of its own, that may break: its process and its URL."""
    module = [sys.executable, "-m", "tagpulse.clickhouse"]
    command = [*module, "--port", "0", "--data", str(tmp_path), "--exit-with-parent"]
    logins = {f"TAGPULSE_{who}_{what}": who for who in ("CLICKHOUSE", "ANALYST") for what in ("USER", "PASSWORD")}
    with subprocess.Popen(command, env=os.environ | logins, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield psutil.Process(process.pid), f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}"
        process.kill()


@pytest.mark.xfail(reason="the engine confirms the insert, and cannot read its part afterwards", raises=DatabaseError)
def test_a_write_that_fails_is_told(server: tuple[psutil.Process, str]) -> None:
    """Where this passes one day, docs/protocol.md (limits) can say so, and the faults get a failing disk."""
    process, url = server
    client = connect(url, "CLICKHOUSE", "CLICKHOUSE")
    client.command("CREATE TABLE t (a UInt64, b String) ENGINE = MergeTree ORDER BY a")
    refused = False
    with failing_writes(process, beyond_bytes=20_000):
        try:
            client.command("INSERT INTO t SELECT number, randomString(100) FROM numbers(1000)")
        except DatabaseError:
            refused = True
    assert client.query("SELECT count(), sum(cityHash64(b)) > 0 FROM t").result_rows == [
        (0, False) if refused else (1000, True)
    ]
