"""A worker stands still at a step, loses its partitions, and wakes up."""

from __future__ import annotations

from collections.abc import Callable

from loadtest.faults.processes import wait_stopped
from sinks.writer import TARGETS
from tests.faults.registry import scenario
from tests.faults.rig import INSERT_DEADLINE_S
from tests.faults.run import Run

STEPS = ("before-claim", "claimed", "before-insert", "inserted", "before-done")
RECOVERY = ("before-recovery", "recovery-before-insert", "recovery-before-done")


def wakes_up_after(step: str) -> Callable[[Run], None]:
    """SIGSTOP at one step until the others have all partitions and count, then SIGCONT."""

    def body(run: Run) -> None:
        for _ in run.rounds():
            run.all_count()
            sleeper = run.stopped_at(step)
            name = sleeper.environ()["TAGPULSE_WORKER_NAME"]
            run.moved_from(name)
            sleeper.resume()
            run.injected("SIGCONT of a zombie")
            run.progress(1_000)

    return body


for _step in STEPS:
    scenario(
        f"SIGSTOP at the step `{_step}` until the partitions have moved and their new owner counts, then SIGCONT",
        "what the sleeper had in hand is refused or dropped",
        name=f"zombie-at-{_step}",
    )(wakes_up_after(_step))


@scenario(
    "SIGSTOP at each step of the recovery of a claim that a killed worker left open; SIGCONT after another finished it",
    "the rows of both carry the same token; the sleeper drops the partition",
)
def zombie_in_a_recovery(run: Run) -> None:
    for _ in run.rounds():
        for step in run.some(RECOVERY):
            run.all_count()
            planned = run.rig.plan.add("stop", step)
            while run.rig.plan.taken_by(planned) is None:
                # Another worker may find that all is done but the mark: then some steps are not taken.
                run.at("claimed")
                run.soon(lambda p=planned: run.rig.plan.taken_by(p) is not None)  # type: ignore[misc]
            sleeper = wait_stopped(run.reached(planned))
            run.moved_from(sleeper.environ()["TAGPULSE_WORKER_NAME"])
            sleeper.resume()
            run.progress(1_000)


@scenario(
    "SIGSTOP before the insert; SIGCONT after its deadline, when ClickHouse has forgotten the token",
    "ClickHouse refuses its rows, which have expired; the sleeper drops the partition, or ends if none told it so far",
)
def zombie_whose_token_is_forgotten(run: Run) -> None:
    for _ in run.rounds():
        _remember(run, parts=12)
        sleeper = run.stopped_at("before-insert")
        name = sleeper.environ()["TAGPULSE_WORKER_NAME"]
        claimed = run.stack.rows("SELECT max(claimed_at) FROM claims WHERE NOT done")[0][0]
        query = f"SELECT now64(3, 'UTC') > toDateTime64('{claimed:%F %T.%f}', 3, 'UTC') + {INSERT_DEADLINE_S + 1}"
        run.true(query)
        run.progress(1_000)
        before = run.claims_of(name)
        sleeper.resume()
        run.injected("SIGCONT of a zombie")
        # Which comes first, the refusal or the news that the partition has moved, is a race: it ends, or joins again.
        run.has_counted(name, before + 1)
        _remember(run, parts=100_000)


def _remember(run: Run, parts: int) -> None:
    for table in TARGETS:
        run.stack.client.command(f"ALTER TABLE {table} MODIFY SETTING non_replicated_deduplication_window = {parts}")
