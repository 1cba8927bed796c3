from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tagpulse.stack.child import EXIT_NOT_FOUND
from tagpulse.stack.errors import ProcessExitedError, ProcessNotReadyError
from tagpulse.stack.logfile import LogFile
from tagpulse.stack.process import ManagedProcess
from tests.tagpulse.stack.helpers import DEADLINE_S, alive, eventually

Make = Callable[..., ManagedProcess]


@pytest.fixture
async def make(log: LogFile) -> AsyncIterator[Make]:
    """Makes processes that run a shell script, and ends them after the test."""
    made: list[ManagedProcess] = []

    def make(script: str, grace_s: float = DEADLINE_S) -> ManagedProcess:
        process = ManagedProcess("it", ["sh", "-c", script], env={"PATH": os.environ["PATH"]}, log=log, grace_s=grace_s)
        made.append(process)
        return process

    yield make
    for process in made:
        process.kill()
        if process.running:
            await process.wait()


async def no() -> bool:
    return False


async def test_output_is_captured_and_its_tail_kept(make: Make, log: LogFile) -> None:
    process = make("for i in $(seq 100); do echo line $i; done; echo oops >&2")
    await process.start()
    assert await process.wait() == 0
    assert log.path.read_text().startswith("line 1\n")
    assert log.tail(2) == "line 100\noops"


async def test_the_tail_is_that_of_the_last_start(make: Make, log: LogFile) -> None:
    for text in ("first", "second"):
        process = make(f"echo {text}")
        await process.start()
        await process.wait()
    assert log.tail() == "second"
    assert log.path.read_text() == "first\nsecond\n"


async def test_the_pid_is_that_of_the_command(make: Make, log: LogFile) -> None:
    process = make("echo $$")
    await process.start()
    await process.wait()
    assert log.tail() == str(process.pid)


async def test_ready_when_the_probe_says_so(make: Make, tmp_path: Path) -> None:
    mark = tmp_path / "ready"

    async def probe() -> bool:
        if not mark.exists():
            raise ConnectionRefusedError
        return True

    process = make(f"touch {mark}; sleep 1000")
    await process.start()
    await process.wait_ready(probe, DEADLINE_S)
    assert process.running
    await process.stop()


async def test_an_exit_before_it_is_ready_shows_its_last_words(make: Make) -> None:
    process = make("echo cannot open the pod bay doors; exit 7")
    await process.start()
    with pytest.raises(ProcessExitedError, match=r"it ended .*exit code 7(.|\n)*pod bay doors"):
        await process.wait_ready(no, DEADLINE_S)


async def test_not_ready_in_time(make: Make) -> None:
    process = make("sleep 1000")
    await process.start()
    with pytest.raises(ProcessNotReadyError, match=r"not ready within 0\.2 s"):
        await process.wait_ready(no, 0.2)


async def test_a_probe_that_hangs_does_not_hide_the_exit(make: Make) -> None:
    async def hang() -> bool:
        await asyncio.sleep(0.5)
        return True

    process = make("exit 0")
    await process.start()
    with pytest.raises(ProcessExitedError):
        await process.wait_ready(hang, DEADLINE_S)


async def test_stop_is_graceful(make: Make, log: LogFile) -> None:
    process = make("trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.05; done")
    await process.start()
    await eventually(lambda: log.tail() == "up", "the script is up")
    assert await process.stop() == 5
    assert log.tail(1) == "bye"


async def test_stop_kills_after_the_grace_period(make: Make, log: LogFile) -> None:
    process = make("trap '' TERM; echo up; while :; do sleep 0.05; done", grace_s=0.2)
    await process.start()
    await eventually(lambda: log.tail() == "up", "the script is up")
    assert await process.stop() == -signal.SIGKILL
    assert process.exit_text() == "ended by SIGKILL"


async def test_stop_takes_what_the_process_has_started_along(make: Make, log: LogFile) -> None:
    process = make("sleep 1000 & echo $!; wait")
    await process.start()
    await eventually(lambda: log.tail(), "the grandchild is up")
    grandchild = int(log.tail())
    await process.stop()
    await eventually(lambda: not alive(grandchild), "the grandchild is gone")


async def test_stop_before_start_and_twice(make: Make) -> None:
    process = make("sleep 1000")
    assert await process.stop() is None
    await process.start()
    assert await process.stop() == await process.stop() == -signal.SIGTERM


async def test_a_missing_command_shows_as_an_exit(log: LogFile) -> None:
    process = ManagedProcess("it", ["/nonexistent"], env={}, log=log, grace_s=1)
    await process.start()
    assert await process.wait() == EXIT_NOT_FOUND
    assert "no such file" in log.tail()


async def test_only_the_main_thread_may_start(make: Make) -> None:
    errors: list[BaseException] = []

    def start() -> None:
        try:
            asyncio.run(make("true").start())
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert "main thread" in str(errors[0])


PARENT = """
import asyncio, os, signal, sys
from pathlib import Path
from tagpulse.stack.logfile import LogFile
from tagpulse.stack.process import ManagedProcess

# A shell starts what it puts into the background with this signal ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

async def main():
    script = "trap '' TERM INT HUP; echo deaf; while :; do sleep 0.05; done"
    log = LogFile(Path(sys.argv[1]))
    process = ManagedProcess("it", ["sh", "-c", script], env=dict(os.environ), log=log, grace_s=1)
    await process.start()
    print(process.pid, flush=True)
    await asyncio.sleep(1000)

asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
async def test_not_even_a_deaf_child_outlives_its_parent(tmp_path: Path, number: signal.Signals) -> None:
    output = tmp_path / "log"
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PARENT, str(output)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())
    await eventually(lambda: output.read_text() == "deaf\n", "the child ignores signals")
    assert alive(child)
    parent.send_signal(number)
    await parent.wait()
    await eventually(lambda: not alive(child), "the child is gone")
