"""One run of a scenario: what its body may do, and what came of it."""

from __future__ import annotations

import contextlib
import random
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TypeVar
from zlib import crc32

import psutil

from loadtest.events import Workload
from loadtest.faults.processes import wait_stopped
from loadtest.faults.toxics import Toxic
from tagpulse.stack.broker import BrokerKind
from tests.e2e.harness import Stack
from tests.e2e.ledger import Record, plain_record
from tests.faults.registry import Scenario
from tests.faults.rig import PLANNED_WORKER, Rig

T = TypeVar("T")
#: Name of the runs of test_floods.py in results.
FLOOD = "flood"
_DISTINCT = 5_000
_SOON_S = 10.0


def usual_records(seed: int, number: int = _DISTINCT) -> list[Record]:
    """The usual events of the last two hours."""
    return [plain_record(event) for event in Workload(seed=seed, until=datetime.now(UTC)).events(number)]


@dataclass(frozen=True)
class Result:
    """A run that came to the comparison of every key with the truth."""

    scenario: str
    broker: str
    seed: int
    events: int
    """Records sent while it ran."""
    faults: Mapping[str, int]
    """Fault -> how often it really happened."""
    right: bool
    """Whether every key, every reject and the chain of claims equalled the truth."""
    lost: int
    """Events (rejected ones, too) that the truth has and ClickHouse has not."""
    doubled: int
    """Events that ClickHouse has and the truth has not."""
    seconds: float

    def __str__(self) -> str:
        faults = ", ".join(f"{fault}: {times}" for fault, times in sorted(self.faults.items()))
        run = f"{self.scenario} ({self.broker} broker, seed {self.seed})"
        wrong = "" if self.right else f"; WRONG: {self.lost:,} lost, {self.doubled:,} doubled"
        return f"{run}: {self.events:,} events in {self.seconds:.0f} s; {faults}{wrong}"


