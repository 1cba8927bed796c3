"""Fixtures for every test: one embedded ClickHouse a session, a fresh database a test."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from sinks.client import connect
from sinks.migrations import Retention, migrate
from tests.brokers import require_kafka
from tests.faults.reporting import pytest_terminal_summary as pytest_terminal_summary
from tests.faults.scenarios import SCENARIOS

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_numbers = itertools.count()

# A slow moment of the machine is no failure. In CI the same examples are tried each time: what passed there passes.
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")


class _ByFile(LoadScopeScheduling):  # type: ignore[misc]
    """Where several processes share the tests: those that share servers go to one, which starts them once."""

    def _split_scope(self, nodeid: str) -> str:
        path, _, test = nodeid.partition("::")
        if path.startswith("tests/kafka/"):
            return "tests/kafka"
        if path == "tests/faults/test_scenarios.py" and "[" in test:
            # By far the longest file. Its parameters: broker, scenario, repetition. Two processes share a setup.
            broker, _, rest = test.partition("[")[2].partition("-")
            name = rest.rpartition("-")[0]
            return f"{path} {broker} {SCENARIOS[name].setup.name} {[*SCENARIOS].index(name) // 2 % 2}"
        return path


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """For `pytest -n`."""
    return _ByFile(config, log)


@dataclass(frozen=True)
class Server:
    """An embedded ClickHouse that runs for the whole session."""

    url: str
    user: str = "writer"
    password: str = "written"
    analyst_user: str = "analyst"
    analyst_password: str = "analysed"


@pytest.fixture(scope="session")
def kafka() -> None:
    """Apache Kafka can be started here. Downloads it, so that no test's deadline has to wait for that."""
    require_kafka()


@pytest.fixture
def broker_kind(request: pytest.FixtureRequest) -> str:
    """The broker that stacks of this test run on: the embedded one, unless it is marked by `tests.brokers`."""
    kind = str(getattr(request, "param", "embedded"))
    if kind == "kafka":
        request.getfixturevalue("kafka")
    return kind


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("clickhouse")
    server = Server("")
    command = [sys.executable, "-m", "tagpulse.clickhouse", "--port", "0", "--data", str(folder), "--exit-with-parent"]
    env = os.environ | {
        "TAGPULSE_CLICKHOUSE_USER": server.user,
        "TAGPULSE_CLICKHOUSE_PASSWORD": server.password,
        "TAGPULSE_ANALYST_USER": server.analyst_user,
        "TAGPULSE_ANALYST_PASSWORD": server.analyst_password,
    }
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = process.stdout.readline()
        assert ready, f"the embedded ClickHouse did not start: exit code {process.wait()}"
        yield Server(f"http://127.0.0.1:{json.loads(ready)['port']}")
        process.terminate()
        process.wait(30)


@pytest.fixture
def database(clickhouse: Server) -> Iterator[Client]:
    """A migrated database of its own, through the writer's login. It keeps all grains of every year."""
    client = connect(clickhouse.url, clickhouse.user, clickhouse.password)
    name = f"test_{next(_numbers)}"
    migrate(client, name, Retention(minute_days=36_500, hour_days=36_500))
    yield client
    client.command(f"DROP DATABASE {name}")
    client.close()
