"""A delta that one worker left open is counted again by a worker that is different."""

from __future__ import annotations

import sys
import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import cycle

from loadtest.events import Event, Workload
from loadtest.faults.toxics import UP, Toxic
from streams.settings import Settings
from tests.e2e.ledger import Place, Record, plain_record
from tests.e2e.repeats import REACH, portions
from tests.faults.registry import scenario
from tests.faults.rig import BY_HAND, PLANNED_WORKER, Setup
from tests.faults.run import Run
from tests.faults.scenarios.clickhouse import INSERT
from tests.faults.scenarios.refusals import throwing

_SHIFTED = (sys.executable, "-m", "tests.faults.shifted_worker")


def _one_after_another(run: Run, kinds: Sequence[tuple[str, Sequence[str], Mapping[str, str]]]) -> None:
    """Each kind of worker is killed at a step after its claim; the next kind finishes what it left."""
    for number in run.rounds():
        for name, command, settings in kinds:
            worker = run.worker(f"{name}-{number}", command, settings)
            run.has_counted(f"{name}-{number}", 5)
            assert run.at(("claimed", "before-insert", "inserted")[number % 3]) == worker.pid
            worker.wait()
    name, command, settings = kinds[0]
    run.worker(f"{name}-last", command, settings)


@scenario(
    "a worker with the compiled kernel is killed after its claim, one without recounts, and the reverse",
    "both kernels give the same rows",
    setup=BY_HAND,
)
def another_kernel_recounts(run: Run) -> None:
    _one_after_another(run, [(kernel, PLANNED_WORKER, {"TAGPULSE_KERNEL": kernel}) for kernel in ("numba", "python")])


def records_around_now(seed: int) -> list[Record]:
    """Events of 90 minutes ago to 90 minutes ahead: some of them each clock takes for the future."""
    until = datetime.now(UTC) + timedelta(minutes=90)
    events = Workload(seed=seed, until=until, minutes=180).events(5_000)
    return [replace(plain_record(event), reason="in_future", field="ts") for event in events]


@scenario(
    "workers whose clock is an hour ahead or behind are killed after their claim, and recount for each other; events "
    "lie up to 90 minutes from the right time",
    "the clock of a claim decides what is too far in the future, whoever counts; deadlines go by ClickHouse's alone",
    setup=BY_HAND,
    records=records_around_now,
    per_second=0,
)
def clock_is_wrong(run: Run) -> None:
    with run.stack.sender.flow(run.records, 600):
        _one_after_another(
            run,
            [
                ("ahead", _SHIFTED, {"CLOCK_SHIFT_S": "3600"}),
                ("right", PLANNED_WORKER, {}),
                ("behind", _SHIFTED, {"CLOCK_SHIFT_S": "-3600"}),
            ],
        )
    run.stack.wait_counted()
    claimed = defaultdict(list)
    for *partition, first, next_, clock in run.stack.rows(
        "SELECT topic, partition, first, next, clock FROM claims WHERE done AND first < next"
        " AND incarnation = (SELECT max(incarnation) FROM claims) ORDER BY first"
    ):
        claimed[tuple(partition)].append((first, next_, clock))
    shifts = set()

    def clock_of(place: Place) -> float:
        claims = claimed[place[:2]]
        first, next_, clock = claims[bisect_right(claims, place[2], key=lambda claim: claim[0]) - 1]
        assert first <= place[2] < next_, f"{place} is in no claim"
        shifts.add(round((clock - time.time()) / 3600))
        return float(clock)

    run.stack.ledger.decide(clock_of)
    assert shifts == {-1, 0, 1}, "all three have claimed"


_CAP_ROWS = int(Settings.model_fields["max_delta_rows"].default)
_TAGS = 100
#: A stack of its own: comparing so many keys takes time.
_BIG_DELTAS = Setup(
    "big deltas",
    workers=0,
    partitions=1,
    settings={
        "TAGPULSE_FLUSH_INTERVAL_S": "120",
        "TAGPULSE_CATCHUP_FLUSH_INTERVAL_S": "120",
        "TAGPULSE_KAFKA_SESSION_TIMEOUT_S": "6",
    },
)


def many_rows(seed: int) -> list[Record]:
    """Each event makes a row for itself and one for each of its tags, which no other event has."""
    events = Workload(seed=seed, until=datetime.now(UTC)).events(int(1.02 * _CAP_ROWS / (_TAGS + 1)))
    return [plain_record(_with_own_tags(event, number)) for number, event in enumerate(events)]


def _with_own_tags(event: Event, number: int) -> Event:
    creation = {key: value for key, value in event.items() if key not in ("sticker", "count")}
    return creation | {"type": "video_creation", "hashtags": [f"row {number} {n}" for n in range(_TAGS)]}


@scenario(
    f"a delta of `max_delta_rows` ({_CAP_ROWS:,}) rows fails half-way, its worker is killed, one with the other kernel "
    "recounts it",
    "a delta is one block, whatever the order of its rows: the token drops what was there, the rest lands",
    per_second=0,
    setup=_BIG_DELTAS,
    records=many_rows,
)
def delta_at_its_cap(run: Run) -> None:
    kernels = ("python", "numba") if run.seed % 2 else ("numba", "python")
    run.stack.sender.send(run.records)
    with throwing(run, "ingest_hour"), run.clickhouse.toxic(Toxic(direction=UP, match=INSERT)) as (inserts,):
        worker = run.worker("first", settings={"TAGPULSE_KERNEL": kernels[0]})
        run.met([inserts], 2)
        worker.kill()
        worker.wait()
    run.injected(f"delta of {kernels[0]} at its cap half landed")
    run.worker("second", settings={"TAGPULSE_KERNEL": kernels[1], "TAGPULSE_FLUSH_INTERVAL_S": "0.5"})
    run.stack.wait_counted()
    largest = run.stack.rows("SELECT max(records) FROM claims")[0][0]
    assert largest * (_TAGS + 1) >= _CAP_ROWS, f"the largest delta had {largest * (_TAGS + 1)} rows"


@scenario(
    "events are sent twice, some near, some far apart; workers that leave out duplicates are killed between the two, "
    "around their inserts, and recount for each other with the other kernel",
    "a repeat within `dedup_records` is rejected as `duplicate`, any other is counted",
    per_second=0,
    setup=BY_HAND,
)
def sent_twice(run: Run) -> None:
    steps = run.some(("claimed", "inserted", "before-insert", "before-done"), 2)
    in_turn = [list(portions(run.seed + 1000 * number, len(steps))) for number in range(run.stack.partitions)]
    for step, kernel, *parts in zip(steps, cycle(("numba", "python")), *in_turn, strict=False):
        planned = run.rig.plan.add("kill", step)
        worker = run.worker(f"{kernel}-{step}-{run.seed}", settings=_once_each(kernel))
        for number, part in enumerate(parts):
            run.stack.sender.send(part.firsts, partition=number)
        assert run.reached(planned) == worker.pid
        for number, part in enumerate(parts):
            run.stack.sender.send(part.repeats, partition=number)
    run.worker(f"last-{run.seed}", settings=_once_each("python"))
    run.stack.wait_counted()


def _once_each(kernel: str) -> Mapping[str, str]:
    return {"TAGPULSE_KERNEL": kernel, "TAGPULSE_DEDUP_RECORDS": str(REACH)}