class Run:
    """`dice` and `records` come from a seed that the name of the scenario and its repetition give.

    `short`: less of the same, for a test run that has other things to do.
    """

    def __init__(self, scenario: Scenario, repeat: int, rig: Rig, *, short: bool) -> None:
        self.scenario, self.rig, self._short = scenario, rig, short
        self.stack, self.kafka, self.clickhouse = rig.stack, rig.kafka, rig.clickhouse
        self.seed = crc32(scenario.name.encode()) + repeat
        self.dice = random.Random(self.seed)
        self.faults: Counter[str] = Counter()
        self._by_hand: list[subprocess.Popen[bytes]] = []

    # -- for bodies -----------------------------------------------------------------------------------------

    def rounds(self) -> Iterator[int]:
        """Numbers of rounds from 0."""
        yield from range(self.scenario.rounds)

    def some(self, whole: Sequence[T], number: int = 1) -> Sequence[T]:
        """All of `whole`; of a short run so many of them, in order."""
        if not self._short:
            return whole
        return [whole[place] for place in sorted(self.dice.sample(range(len(whole)), number))]

    @cached_property
    def records(self) -> Sequence[Record]:
        return (self.scenario.records or usual_records)(self.seed)

    def injected(self, fault: str, times: int = 1) -> None:
        """Note that a fault really happened."""
        self.faults[fault] += times

    def progress(self, records: int = 1) -> None:
        """Wait until counting goes on."""
        self.stack.wait_for(lambda: self.stack.counted() is not None, "ClickHouse answers")
        self.counted((self.stack.counted() or 0) + records)

    def counted(self, records: int) -> None:
        """Wait until so many records of this stack are counted."""
        self.stack.wait_for(lambda: (self.stack.counted() or 0) >= records, f"{records} records are counted")

    def met(self, toxics: Sequence[Toxic], times: int = 1) -> None:
        """Wait until each of `toxics` was done to so many messages."""
        self.stack.wait_for(lambda: all(toxic.hits >= times for toxic in toxics), f"{times} messages meet each toxic")

    def gone(self, process: psutil.Process) -> None:
        """Wait until `process` has ended."""
        self.stack.wait_for(lambda: not runs(process), f"process {process.pid} has ended")

    def claims_of(self, name: str) -> int:
        """How many claims the worker `name` has finished."""
        query = f"SELECT count() FROM claims WHERE worker = '{name}' AND done AND first < next"
        return int(self.stack.rows(query)[0][0])

    def has_counted(self, name: str, claims: int = 1) -> None:
        """Wait until the worker `name` has finished so many claims."""
        self.stack.wait_for(lambda: self.claims_of(name) >= claims, f"{name} has finished {claims} claims")

    def moment(self, longest_s: float = 0.6) -> None:
        """Let a random moment pass, so that a fault does not always hit the same place."""
        time.sleep(self.dice.uniform(0, longest_s))

    def at(self, step: str, action: str = "kill") -> int:
        """Have `action` done to the next worker at `step`; its process id, once it has happened."""
        return self.reached(self.rig.plan.add(action, step))

    def reached(self, planned: Path) -> int:
        """Process id of the worker to which what was planned has happened."""
        self.stack.wait_for(lambda: self.rig.plan.taken_by(planned) is not None, f"{planned.name} is reached")
        pid = self.rig.plan.taken_by(planned)
        assert pid is not None
        _, action, step = planned.name.split(".")
        self.injected(f"{action} at {step}")
        return pid

    def stopped_at(self, step: str) -> psutil.Process:
        """Stop the next worker at `step`; the process, once it stands still."""
        return wait_stopped(self.at(step, "stop"))

    def worker(
        self, name: str, command: Sequence[str] = PLANNED_WORKER, settings: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a worker by hand. It ends with the run, if not before."""
        process = self.rig.worker(name, command, settings or {})
        self._by_hand.append(process)
        return process

    def end(self, worker: subprocess.Popen[bytes]) -> None:
        """SIGTERM; it must end in order."""
        worker.terminate()
        self.stack.wait_for(lambda: worker.poll() is not None, "a worker ends on SIGTERM")
        assert worker.returncode == 0, f"exit code {worker.returncode}\n{self.stack.state()}"

    def soon(self, condition: Callable[[], object]) -> bool:
        """Wait for `condition`, some seconds at most. Whether it holds."""
        end = time.monotonic() + _SOON_S
        while not (held := bool(condition())) and time.monotonic() < end:
            time.sleep(0.05)
        return held

    def true(self, query: str) -> None:
        """Wait until ClickHouse answers `query` with something that is true."""
        self.stack.wait_for(lambda: self.stack.rows(query)[0][0], query)

    def all_count(self) -> None:
        """Wait until every worker of the supervisor counts in some partition."""
        self.stack.wait_for(lambda: len(self.owners()) == self.rig.setup.workers, "all workers count")

    def moved_from(self, name: str) -> None:
        """Wait until others than the worker `name` count in every partition."""
        self.stack.wait_for(lambda: (found := self.owners()) and name not in found, f"others than {name} count all")

    def owners(self) -> set[str]:
        """Who finished the last claim of each partition, all of them in the last 3 seconds; else nobody."""
        rows = self.stack.rows(
            "SELECT argMax(worker, first), max(claimed_at) > now() - 3 FROM claims"
            " WHERE done AND first < next AND (topic, incarnation) IN"
            " (SELECT topic, max(incarnation) FROM claims GROUP BY topic) GROUP BY topic, partition"
        )
        everywhere = len(rows) == 3 * self.stack.partitions and all(recent for _, recent in rows)
        return {name for name, _ in rows} if everywhere else set()

    # -- for the runner -------------------------------------------------------------------------------------

    def close(self) -> None:
        """End what was started by hand, and forget plans that were not reached."""
        self.rig.plan.clear()
        for worker in self._by_hand:
            with contextlib.suppress(psutil.NoSuchProcess):
                psutil.Process(worker.pid).resume()
            worker.terminate()
        for worker in self._by_hand:
            try:
                worker.wait(60)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()


@contextlib.contextmanager
def compared(
    stack: Stack, scenario: str, broker: BrokerKind, seed: int, note: Callable[[Result], None]
) -> Iterator[Counter[str]]:
    """While the body runs it counts the faults it injects; then every key must equal the truth.

    `note` takes what came of the comparison, whatever it was.
    """
    began, before, faults = time.monotonic(), stack.ledger.sent, Counter[str]()
    yield faults
    assert faults, f"{scenario} injected nothing"
    right = False
    try:
        stack.check()
        right = True
    finally:
        lost, doubled = stack.ledger.lost_and_doubled(stack.client)
        counts = (stack.ledger.sent - before, dict(faults), right, lost, doubled)
        note(Result(scenario, broker.value, seed, *counts, time.monotonic() - began))


def execute(scenario: Scenario, repeat: int, rig: Rig, note: Callable[[Result], None], *, short: bool) -> None:
    """Run `scenario` on `rig`; then every key must equal the truth. `note` takes what came of the comparison."""
    run, rate = Run(scenario, repeat, rig, short=short), scenario.per_second
    flow = rig.stack.sender.flow(run.records, rate) if rate else contextlib.nullcontext()
    try:
        with compared(rig.stack, scenario.name, rig.broker, run.seed, note) as run.faults, flow:
            scenario.body(run)
    finally:
        run.close()


def runs(process: psutil.Process) -> bool:
    """Whether `process` has not ended yet."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
