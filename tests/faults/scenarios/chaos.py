"""Many kinds of faults in one run, in an order that a seed gives."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from loadtest.faults.processes import frozen
from loadtest.faults.schedule import plan
from loadtest.faults.toxics import DOWN, UP, black_hole, cut, latency, lost_answer
from tests.faults.registry import scenario
from tests.faults.run import Run
from tests.faults.scenarios.clickhouse import INSERT


@contextmanager
def _blow(strike: Callable[[], object]) -> Iterator[None]:
    strike()
    yield


_FAULTS: dict[str, Callable[[Run], AbstractContextManager[object]]] = {
    "SIGKILL of a worker": lambda run: _blow(lambda: run.stack.workers()[0].kill()),
    "SIGKILL of ClickHouse": lambda run: _blow(run.rig.clickhouse_process().kill),
    "SIGSTOP of a worker": lambda run: frozen(run.stack.workers()[-1]),
    "SIGSTOP of ClickHouse": lambda run: frozen(run.rig.clickhouse_process()),
    "Kafka cut off": lambda run: run.kafka.toxic(black_hole(UP), black_hole(DOWN)),
    "ClickHouse cut off": lambda run: run.clickhouse.toxic(black_hole(UP)),
    "lost answers": lambda run: run.clickhouse.toxic(lost_answer(times=5)),
    "cut inserts": lambda run: run.clickhouse.toxic(cut(UP, 1_000, match=INSERT, times=5)),
    "late answers": lambda run: run.clickhouse.toxic(latency(DOWN, 0.2, 0.5)),
    "connections reset": lambda run: _blow(lambda: (run.kafka.reset(), run.clickhouse.reset())),
}


def chaos(faults: int) -> Callable[[Run], None]:
    """So many faults a round, from the run's seed."""

    def body(run: Run) -> None:
        for number in run.rounds():
            run.stack.wait_for(lambda: run.stack.counted() is not None, "ClickHouse answers")
            begin = run.stack.counted() or 0
            for planned in plan(run.seed + number, list(_FAULTS), faults, 8_000, longest_s=5.0, after_records=begin):
                run.counted(planned.at_records)
                with _FAULTS[planned.fault](run):
                    time.sleep(planned.seconds)
                run.injected(planned.fault)

    return body


scenario(
    "faults of ten kinds, at points and for times that a seed gives",
    "counting goes on after each of them",
    name="chaos",
)(chaos(10))
