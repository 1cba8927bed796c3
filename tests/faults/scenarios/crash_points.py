"""A worker dies at each step of the protocol, in a recovery and in a rebalance too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from loadtest.faults.processes import wait_stopped
from sinks.delta import RECEIPT
from sinks.writer import TARGETS
from tagpulse.stack.broker import BrokerKind
from tests.faults.registry import scenario
from tests.faults.rig import BY_HAND
from tests.faults.run import Run

STEPS = (
    "before-claim",
    "claim-sent",
    "claimed",
    "before-insert",
    "inserted",
    "before-done",
    "done-sent",
    "done",
    "before-commit",
    "committed",
)
RECOVERY = (
    "before-recovery",
    "recovery-before-insert",
    "recovery-inserted",
    "recovery-before-done",
    "recovery-done-sent",
    "recovery-done",
)
REPAIR = ("recovery-before-repair", "recovery-repaired")
REBALANCE = ("release", "released", "take-over", "taken-over")


def killed_at(step: str) -> Callable[[Run], None]:
    """SIGKILL at one step."""

    def body(run: Run) -> None:
        for _ in run.rounds():
            run.progress()
            run.at(step)

    return body


for _step in STEPS:
    scenario(
        f"SIGKILL at the step `{_step}` of a delta",
        "the next owner finishes the delta" if _step in STEPS[1:6] else "the next owner goes on where the claims end",
        name=f"killed-at-{_step}",
    )(killed_at(_step))


@scenario(
    "SIGKILL at each step of the recovery of a claim that a killed worker left open",
    "whoever comes third finishes it",
)
def killed_in_recovery(run: Run) -> None:
    for _ in run.rounds():
        for step in run.some(RECOVERY, 2):
            second = run.rig.plan.add("kill", step)
            while run.rig.plan.taken_by(second) is None:
                # Another worker may find that all is done but the mark: then some steps are not taken.
                run.at("claimed")
                run.progress()
            run.reached(second)


@scenario(
    "SIGKILL while partitions are given back, and while they are taken over",
    "the partitions move once more, and their claims decide",
    short_on=BrokerKind.KAFKA,
)
def killed_in_a_rebalance(run: Run) -> None:
    for _ in run.rounds():
        for step in run.some(REBALANCE, 2):
            run.progress()
            planned = run.rig.plan.add("kill", step)
            run.stack.workers()[0].terminate()
            run.reached(planned)


@scenario(
    "ClickHouse confirms an insert and has lost its rows in one table; SIGKILL at each step of the repair that follows",
    "receipts tell what is missing; whoever comes next brings it, once",
    setup=BY_HAND,
    per_second=0,
)
def killed_in_a_repair(run: Run) -> None:
    views = [record for record in run.records if record.event_type == "video_view"]
    with _unmerged(run):
        for number in run.rounds():
            for table, step in run.some(list(zip(TARGETS, (*REPAIR, REPAIR[0]), strict=True))):
                name = f"{table}-{step}-{number}"
                run.worker(f"dies-{name}")
                claimed = run.rig.plan.add("kill", "claimed")
                # To one partition: what is lost must be of a claim that nobody has found landed yet.
                run.stack.sender.send(views[:500], partition=0)
                run.reached(claimed)
                inserted = run.rig.plan.add("stop", "recovery-inserted")
                run.worker(f"repairs-{name}")
                sleeper = wait_stopped(run.reached(inserted))
                _lose_the_last(run, table)
                planned = run.rig.plan.add("kill", step)
                sleeper.resume()
                assert run.reached(planned) == sleeper.pid
    run.worker("last")


@contextmanager
def _unmerged(run: Run) -> Iterator[None]:
    """While the body runs, each part that comes holds the rows of one insert."""
    for table in TARGETS:
        run.stack.client.command(f"SYSTEM STOP MERGES {table}")
    try:
        yield
    finally:
        for table in TARGETS:
            run.stack.client.command(f"SYSTEM START MERGES {table}")


def _lose_the_last(run: Run, table: str) -> None:
    """Take from `table` what open claims have brought to land, as ClickHouse does where it dies before it writes."""
    open_claims = (
        "SELECT concat(topic, '/', toString(incarnation), '/', toString(partition)), max(next) FROM claims"
        " WHERE first < next GROUP BY topic, incarnation, partition, first HAVING NOT max(done)"
    )
    parts = run.stack.rows(
        f"SELECT DISTINCT _part FROM {table} WHERE event_type = '{RECEIPT}' AND (hashtag, landed) IN ({open_claims})"
    )
    assert parts, "no open claim has landed"
    for (part,) in parts:
        run.stack.client.command(f"ALTER TABLE {table} DROP PART '{part}'")
    run.injected(f"{table} loses its last rows", len(parts))
