"""ClickHouse loses its data, or goes back to an older state; Kafka still has the events."""

from __future__ import annotations

import shutil

from tests.faults.registry import scenario
from tests.faults.rig import BY_HAND, Setup, emptied
from tests.faults.run import Run

#: A stack of its own: everything that was ever sent to it must be in the broker's log.
_ONE_LOG = Setup("by hand, one log", workers=0, partitions=2)


@scenario(
    "ClickHouse's data is removed while the workers are stopped; `tagpulse migrate`",
    "all that Kafka still has is counted again",
    setup=_ONE_LOG,
)
def clickhouse_wiped(run: Run) -> None:
    for number in run.rounds():
        worker = run.worker(f"before-{number}")
        run.progress(1_000)
        run.end(worker)
        with run.rig.clickhouse_down() as data:
            emptied(data)
        run.rig.migrate()
        run.injected("ClickHouse wiped")
        run.worker(f"after-{number}")
        run.progress(1_000)


@scenario(
    "ClickHouse's data is put back to a copy made while the workers were stopped",
    "what came after the copy is counted again",
    setup=BY_HAND,
)
def clickhouse_restored(run: Run) -> None:
    backup = run.stack.folder / "backup"
    for number in run.rounds():
        first = run.worker(f"until-the-backup-{number}")
        run.progress(1_000)
        run.end(first)
        with run.rig.clickhouse_down() as data:
            shutil.rmtree(backup, ignore_errors=True)
            shutil.copytree(data, backup, symlinks=True)
        second = run.worker(f"after-the-backup-{number}")
        run.progress(1_000)
        run.end(second)
        with run.rig.clickhouse_down() as data:
            emptied(data)
            shutil.copytree(backup, data, symlinks=True, dirs_exist_ok=True)
        run.injected("ClickHouse restored")
        third = run.worker(f"after-the-restore-{number}")
        run.progress(1_000)
        run.end(third)
    run.worker("last")
