"""A worker dies at each step of the protocol, in a recovery and in a rebalance too."""

from __future__ import annotations

from collections.abc import Callable

from tests.faults.registry import scenario
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
RECOVERY = ("before-recovery", "recovery-before-insert", "recovery-inserted", "recovery-before-done", "recovery-done")
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
        quick=_step in ("claimed", "inserted"),
    )(killed_at(_step))


@scenario(
    "SIGKILL at each step of the recovery of a claim that a killed worker left open",
    "whoever comes third finishes it",
    quick=True,
)
def killed_in_recovery(run: Run) -> None:
    for _ in run.rounds():
        for step in RECOVERY:
            second = run.rig.plan.add("kill", step)
            while run.rig.plan.taken_by(second) is None:
                # Another worker may find that all is done but the mark: then some steps are not taken.
                run.at("claimed")
                run.progress()
            run.reached(second)


@scenario(
    "SIGKILL while partitions are given back, and while they are taken over",
    "the partitions move once more, and their claims decide",
)
def killed_in_a_rebalance(run: Run) -> None:
    for _ in run.rounds():
        for step in REBALANCE:
            run.progress()
            planned = run.rig.plan.add("kill", step)
            run.stack.workers()[0].terminate()
            run.reached(planned)
