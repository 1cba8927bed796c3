"""One run of one contestant: a process of its own, a deadline, its counts compared with the truth."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path

from loadtest.peers.job import COUNTS, Figures, Job
from loadtest.peers.loading import Loaded
from loadtest.peers.report import Outcome
from tagpulse.local import worker_environment
from tagpulse.stack.logfile import LogFile
from tagpulse.stack.options import Endpoints
from tagpulse.stack.process import ManagedProcess
from tagpulse.stack.supervisor import Stack

#: A run that is slower than this, events per second, is given up.
_HOPELESS_PER_S, _HOPELESS_ON_A_PREFIX_PER_S, _START_S = 1_000, 50, 210.0
_GRACE_S = 10.0


async def run(stack: Stack, outcome: Outcome, loaded: Loaded, partitions: int, number: int, quiet_s: float) -> None:
    """Let a contestant run once; its figures, or what was wrong, go to `outcome`.

    `number` tells its runs apart. `quiet_s`: see Job.
    """
    contestant = outcome.contestant
    with tempfile.TemporaryDirectory(prefix="tagpulse-bench-") as folder:
        job = Job(
            kafka=stack.endpoints.kafka,
            topics=loaded.topics,
            partitions=partitions,
            events=loaded.events,
            rows=loaded.truth.rows,
            group=f"{contestant.name}-{number}",
            folder=folder,
            clickhouse_pid=stack.clickhouse.process.pid,
            quiet_s=quiet_s,
        )
        log = LogFile(Path(folder) / "log.txt")
        process = ManagedProcess(
            contestant.name,
            [sys.executable, "-m", contestant.module, job.encode()],
            env=environment(stack),
            log=log,
            grace_s=_GRACE_S,
        )
        slowest = _HOPELESS_PER_S if contestant.prefix == 1 else _HOPELESS_ON_A_PREFIX_PER_S
        deadline_s = _START_S + loaded.events / slowest
        await process.start()
        try:
            async with asyncio.timeout(deadline_s):
                code = await process.wait()
        except TimeoutError:
            outcome.wrong = [f"has not counted all after {deadline_s:.0f} s\n{log.tail()}"]
            return
        finally:
            process.kill()
            await process.wait()
        if code:
            outcome.wrong = [f"ended with {process.exit_text()}\n{log.tail()}"]
            return
        if contestant.counts:
            outcome.wrong = await asyncio.to_thread(loaded.truth.differences, [Path(folder) / COUNTS])
        outcome.runs.append(Figures.read(Path(folder)))


def environment(stack: Stack) -> dict[str, str]:
    """Of a process that belongs to the stack: our own, without settings of ours, and where the servers are."""
    return environment_of(stack.endpoints)


def environment_of(at: Endpoints, *, with_settings: bool = False) -> dict[str, str]:
    """The same for servers at `at`. `with_settings`: with settings of ours, for servers that are not."""
    inherited = {name: value for name, value in os.environ.items() if with_settings or not name.startswith("TAGPULSE_")}
    return inherited | worker_environment(at) | {"TERM": "dumb"}
