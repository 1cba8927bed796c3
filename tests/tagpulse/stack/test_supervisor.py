from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tagpulse.stack.errors import (
    DataDirectoryInUseError,
    PortTakenError,
    ProcessExitedError,
    StackDiedError,
)
from tagpulse.stack.options import Endpoints, EventKind, StackEvent, StackOptions
from tagpulse.stack.ports import HOST
from tagpulse.stack.supervisor import Stack
from tagpulse.stack.topics import create_topics
from tests.tagpulse.stack import fakes
from tests.tagpulse.stack.helpers import DEADLINE_S, alive, eventually, journal, journal_events

OPTIONS = StackOptions(
    clickhouse_command=fakes.clickhouse_command,
    worker_command=fakes.worker_command,
    restart_first_s=0.05,
    start_deadline_s=DEADLINE_S,
)


class Events(list[StackEvent]):
    """Collects what a stack reports."""

    def count(self, kind: EventKind, name: str) -> int:  # type: ignore[override]
        return sum(1 for event in self if (event.kind, event.name) == (kind, name))

    async def until(self, kind: EventKind, name: str, times: int) -> None:
        await eventually(lambda: self.count(kind, name) == times, f"{name}: {kind.value}, {times} times")

    def delays(self, name: str) -> list[str]:
        return [e.detail for e in self if (e.kind, e.name) == (EventKind.RESTARTING, name)]


@pytest.fixture
def events() -> Events:
    return Events()


async def test_starts_in_order_and_ends_in_reverse(journal_path: Path, events: Events) -> None:
    calls: list[str] = []

    async def prepare(endpoints: Endpoints) -> None:
        calls.append(f"prepare {endpoints.clickhouse}")

    async def prepare_broker(endpoints: Endpoints) -> None:
        calls.append(f"prepare_broker {endpoints.kafka}")

    options = replace(OPTIONS, workers=2, prepare=prepare, prepare_broker=prepare_broker)
    async with Stack(options, events.append) as stack:
        path = stack.directory.path
        pids = [server.process.pid for server in stack.servers]
        assert all(alive(pid) for pid in pids)
        assert len(pids) == 4
        assert calls == [f"prepare {stack.endpoints.clickhouse}", f"prepare_broker {stack.endpoints.kafka}"]
        topics = dict.fromkeys(stack.endpoints.topics.values(), 4)
        assert await create_topics(stack.endpoints.kafka, dict.fromkeys(topics, 1)) == topics
        assert {f.name for f in stack.directory.logs.iterdir()} == {
            *("broker.log", "clickhouse.log", "worker-0.log", "worker-1.log")
        }
    assert not any(alive(pid) for pid in pids)
    assert not path.exists()
    noted = journal_events(journal_path)
    assert noted[0] == "clickhouse started"
    assert noted[-2:] == ["clickhouse asked to stop", "clickhouse stopped"]
    stopped = [event.name for event in events if event.kind is EventKind.STOPPED]
    assert sorted(stopped[:2]) == ["worker-0", "worker-1"]
    assert stopped[2:] == ["clickhouse", "broker"]


