"""Queues and failures of a group of workers on one ClickHouse, event by event (discrete-event simulation, simpy).

A log fills at its rate; its worker takes batches from its logs in turn, counts them into one delta a log, and
writes a delta when it is due or full; ClickHouse has so many cores, each busy with one insert or one merge, inserts
first. The rules of flushing, catching up, crashing and giving up are those of docs/protocol.md.

Assumptions: times of service are fixed (no slow disk, no noise); a worker is one core, which writes as well as
counts; a log whose delta is full waits alone (in fact the agent of its topic waits with it); Kafka is never the
bottleneck; a rebalance is eager: all workers stop until the group is complete, so a crash stops everybody until
the session of the dead worker has run out.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import simpy

from loadtest.planner.system import Faults, Freshness, Result, Source, System

Step = Generator[simpy.Event, Any, None]
_INSERT, _MERGE = 0, 1


@dataclass(eq=False)
class _Delta:
    begun: float
    events: float = 0.0
    full: bool = False


@dataclass(eq=False)
class _Log:
    source: Source
    owner: _Worker
    end: float = 0.0
    position: float = 0.0
    tail: float = 0.0
    delta: _Delta | None = None
    writing: _Delta | None = None
    epoch: int = 0
    """Grows when what was counted is dropped: whoever still works on it is ignored."""
    releasing: bool = False
    unseen: deque[tuple[float, float]] = field(default_factory=deque)
    uncounted: deque[tuple[float, float]] = field(default_factory=deque)
    counted: float = 0.0

    @property
    def behind(self) -> float:
        return self.end - self.position


@dataclass(eq=False)
class _Worker:
    logs: deque[_Log] = field(default_factory=deque)
    tasks: deque[tuple[_Log, int, float]] = field(default_factory=deque)
    """Deltas to write: log, epoch, rows."""
    alive: bool = True
    counting: bool = True
    wake: simpy.Event | None = None
    busy_s: float = 0.0


class Simulation:
    """One run. The same system, faults and seed give the same result."""

    def __init__(self, system: System, faults: Faults | None = None, seed: int = 1) -> None:
        self._system, self._faults = system, faults or Faults()
        self._dice = random.Random(seed)  # noqa: S311 - reproducible, not secret
        self._env = simpy.Environment()
        self._cores = simpy.PriorityResource(self._env, max(1, system.clickhouse_cores))
        self._up = self._env.event()
        self._up.succeed()
        self._outages = 0
        self._workers = [_Worker() for _ in range(system.workers)]
        self._logs = [_Log(source, self._workers[0]) for source in system.sources]
        self._fresh: tuple[list[float], list[float]] = ([], [])
        self._fresh_after: tuple[list[float], list[float]] = ([], [])
        self._counted_s = self._counted = 0.0
        self._deltas, self._rows = 0, 0.0
        self._clickhouse_s = self._merges_waiting_s = self._ended = 0.0
        self._waits: list[tuple[float, float]] = []

    def run(self, seconds: float, look_s: float = 0.5) -> Result:
        """Simulate so many seconds, looking at the backlog every `look_s`."""
        env = self._env
        self._assign(self._workers)
        for log in self._logs:
            if log.source.backlog:
                self._arrived(log, log.source.backlog)
            if log.source.rate:
                env.process(self._arrive(log))
        for worker in self._workers:
            env.process(self._work(worker))
        env.process(self._watch(look_s))
        if self._faults.crash:
            env.process(self._crash())
        if self._faults.outage_s:
            env.process(self._outage())
        env.run(until=seconds)
        return self._result(seconds)

    # -- Kafka -----------------------------------------------------------------------------------------------

    def _arrive(self, log: _Log) -> Step:
        chunk, gap = self._system.chunk_events, self._system.chunk_events / log.source.rate
        even = self._system.arrivals == "even"
        if even:  # logs do not fill in step
            yield self._env.timeout(gap * self._dice.random())
        while True:
            yield self._env.timeout(gap if even else self._dice.expovariate(1 / gap))
            self._arrived(log, chunk)

    def _arrived(self, log: _Log, events: float) -> None:
        log.end += events
        log.unseen.append((self._env.now, events))
        log.uncounted.append((self._env.now, events))
        self._poke(log.owner)

    # -- workers ---------------------------------------------------------------------------------------------

    def _work(self, worker: _Worker) -> Step:
        system, env = self._system, self._env
        while True:
            if worker.tasks:
                log, epoch, rows = worker.tasks.popleft()
                if log.epoch == epoch:
                    spent = system.worker_write.of(rows)
                    yield env.timeout(spent)
                    worker.busy_s += spent
                    if log.epoch == epoch:
                        env.process(self._insert(log, epoch, rows))
                continue
            found = self._next(worker)
            if found is None:
                worker.wake = env.event()
                yield worker.wake
                continue
            events, epoch = min(found.behind, system.batch_events), found.epoch
            yield env.timeout(events * system.read_s)
            worker.busy_s += events * system.read_s
            if found.epoch == epoch:
                self._add(found, events)

    def _next(self, worker: _Worker) -> _Log | None:
        if not worker.alive or not worker.counting:
            return None
        for _ in range(len(worker.logs)):
            log = worker.logs[0]
            worker.logs.rotate(-1)
            if log.behind > 0 and not (log.delta and log.delta.full):
                return log
        return None

    def _poke(self, worker: _Worker) -> None:
        if worker.wake is not None and not worker.wake.triggered:
            worker.wake.succeed()

    def _add(self, log: _Log, events: float) -> None:
        if log.delta is None:
            log.delta = _Delta(self._env.now)
            self._env.process(self._due(log, log.delta))
        log.position += events
        log.delta.events += events
        self._note_counted(log)
        if log.source.rows_of(log.delta.events) >= self._system.max_delta_rows:
            log.delta.full = True
            self._flush(log)

    def _note_counted(self, log: _Log) -> None:
        """When each event was counted for the first time."""
        while log.uncounted and log.counted + log.uncounted[0][1] <= log.position:
            arrived, events = log.uncounted.popleft()
            log.counted += events
            self._counted_s += events * (self._env.now - arrived)
            self._counted += events

    def _interval_s(self, log: _Log, delta: _Delta) -> float:
        late = log.behind > delta.events
        return self._system.catchup_flush_interval_s if late else self._system.flush_interval_s

    def _due(self, log: _Log, delta: _Delta) -> Step:
        while log.delta is delta:
            left = delta.begun + self._interval_s(log, delta) - self._env.now
            if left <= 1e-9:
                self._flush(log)
                if log.delta is delta:  # the one before is still being written, and will start this one
                    return
            else:
                yield self._env.timeout(min(left, self._system.flush_interval_s))

    def _flush(self, log: _Log) -> None:
        if log.delta is None or log.writing is not None:
            return
        log.writing, log.delta = log.delta, None
        log.owner.tasks.append((log, log.epoch, log.source.rows_of(log.writing.events)))
        self._poke(log.owner)

    # -- ClickHouse ------------------------------------------------------------------------------------------

    def _insert(self, log: _Log, epoch: int, rows: float) -> Step:
        env, spent, claimed = self._env, self._system.insert.of(rows), self._env.now
        while log.epoch == epoch:
            yield self._up
            if env.now - claimed > self._system.insert_deadline_s:
                env.process(self._give_up(log.owner))
                return
            with self._cores.request(_INSERT) as core:
                yield core
                outages = self._outages
                yield env.timeout(spent)
            if self._outages == outages and self._up.triggered:
                break
        if log.epoch != epoch:
            return
        assert log.writing is not None
        self._clickhouse_s += spent
        self._deltas += 1
        self._rows += rows
        self._landed(log, log.writing.events)
        env.process(self._merge(self._system.merge.of(rows)))

    def _landed(self, log: _Log, events: float) -> None:
        log.writing = None
        log.tail += events
        self._ended = self._env.now
        self._note_visible(log, events)
        delta = log.delta
        due = delta and self._env.now - delta.begun >= self._interval_s(log, delta) - 1e-9
        if delta and (delta.full or due or log.releasing):
            self._flush(log)
        self._poke(log.owner)

    def _note_visible(self, log: _Log, events: float) -> None:
        while events > 0 and log.unseen:
            arrived, chunk = log.unseen.popleft()
            part = min(chunk, events)
            late = self._faulty and self._env.now > self._faults.at_s
            seconds, weights = self._fresh_after if late else self._fresh
            seconds.append(self._env.now - arrived)
            weights.append(part)
            events -= part
            if part < chunk:
                log.unseen.appendleft((arrived, chunk - part))

    @property
    def _faulty(self) -> bool:
        return self._faults.crash or self._faults.outage_s > 0

    def _merge(self, seconds: float) -> Step:
        self._merges_waiting_s += seconds
        with self._cores.request(_MERGE) as core:
            yield core
            yield self._env.timeout(seconds)
        self._merges_waiting_s -= seconds
        self._clickhouse_s += seconds

    # -- failures --------------------------------------------------------------------------------------------

    def _crash(self) -> Step:
        """Worker 0 dies, is started again, and joins: all stop until the dead member's session has run out."""
        system, env = self._system, self._env
        yield env.timeout(self._faults.at_s)
        dead = self._workers[0]
        dead.alive = False
        for log in list(dead.logs):
            self._drop(log)
        first, second = sorted((system.start_s, system.session_timeout_s))
        yield env.timeout(first)
        self._stop()
        if first == system.session_timeout_s and len(self._workers) > 1:
            # Gone before it is back: the others take over, and later share again.
            yield env.timeout(system.takeover_s)
            self._assign(self._workers[1:])
            yield env.timeout(max(0.0, second - first - system.takeover_s))
            self._stop()
        else:
            yield env.timeout(second - first)
        yield env.timeout(system.takeover_s)
        dead.alive = True
        self._assign(self._workers)

    def _outage(self) -> Step:
        yield self._env.timeout(self._faults.at_s)
        self._outages += 1
        self._up = self._env.event()
        yield self._env.timeout(self._faults.outage_s)
        self._up.succeed()

    def _give_up(self, worker: _Worker) -> Step:
        """The deadline of an insert has passed: the worker ends, and counts again what had not landed."""
        if not worker.alive:
            return
        worker.alive = False
        for log in list(worker.logs):
            self._drop(log)
        yield self._env.timeout(self._system.start_s + self._system.takeover_s)
        worker.alive = True
        self._poke(worker)

    def _drop(self, log: _Log) -> None:
        log.epoch += 1
        log.position, log.delta, log.writing = log.tail, None, None

    def _stop(self) -> None:
        for worker in self._workers:
            worker.counting = False
        for log in self._logs:
            log.releasing = True
            self._flush(log)

    def _assign(self, members: Sequence[_Worker]) -> None:
        for worker in self._workers:
            worker.logs.clear()
            worker.counting = True
        for number, log in enumerate(self._logs):
            if log.delta or log.writing:
                self._drop(log)  # not written in time: its next owner counts it again
            log.releasing = False
            log.owner = members[number % len(members)]
            log.owner.logs.append(log)
        for worker in members:
            self._poke(worker)

    # -- what it came to -------------------------------------------------------------------------------------

    def _watch(self, look_s: float) -> Step:
        while True:
            yield self._env.timeout(look_s)
            self._waits.append((self._env.now, sum(log.end - log.tail for log in self._logs)))

    def _result(self, seconds: float) -> Result:
        at = self._faults.at_s if self._faulty else seconds
        normal = max((waits for when, waits in self._waits if when <= at), default=0.0)
        after = [(when, waits) for when, waits in self._waits if when > at]
        peak_at, peak = max(after, key=lambda look: look[1], default=(at, normal))
        back = next((when for when, waits in after if when >= peak_at and waits <= normal), None)
        arrived = sum(log.end for log in self._logs)
        visible = sum(log.tail for log in self._logs)
        cores = max(1, self._system.clickhouse_cores)
        return Result(
            arrived=arrived,
            visible=visible,
            pending=sum(log.position - log.tail for log in self._logs),
            queued=sum(log.behind for log in self._logs),
            deltas=self._deltas,
            rows=self._rows,
            counted_s=self._counted_s / self._counted if self._counted else 0.0,
            fresh=Freshness.of(*self._fresh),
            fresh_after=Freshness.of(*self._fresh_after),
            backlog_normal=normal,
            backlog_peak=max(peak, normal),
            recovered_s=back - at if self._faulty and back is not None else None,
            ended_s=self._ended,
            worker_busy=sum(worker.busy_s for worker in self._workers) / seconds / len(self._workers),
            clickhouse_busy=self._clickhouse_s / seconds / cores,
            merge_backlog_s=self._merges_waiting_s,
        )
