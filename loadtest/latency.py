"""From the moment an event should be sent until it is counted, and until a SELECT shows it, at a steady rate.

An open loop: every event has an intended time, whether or not what came before it is done, and latency runs from
there. A generator that falls behind makes the run void. `counted`: the worker has added the batch with the event to
its counts. `visible`: a SELECT that polls engagement_minute finds the receipt of the delta with the event, which
becomes visible together with its rows.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
from rich.console import Console

from loadtest.crew import Crew, CrewError
from loadtest.document import Document
from loadtest.peers.emitter import EMITTED, GO, READY, Share
from loadtest.peers.job import write_counts
from loadtest.peers.latency_worker import COUNTED
from loadtest.peers.tagpulse_full import counts
from loadtest.peers.truth import HashedTruth
from loadtest.running import environment
from loadtest.sheets import Sheet, milliseconds
from sinks.client import connect
from sinks.delta import RECEIPT
from streams.settings import Settings
from tagpulse.local import local_options
from tagpulse.stack.broker import BrokerKind
from tagpulse.stack.logfile import LogFile
from tagpulse.stack.process import ManagedProcess
from tagpulse.stack.supervisor import Stack

#: Targets of the 99th percentile, seconds; that of `visible` is behind the interval at which a worker writes.
COUNTED_P99_S, VISIBLE_P99_BEHIND_FLUSH_S = 0.050, 0.5
#: Later than this, in the 99th percentile, and the generator has fallen behind.
BEHIND_P99_S = 0.020
_POLL_S, _LOOK_S, _LEAD_S, _SETTLE_S, _GRACE_S = 0.02, 0.05, 0.5, 60.0, 5.0
_PREPARE_S, _PREPARED_PER_S = 120.0, 2_000
_PERCENTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "max": 100.0}

Floats = npt.NDArray[np.float64]
Log = tuple[str, int]
"""Topic, partition."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to measure. `rate`: events per second, over all `producers` (processes)."""

    rate: int = 50_000
    seconds: int = 30
    producers: int = 1
    partitions: int = 4
    seed: int = 1
    broker: BrokerKind = BrokerKind.EMBEDDED
    """The embedded one takes some 500 batches a second; at high rates, producers that wait 10 ms need Apache Kafka."""

    @classmethod
    def quick(cls, **others: object) -> Options:
        """Slow and short: whether all is counted right."""
        return replace(cls(rate=2_000, seconds=3), **others)  # type: ignore[arg-type]


async def measure(options: Options, console: Console | None = None) -> Document:
    """One run with one worker. To be called in the main thread.

    Raises CrewError where worker or producers failed or a count is wrong, StackError where the stack does not start.
    """
    console = console or Console(quiet=True)
    with tempfile.TemporaryDirectory(prefix="tagpulse-bench-") as name:
        folder = Path(name)
        stack_options = local_options(workers=1, partitions=options.partitions, broker=options.broker)
        worker = [sys.executable, "-m", "loadtest.peers.latency_worker", str(folder / COUNTED)]
        extra = {"TAGPULSE_LOG_LEVEL": "WARNING", "TAGPULSE_KAFKA_IDEMPOTENT_PRODUCER": "false"}
        async with Stack(replace(stack_options, worker_command=lambda _: (worker, extra))) as stack:
            crew = Crew(stack)
            await crew.settled()
            shares = [Share.of(options.rate, options.seconds, options.producers, options.partitions, options.seed, i)
                      for i in range(options.producers)]  # fmt: skip
            visible = await _emit(stack, crew, shares, folder, console)
            with console.status("comparing every key with the truth"):
                await _check(stack, shares, folder)
        emitted = [orjson.loads((folder / f"{EMITTED}{i}").read_bytes()) for i in range(options.producers)]
        return {"options": asdict(options) | {"broker": options.broker.value}} | _figures(
            emitted, _counted(folder / COUNTED), visible, options
        )


async def _emit(
    stack: Stack, crew: Crew, shares: Sequence[Share], folder: Path, console: Console
) -> dict[Log, list[tuple[int, float]]]:
    """Let the producers send; what a SELECT showed meanwhile, and when, until it shows everything."""
    processes = []
    for number, share in enumerate(shares):
        argv = [sys.executable, "-m", "loadtest.peers.emitter", stack.endpoints.kafka, str(folder), share.encode()]
        log = LogFile(folder / f"emitter-{number}.log")
        processes.append(
            ManagedProcess(f"emitter-{number}", argv, env=environment(stack), log=log, grace_s=_GRACE_S)
        )  # fmt: skip
    events = sum(share.events for share in shares)
    try:
        for process in processes:
            await process.start()
        with console.status(f"making {events:,} events"):
            ready = [folder / f"{READY}{number}" for number in range(len(shares))]
            await _until_exist(ready, processes, _PREPARE_S + events / _PREPARED_PER_S)
        begin = folder / "begin"
        begin.write_text(repr(time.monotonic() + _LEAD_S))
        begin.rename(folder / GO)  # whole at once
        with console.status(f"sending {events:,} events"):
            poller = asyncio.create_task(asyncio.to_thread(_poll, stack, events, shares[0].seconds + _SETTLE_S))
            done = [folder / f"{EMITTED}{number}" for number in range(len(shares))]
            await _until_exist(done, processes, shares[0].seconds + _SETTLE_S)
            found = await poller
        crew.check()
        return found
    finally:
        for process in processes:
            process.kill()