async def test_the_environment_of_a_worker(journal_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAGPULSE_KAFKA_SASL_PASSWORD", "of a real cluster")
    monkeypatch.setenv("TAGPULSE_FLUSH_INTERVAL_S", "7")
    async with Stack(OPTIONS) as stack:
        at = stack.endpoints
    env = next(entry["env"] for entry in journal(journal_path) if entry["event"] == "worker-0 started")
    assert {name: value for name, value in env.items() if name.startswith("TAGPULSE_")} == {
        "TAGPULSE_KAFKA_BOOTSTRAP_SERVERS": at.kafka,
        "TAGPULSE_CLICKHOUSE_URL": at.clickhouse,
        "TAGPULSE_CLICKHOUSE_USER": at.credentials.user,
        "TAGPULSE_CLICKHOUSE_PASSWORD": at.credentials.password,
        "TAGPULSE_CLICKHOUSE_DATABASE": "tagpulse",
        "TAGPULSE_HEALTH_HOST": HOST,
        "TAGPULSE_HEALTH_PORT": env["TAGPULSE_HEALTH_PORT"],
        "TAGPULSE_WORKER_NAME": "worker-0",
        "TAGPULSE_FLUSH_INTERVAL_S": "7",
    }


@pytest.mark.faults
async def test_a_worker_that_dies_comes_back_with_back_off(journal_path: Path, events: Events) -> None:
    async with Stack(replace(OPTIONS, workers=2), events.append) as stack:
        untouched = stack.workers[1].process.pid
        for times in range(1, 4):
            os.kill(stack.workers[0].process.pid, signal.SIGKILL)
            await events.until(EventKind.READY, "worker-0", 1 + times)
        assert stack.workers[1].process.pid == untouched
    assert events.delays("worker-0") == ["in 0.05 s", "in 0.1 s", "in 0.2 s"]
    died = next(event for event in events if event.kind is EventKind.DIED)
    assert str(died).startswith("worker-0: died, ended by SIGKILL\n{")


@pytest.mark.faults
async def test_back_off_starts_over_after_it_ran_well(journal_path: Path, events: Events) -> None:
    async with Stack(replace(OPTIONS, restart_well_after_s=0), events.append) as stack:
        for times in range(1, 4):
            os.kill(stack.workers[0].process.pid, signal.SIGKILL)
            await events.until(EventKind.READY, "worker-0", 1 + times)
    assert events.delays("worker-0") == ["in 0.05 s"] * 3


@pytest.mark.faults
async def test_clickhouse_comes_back_on_the_same_data_and_port(journal_path: Path, events: Events) -> None:
    async with Stack(OPTIONS, events.append) as stack:
        first, url, argv = stack.clickhouse.process.pid, stack.clickhouse.url, stack.clickhouse.argv()
        worker = stack.workers[0].process.pid
        os.kill(first, signal.SIGKILL)
        await events.until(EventKind.READY, "clickhouse", 2)
        assert stack.clickhouse.process.pid != first
        assert (stack.clickhouse.url, stack.clickhouse.argv()) == (url, argv)
        assert stack.workers[0].process.pid == worker


@pytest.mark.faults
async def test_a_broker_that_dies_begins_a_new_log(journal_path: Path, events: Events) -> None:
    order: list[tuple[str, ...]] = []

    async def prepare_broker(endpoints: Endpoints) -> None:
        order.append(tuple(journal_events(journal_path)))
        if len(order) == 2:
            raise RuntimeError("not this time")

    async with Stack(replace(OPTIONS, prepare_broker=prepare_broker), events.append) as stack:
        port = stack.broker.nodes[0].port
        os.kill(stack.broker.nodes[0].process.pid, signal.SIGKILL)
        await events.until(EventKind.READY, "worker-0", 2)
        assert stack.broker.nodes[0].port == port
        topics = dict.fromkeys(stack.endpoints.topics.values(), 4)
        assert await create_topics(stack.endpoints.kafka, dict.fromkeys(topics, 1)) == topics
    assert events.count(EventKind.LOG_LOST, "broker") == 1
    assert [e.detail for e in events if e.kind is EventKind.FAILED] == ["not this time"]
    assert len(order) == 3, "once per new log, the failed attempt included"
    assert order[-1][-1] == "worker-0 stopped", "no worker meets the new log with offsets of the old one"


@pytest.mark.faults
async def test_a_server_that_cannot_be_brought_back_ends_supervision(
    journal_path: Path, events: Events, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"

    def command(port: int, data: Path) -> Sequence[str]:
        if broken.exists():
            return [sys.executable, "-c", "print('disk full'); raise SystemExit(9)"]
        return fakes.clickhouse_command(port, data)

    options = replace(OPTIONS, clickhouse_command=command, server_restart_attempts=2)
    async with Stack(options, events.append) as stack:
        broken.touch()
        os.kill(stack.clickhouse.process.pid, signal.SIGKILL)
        with pytest.raises(StackDiedError, match=r"clickhouse could not be kept .* 2 attempts(.|\n)*disk full"):
            await asyncio.wait_for(stack.wait(), DEADLINE_S)
    assert events.delays("clickhouse") == ["in 0.05 s", "in 0.1 s"]


async def test_a_worker_that_never_starts_is_an_error_and_leaves_nothing(journal_path: Path, events: Events) -> None:
    def command(index: int) -> tuple[Sequence[str], Mapping[str, str]]:
        return ["sh", "-c", "echo no such setting; exit 2"], {}

    with pytest.raises(ProcessExitedError, match=r"worker-0 ended before it was ready(.|\n)*no such setting"):
        async with Stack(replace(OPTIONS, worker_command=command), events.append):
            pytest.fail("started")
    assert [str(e) for e in events if e.kind is EventKind.STOPPED] == [
        "clickhouse: stopped, exit code 0",
        "broker: stopped, exit code 0",
    ]


async def test_an_error_of_a_hook_is_raised_as_it_is(journal_path: Path, temporary_directory: Path) -> None:
    async def prepare(endpoints: Endpoints) -> None:
        raise LookupError("migration 3 was edited")

    with pytest.raises(LookupError, match="migration 3"):
        async with Stack(replace(OPTIONS, prepare=prepare)):
            pytest.fail("started")
    assert list(temporary_directory.iterdir()) == []


async def test_a_second_stack_on_the_same_data(journal_path: Path, tmp_path: Path) -> None:
    options = replace(OPTIONS, data=tmp_path / "data")
    async with Stack(options) as first:
        with pytest.raises(DataDirectoryInUseError, match="a stack is running on it"):
            async with Stack(options):
                pytest.fail("started")
        assert all(server.running for server in first.servers)
        login = first.endpoints.credentials
    async with Stack(options) as again:
        assert again.endpoints.credentials == login
    assert {entry.name for entry in options.data.iterdir()} == {  # type: ignore[union-attr]
        *("lock", "credentials.json", "clickhouse", "logs")
    }


@pytest.mark.parametrize("option", ["kafka_port", "clickhouse_port"])
async def test_a_requested_port_that_is_taken(journal_path: Path, option: str) -> None:
    with socket.create_server((HOST, 0)) as other:
        port = other.getsockname()[1]
        options = replace(OPTIONS, **{option: port})
        with pytest.raises(PortTakenError, match=f"Port {port} on 127.0.0.1"):
            async with Stack(options):
                pytest.fail("started")
