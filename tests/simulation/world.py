"""One run: workers, ClickHouse, Kafka and the group, stepped one at a time by a seeded scheduler."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any
from unittest import mock
from uuid import UUID

import sinks.claims
import sinks.writer
import streams.checkpoints
import streams.partition
from sinks.claims import Claims
from tests.simulation.clickhouse import Server
from tests.simulation.client import Client
from tests.simulation.clock import Clock, SimulatedTime
from tests.simulation.faults import Dice, Fault, Plan
from tests.simulation.group import Group
from tests.simulation.invariants import Violation, check, check_claim, finished
from tests.simulation.kafka import TOPIC, Kafka
from tests.simulation.threads import Thread, current
from tests.simulation.variants import REAL, Variant
from tests.simulation.worker import Worker, settings

_MAX_STEPS = 700
#: Sleepers must have woken up, and late requests have been executed, so long before all is compared.
_SETTLED_S = 5.0
#: Records are written so often while there is trouble.
_PORTIONS = 3
_STRIKE_EVERY = 5
#: After its faults have stopped, a run must be finished within this.
_RECOVERY_S = 300.0
#: Last words of a worker that finds the log in disorder, which it never is here. "Was claimed up to" is not among
#: them: a worker whose take-over is overtaken may know an older end of the log. It starts again, and is right then.
_DISORDER = ("the log changed", "must continue at", "is not the one", "a batch begins at", "cannot repeat")


class World:
    """Everything of one run. `plan` and `variant` decide all that happens."""

    def __init__(self, plan: Plan, variant: Variant) -> None:
        self.plan, self.variant = plan, variant
        self.trace: list[str] = []
        self.clock, self.dice, self.kafka = Clock(), Dice(plan), Kafka(plan.partitions, repeats=plan.dedup_records > 0)
        mine = settings()
        # The sizing rule of the deduplication window (docs/protocol.md) without its margin.
        kept_s = 2 * (mine.insert_deadline_s + mine.insert_timeout_s)
        self.server = Server(
            self.clock,
            self.dice,
            kept_s if Fault.FORGET in plan.faults else math.inf,
            mine.insert_timeout_s,
            self.note,
            lambda row: check_claim(self.server.storage, row),
        )
        self.group = Group(
            plan.partitions, self.clock, self.dice,
            mine.kafka_session_timeout_s, mine.kafka_rebalance_timeout_s, self.note,
        )  # fmt: skip
        self.workers: list[Worker] = []
        self._starts: list[float] = []
        """When workers are to be started."""
        self._started = 0

    def note(self, event: str) -> None:
        """Keep an event for the trace."""
        self.trace.append(f"{self.clock.now:8.2f}  {event}")

    # -- the course of a run ---------------------------------------------------------------------------------

    def run(self) -> None:
        """Live through the plan. Raises Violation where a promise was broken."""
        self._append()
        self._start_all()
        self._turmoil()
        if Fault.RESTORE in self.plan.faults:
            self._finish()
            self._stop_all()
            backup = self.server.storage.backup()
            self._start_all()
            self._append()
            self._turmoil()
            self._stop_all()
            self.server.requests.clear()
            self.server.forget()
            self.server.storage.restore(backup)
            backup.close()
            self.note("ClickHouse is restored from its backup")
            self._start_all()
            self._turmoil()
        if Fault.RECREATE in self.plan.faults:
            self._finish()
            self._stop_all()
            self.kafka.recreate()
            self._operator(_start_incarnation)
            self._append()
            self._start_all()
            self._turmoil()
        self._finish()

    def _turmoil(self) -> None:
        self.dice.calm = False
        end = self.clock.now + self.dice.between(3, 25)
        portions = sorted(self.dice.between(self.clock.now, end) for _ in range(_PORTIONS))
        for step in range(_MAX_STEPS):
            if self.clock.now > end:
                break
            if portions and self.clock.now > portions[0]:
                portions.pop(0)
                self._append()
            if step % _STRIKE_EVERY == 0:
                self._strike()
            self._step()

    def _finish(self) -> None:
        self.note("calm")
        self.dice.calm = True
        self.server.back_at = self.clock.now
        for worker in self.workers:
            worker.cut_off_until = self.clock.now
        end = self.clock.now + _RECOVERY_S
        settled_at = math.inf
        while self.clock.now < settled_at + _SETTLED_S:
            if self.clock.now > end:
                raise Violation(f"not finished {_RECOVERY_S:.0f} s after the last fault")
            asleep = any(worker.wakes_at > self.clock.now for worker in self.workers)
            if asleep or self.server.requests or not finished(self.server.storage, self.kafka):
                settled_at = math.inf
            elif settled_at == math.inf:
                settled_at = self.clock.now
            for _ in range(20):
                self._step()
        check(self.server.storage, self.kafka)

    def _append(self) -> None:
        for log in self.kafka.logs:
            log.append(self.plan.records, self.clock, self.dice)

    def _start_all(self) -> None:
        self._starts = [self.clock.now] * self.plan.workers

    def _stop_all(self) -> None:
        for worker in self.workers:
            worker.end()
        self.workers, self._starts = [], []
        self.clock.now += settings().kafka_session_timeout_s + 1
        self.group.poll()

    def _operator(self, work: Callable[[Any], None]) -> None:
        client = Client(self.server, self.dice, settings().insert_timeout_s)
        thread = Thread("operator", lambda: work(client))
        while not thread.ended:
            if thread.runnable(self.clock.now):
                thread.resume()
            else:
                self.server.step(self.server.requests[-1])

    # -- the scheduler ---------------------------------------------------------------------------------------

    def _step(self) -> None:
        now = self.clock.now
        self.group.poll()
        self._replace()
        runnable: list[Callable[[], None]] = []
        for worker in self.workers:
            if now >= worker.wakes_at:
                wakes_at = worker.loop.wakes_at
                if wakes_at is not None and wakes_at <= now:
                    runnable.append(worker.round)
                runnable += [thread.resume for thread in worker.loop.threads if thread.runnable(now)]
        runnable += [partial(self.server.step, r) for r in self.server.requests if r.deliver_at <= now]
        if not runnable:
            self._advance()
        elif self.dice.chance(0.1):
            self.clock.now += self.dice.between(0, 0.3)
        else:
            self.dice.one_of(runnable)()

    def _replace(self) -> None:
        for worker in self.workers:
            worker.loop.threads = [thread for thread in worker.loop.threads if not thread.ended]
            if worker.loop.unexpected:
                raise worker.loop.unexpected
            if not worker.alive:
                if any(words in worker.last_words for words in _DISORDER):
                    raise Violation(f"{worker} found something wrong with an intact log: {worker.last_words}")
                later = 45 if self.dice.strikes(Fault.CRASH, 0.2) else 2
                self._starts.append(self.clock.now + self.dice.between(0.1, later))
        self.workers = [worker for worker in self.workers if worker.alive]
        for at in [at for at in self._starts if at <= self.clock.now]:
            self._starts.remove(at)
            self._started += 1
            strict = self.dice.chance(0.5) and Fault.RULES in self.plan.faults
            client = Client(self.server, self.dice, settings().insert_timeout_s + 2)
            self.workers.append(
                Worker(
                    f"w{self._started}",
                    self.kafka,
                    self.group,
                    client,
                    self.clock,
                    self.dice,
                    self.note,
                    settings(strict, self.plan.dedup_records),
                    self.variant.writer,
                    self.variant.checkpoints,
                )
            )

    def _advance(self) -> None:
        times = [*self._starts, *(request.deliver_at for request in self.server.requests)]
        for worker in self.workers:
            times.append(worker.wakes_at)
            if worker.wakes_at <= self.clock.now:
                times += [
                    at for at in (worker.loop.wakes_at, *(t.wakes_at for t in worker.loop.threads)) if at is not None
                ]
        later = min((at for at in times if at > self.clock.now), default=self.clock.now)
        self.clock.now = max(later, self.clock.now + self.dice.between(0, 0.4))

    def _strike(self) -> None:
        dice = self.dice
        if self.workers and dice.strikes(Fault.CRASH, 0.03):
            worker = dice.one_of(self.workers)
            self.note(f"{worker} is killed")
            worker.end()
        if self.workers and dice.strikes(Fault.PAUSE, 0.03):
            dice.one_of(self.workers).stand_still(dice.between(0.5, 45))
        if dice.strikes(Fault.REBALANCE, 0.02):
            self.note("group: rebalance")
            self.group.rebalance()
        if dice.strikes(Fault.WIPE, 0.05):
            self.kafka.committed.clear()
        if dice.strikes(Fault.AWAY, 0.02):
            self.server.kill(dice.between(0, 8))

    def sleep(self, seconds: float) -> None:
        """time.sleep for a simulated thread."""
        thread = current()
        assert thread is not None
        thread.wait(lambda: False, self.clock.now + seconds)

    def end(self) -> None:
        """Release everything."""
        for worker in self.workers:
            worker.end()
        self.server.storage.close()


def _start_incarnation(client: Any) -> None:
    Claims(client).start_incarnation(TOPIC, "made again")


@contextmanager
def _simulated(world: World) -> Iterator[None]:
    """Put the simulated clock and ids in the place of the real ones, and silence the logs."""
    ids = lambda: UUID(int=world.dice.number(0, 2**128 - 1))  # noqa: E731
    with ExitStack() as stack:
        for module in (sinks.claims, sinks.writer, streams.checkpoints, streams.partition):
            stack.enter_context(mock.patch.object(module, "time", SimulatedTime(world.clock, world.sleep)))
        for module in (streams.checkpoints, streams.partition):
            stack.enter_context(mock.patch.object(module, "uuid4", ids))
        stack.enter_context(world.variant.patch())
        logging.disable(logging.CRITICAL)
        stack.callback(logging.disable, logging.NOTSET)
        stack.callback(world.end)
        yield


def simulate(plan: Plan, variant: Variant = REAL) -> list[str]:
    """Run `plan`. Returns what happened.

    Raises Violation, with the plan and all that happened, where a promise was broken.
    """
    world = World(plan, variant)
    with _simulated(world):
        try:
            world.run()
        except Exception as error:
            error.add_note("\n".join(["", *world.trace, f"repeat it by simulate({plan!r})"]))
            raise
    return world.trace