async def _until_exist(paths: Sequence[Path], processes: Sequence[ManagedProcess], deadline_s: float) -> None:
    deadline = time.monotonic() + deadline_s
    while not all(path.exists() for path in paths):
        for process in processes:
            if not process.running and process.returncode:
                raise CrewError(f"{process.name} ended with {process.exit_text()}\n{process.log.tail()}")
        if time.monotonic() > deadline:
            raise CrewError(f"{', '.join(p.name for p in paths if not p.exists())} not there after {deadline_s:.0f} s")
        await asyncio.sleep(_LOOK_S)


def _poll(stack: Stack, events: int, deadline_s: float) -> dict[Log, list[tuple[int, float]]]:
    """By log: (next offset, moment at which a SELECT had shown the rows before it), as it grew."""
    client, deadline = _client(stack), time.monotonic() + deadline_s
    found: dict[Log, list[tuple[int, float]]] = {}
    while True:
        rows = client.query(
            "SELECT hashtag, max(landed) FROM engagement_minute"
            " WHERE event_type = {receipt:String} AND sticker = '' GROUP BY hashtag",
            parameters={"receipt": RECEIPT},
        ).result_rows
        now = time.monotonic()
        for log, landed in rows:
            topic, _, partition = log.rsplit("/", 2)
            seen = found.setdefault((topic, int(partition)), [])
            if not seen or seen[-1][0] < landed:
                seen.append((int(landed), now))
        shown = sum(seen[-1][0] for seen in found.values())
        if shown >= events:
            return found
        if now > deadline:
            raise CrewError(f"a SELECT shows {shown:,} of {events:,} events after {deadline_s:.0f} s")
        time.sleep(_POLL_S)


def _client(stack: Stack) -> Any:
    at, login = stack.endpoints, stack.endpoints.credentials
    return connect(at.clickhouse, login.user, login.password, at.database)


async def _check(stack: Stack, shares: Sequence[Share], folder: Path) -> None:
    def wrong() -> list[str]:
        truth = HashedTruth()
        for share in shares:
            for event in share.workload().events():
                truth.add(event)
        write_counts(folder / "counts", counts(_client(stack)))
        return truth.differences([folder / "counts"])

    if found := await asyncio.to_thread(wrong):
        raise CrewError(found[0])


def _counted(path: Path) -> dict[Log, list[tuple[int, float]]]:
    found: dict[Log, list[tuple[int, float]]] = {}
    for line in path.read_bytes().splitlines():
        topic, partition, following, at = orjson.loads(line)
        found.setdefault((topic, partition), []).append((following, at))
    return found


def _figures(
    emitted: Sequence[Mapping[str, Any]],
    counted: Mapping[Log, list[tuple[int, float]]],
    visible: Mapping[Log, list[tuple[int, float]]],
    options: Options,
) -> Document:
    batches = [batch for one in emitted for batch in one["batches"]]
    late = np.array([batch["sent"] - batch["due"] for batch in batches])
    flush_s = float(Settings.model_fields["flush_interval_s"].default)
    document: Document = {
        "events": sum(len(batch["intended"]) for batch in batches),
        "late_s": percentiles(late),
        "void": bool(np.percentile(late, 99) > BEHIND_P99_S),
    }
    for name, seen, target in (
        ("counted", counted, COUNTED_P99_S),
        ("visible", visible, flush_s + VISIBLE_P99_BEHIND_FLUSH_S),
    ):
        found = percentiles(latencies(batches, seen))
        document[name] = {"latency_s": found, "target_p99_s": target, "met": found["p99"] < target}
    return document


def latencies(batches: Sequence[Mapping[str, Any]], seen: Mapping[Log, list[tuple[int, float]]]) -> Floats:
    """Seconds from the intended time of each event until it was seen.

    A batch holds `topic`, `partition`, the `offset` of its first event, and the `intended` times. `seen`: by log,
    ascending, (next offset, when all before it had been seen). Raises CrewError where an event never was.
    """
    found = []
    for batch in batches:
        log = (batch["topic"], batch["partition"])
        following = np.array([number for number, _ in seen.get(log, ())], "i8")
        moments = np.array([at for _, at in seen.get(log, ())], "f8")
        offsets = batch["offset"] + np.arange(len(batch["intended"]))
        places = np.searchsorted(following, offsets, side="right")
        if places.size and places[-1] >= len(moments):
            raise CrewError(f"offset {offsets[-1]} of {log[0]}/{log[1]} was not seen: the last was {following[-1:]}")
        found.append(moments[places] - np.array(batch["intended"]))
    return np.concatenate(found) if found else np.empty(0)


def percentiles(values: Floats) -> dict[str, float]:
    """p50, p90, p99 and the greatest, in seconds."""
    return {name: float(np.percentile(values, at)) for name, at in _PERCENTILES.items()}


def sheets(document: Document) -> list[Sheet]:
    """The table of a measurement; a void one has no figures."""
    options, late = document["options"], document["late_s"]
    caption = (
        f"{document['events']:,} events at {options['rate']:,} a second, {options['producers']} producers, one worker, "
        f"{options['partitions']} partitions a topic, broker: "
        f"{options['broker']}; every count compared with the truth. The generator was "
        f"{milliseconds(late['p50'])} late in the median, {milliseconds(late['p99'])} in the 99th percentile."
    )
    if document["void"]:
        return [Sheet("Latency: void, the generator fell behind", ("from the intended time until",), [], caption)]
    rows = [
        [
            what,
            *(milliseconds(document[name]["latency_s"][at]) for at in _PERCENTILES),
            f"{milliseconds(document[name]['target_p99_s'])}, {'met' if document[name]['met'] else 'not met'}",
        ]
        for name, what in (("counted", "counted by the worker"), ("visible", "visible in a SELECT"))
    ]
    return [Sheet("Latency", ("from the intended time until", *_PERCENTILES, "target of p99"), rows, caption)]
