"""A stack under a program, as a command line runs it: what signals do, and that nothing outlives the program."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tagpulse.stack.errors import StackDiedError
from tagpulse.stack.options import StackOptions
from tagpulse.stack.run import run_stack
from tagpulse.stack.supervisor import Stack
from tests.tagpulse.stack import fakes
from tests.tagpulse.stack.helpers import DEADLINE_S, alive, eventually, journal, journal_events

REPOSITORY = Path(__file__).parents[3]
Start = Callable[..., Awaitable[Process]]


@pytest.fixture
async def start(journal_path: Path) -> AsyncIterator[Start]:
    started: list[Process] = []

    async def start(*arguments: str, **variables: str) -> Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.tagpulse.stack.program", *arguments),
            cwd=REPOSITORY,
            env={**os.environ, **variables},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def ready(process: Process) -> dict[str, Any]:
    assert process.stdout is not None
    line = json.loads(await asyncio.wait_for(process.stdout.readline(), DEADLINE_S))
    assert isinstance(line, dict)
    return line


def all_pids(line: dict[str, Any]) -> list[int]:
    pids = line["pids"]
    return [*pids["brokers"], pids["clickhouse"], *pids["workers"]]


async def test_the_ready_line(start: Start, journal_path: Path) -> None:
    line = await ready(await start())
    pids = line.pop("pids")
    by_event = {entry["event"]: entry for entry in journal(journal_path)}
    server_env = by_event["clickhouse started"]["env"]
    assert line == {
        "kafka": by_event["worker-0 started"]["env"]["TAGPULSE_KAFKA_BOOTSTRAP_SERVERS"],
        "clickhouse": by_event["worker-0 started"]["env"]["TAGPULSE_CLICKHOUSE_URL"],
        "clickhouse_user": server_env["TAGPULSE_CLICKHOUSE_USER"],
        "clickhouse_password": server_env["TAGPULSE_CLICKHOUSE_PASSWORD"],
        "analyst_user": server_env["TAGPULSE_ANALYST_USER"],
        "analyst_password": server_env["TAGPULSE_ANALYST_PASSWORD"],
        "database": "tagpulse",
        "topics": {
            "video_creation": "video-creations",
            "sticker_use": "sticker-uses",
            "video_view": "video-views",
        },
    }
    assert pids["clickhouse"] == by_event["clickhouse started"]["pid"]
    assert pids["workers"] == [by_event[f"worker-{index} started"]["pid"] for index in range(2)]
    assert all(map(alive, pids["brokers"]))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_ends_everything_in_order(
    start: Start, journal_path: Path, temporary_directory: Path, number: signal.Signals
) -> None:
    process = await start()
    line = await ready(process)
    process.send_signal(number)
    output, errors = await asyncio.wait_for(process.communicate(), DEADLINE_S)
    assert (process.returncode, output.decode()) == (0, f"ended by {number.name}\n"), errors.decode()
    assert not any(alive(pid) for pid in all_pids(line))
    noted = journal_events(journal_path)
    assert noted.count("worker-0 stopped") == noted.count("worker-1 stopped") == 1
    assert noted[-2:] == ["clickhouse asked to stop", "clickhouse stopped"]
    assert list(temporary_directory.iterdir()) == []


async def test_a_signal_while_starting(start: Start, journal_path: Path, temporary_directory: Path) -> None:
    process = await start()
    await eventually(lambda: "clickhouse started" in journal_events(journal_path), "ClickHouse is started")
    process.send_signal(signal.SIGTERM)
    await asyncio.wait_for(process.communicate(), DEADLINE_S)
    assert process.returncode == 0
    assert not any(alive(entry["pid"]) for entry in journal(journal_path))
    assert list(temporary_directory.iterdir()) == []


async def test_a_second_signal_ends_it_without_grace(start: Start, journal_path: Path) -> None:
    process = await start(STUBBORN="1")
    line = await ready(process)
    process.send_signal(signal.SIGINT)
    await eventually(lambda: "worker-1 asked to stop" in journal_events(journal_path), "it is stopping")
    process.send_signal(signal.SIGINT)
    # Less than the 40 s of grace that the deaf workers would have had.
    await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0
    assert not any(alive(pid) for pid in all_pids(line))


@pytest.mark.faults
async def test_nothing_survives_a_kill_of_the_program(start: Start, journal_path: Path) -> None:
    process = await start(STUBBORN="1")
    line = await ready(process)
    assert all(alive(pid) for pid in all_pids(line))
    process.kill()
    await process.wait()
    await eventually(lambda: not any(alive(pid) for pid in all_pids(line)), "all are gone")


@pytest.mark.faults
async def test_after_a_kill_the_data_can_be_used_again(start: Start, tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    first = await start(data)
    line = await ready(first)
    second = await start(data)
    _, errors = await asyncio.wait_for(second.communicate(), DEADLINE_S)
    assert second.returncode == 1
    assert f"a stack is running on it (process {first.pid})" in errors.decode()
    first.kill()
    await eventually(lambda: not any(alive(pid) for pid in all_pids(line)), "all are gone")
    again = await ready(await start(data))
    assert again["clickhouse_password"] == line["clickhouse_password"]


OPTIONS = StackOptions(clickhouse_command=fakes.clickhouse_command, worker_command=fakes.worker_command)


def test_the_stack_ends_when_the_body_is_done(journal_path: Path) -> None:
    async def body(stack: Stack) -> None:
        assert all(server.running for server in stack.servers)

    assert run_stack(OPTIONS, body) is None
    assert journal_events(journal_path)[-1] == "clickhouse stopped"


def test_an_error_of_the_body_is_raised_after_the_stack_has_ended(journal_path: Path) -> None:
    async def body(stack: Stack) -> None:
        raise LookupError("no such video")

    with pytest.raises(LookupError, match="no such video"):
        run_stack(OPTIONS, body)
    assert journal_events(journal_path)[-1] == "clickhouse stopped"


def test_a_stack_that_dies_ends_the_body(journal_path: Path) -> None:
    ended: list[str] = []

    async def body(stack: Stack) -> None:
        stack.clickhouse.kill()
        try:
            await asyncio.sleep(1000)
        finally:
            ended.append("body")

    options = StackOptions(
        clickhouse_command=fakes.clickhouse_command,
        worker_command=fakes.worker_command,
        server_restart_attempts=0,
    )
    with pytest.raises(StackDiedError):
        run_stack(options, body)
    assert ended == ["body"]
