"""Drain a backlog with one worker on the embedded stack, check every count, and say what it cost.

CPU seconds are the figure to compare: they hardly depend on what else the machine does. Wall-clock rates do.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psutil
from aiokafka import AIOKafkaProducer
from rich.console import Console
from rich.progress import Progress

from loadtest.events import Event, Workload, encode
from schemas.topics import EventType, topic_for
from sinks.claims import Claims
from sinks.client import connect
from tagpulse.demo.truth import compute
from tagpulse.demo.verdict import Verdict, judge
from tagpulse.local import worker_environment
from tagpulse.stack.supervisor import Stack

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_STALL_S = 120.0


@dataclass(frozen=True)
class Result:
    """Of one run. CPU in seconds, RSS in bytes; `worker_cpu_s` and `clickhouse_cpu_s` cover the same stretch."""

    events: int
    bytes_per_event: float
    keys: int
    deltas: int
    wall_s: float
    worker_cpu_s: float
    clickhouse_cpu_s: float
    worker_peak_rss: int
    correct: bool

    def figures(self) -> dict[str, Any]:
        """What was measured and what follows from it, for JSON."""
        return asdict(self) | {
            "events_per_wall_s": self.events / self.wall_s,
            "events_per_worker_cpu_s": self.events / self.worker_cpu_s,
            "events_per_cpu_s": self.events / (self.worker_cpu_s + self.clickhouse_cpu_s),
        }


async def run(stack: Stack, console: Console, number: int, seed: int) -> tuple[Result, Verdict]:
    """Measure on a stack that has no worker yet."""
    at, login = stack.endpoints, stack.endpoints.credentials
    workload = Workload(seed=seed, until=datetime.now(UTC), minutes=60, tags=60_000, videos=1_000_000)
    console.print(f"making {number:,} events by seed {seed} and putting them into Kafka ...", style="dim")
    events = await asyncio.to_thread(lambda: list(workload.events(number)))
    size = await _produce(at.kafka, events)
    client = await asyncio.to_thread(connect, at.clickhouse, login.user, login.password, at.database)
    clickhouse = psutil.Process(stack.clickhouse.process.pid)
    command = [sys.executable, "-m", "tagpulse", "worker"]
    environment = os.environ | worker_environment(at) | {"TAGPULSE_LOG_LEVEL": "WARNING"}
    with subprocess.Popen(command, env=environment) as process:  # noqa: ASYNC220 - nothing else waits here
        try:
            measured = await _drain(process, clickhouse, client, number, console)
        finally:
            process.terminate()
    console.print("computing the truth and comparing every key ...", style="dim")
    truth = await asyncio.to_thread(compute, events, {}, datetime.now(UTC))
    verdict = await asyncio.to_thread(judge, client, truth)
    deltas = int(client.query("SELECT uniqExact(claim_id) FROM claims WHERE done AND next > first").result_rows[0][0])
    result = Result(number, size / number, len(truth.events["minute"]), deltas, *measured, correct=verdict.passed)
    return result, verdict


async def _produce(kafka: str, events: list[Event]) -> int:
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all", linger_ms=20, max_batch_size=512 * 1024)
    size = 0
    async with producer:
        for event in events:
            value = encode(event)
            size += len(value)
            await producer.send(topic_for(EventType(event["type"])).name, value, key=event["video_id"].encode())
        await producer.flush()
    return size


async def _drain(
    process: subprocess.Popen[bytes], clickhouse: psutil.Process, client: Client, number: int, console: Console
) -> tuple[float, float, float, int]:
    """Wall, worker CPU, ClickHouse CPU (seconds) and peak RSS (bytes), from the first claim to the last."""
    worker = psutil.Process(process.pid)
    counted, peak, moved = 0, 0, time.monotonic()
    begun: tuple[float, float, float] | None = None
    with Progress(console=console) as bar:
        task = bar.add_task("counting", total=number)
        while counted < number:
            await asyncio.sleep(0.05)
            if begun is None and len(client.query("SELECT 1 FROM claims LIMIT 1").result_rows):
                begun = (time.monotonic(), _cpu(worker), _cpu(clickhouse))
            before, counted = counted, await asyncio.to_thread(Claims(client).counted)
            peak = max(peak, worker.memory_info().rss)
            bar.update(task, completed=counted)
            moved = time.monotonic() if counted != before else moved
            if process.poll() is not None or time.monotonic() - moved > _STALL_S:
                raise RuntimeError(f"the worker stopped counting at {counted:,} of {number:,} (exit {process.poll()})")
    assert begun is not None
    return time.monotonic() - begun[0], _cpu(worker) - begun[1], _cpu(clickhouse) - begun[2], peak


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
