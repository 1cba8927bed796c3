"""Workers that die, come and go."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.faults.registry import scenario
from tests.faults.rig import BY_HAND
from tests.faults.run import Run

_FAUST = Path(sys.executable).parent / "faust"
_TAGPULSE = Path(sys.executable).parent / "tagpulse"
#: A slow moment of the machine is no reason to end otherwise than in order.
_PATIENT = {"TAGPULSE_INSERT_TIMEOUT_S": "30", "TAGPULSE_INSERT_DEADLINE_S": "120"}


@scenario("SIGKILL of one worker of two at a random moment", "the next owner goes on where the claims end", rounds=2)
def worker_killed(run: Run) -> None:
    for _ in run.rounds():
        run.progress()
        run.moment()
        run.stack.workers()[0].kill()
        run.injected("SIGKILL of a worker")


@scenario("SIGKILL of all workers at once", "the workers that come after them finish every open claim", rounds=2)
def all_workers_killed(run: Run) -> None:
    for _ in run.rounds():
        run.progress()
        run.moment()
        for worker in run.stack.workers():
            worker.kill()
        run.injected("SIGKILL of all workers")


@scenario("SIGTERM of one worker of two, in the middle of its work", "it writes what it has, or leaves it to the other")
def worker_stopped_in_order(run: Run) -> None:
    for _ in run.rounds():
        run.progress()
        run.moment()
        worker = run.stack.workers()[0]
        worker.terminate()
        run.gone(worker)
        run.injected("SIGTERM of a worker")
    run.progress(1_000)


@scenario(
    "SIGTERM of the only worker while no broker can be reached",
    "it ends with exit code 0; its successor goes on",
    setup=BY_HAND,
)
def worker_stopped_without_a_broker(run: Run) -> None:
    worker = run.worker("without-a-broker", settings=_PATIENT)
    run.has_counted("without-a-broker")
    with run.kafka.refusing():
        run.moment()
        run.end(worker)
    run.injected("SIGTERM without a broker")
    run.worker("with-a-broker")
    run.has_counted("with-a-broker")


@scenario(
    "workers join and leave under load: 1, 2, 3, and 1 again",
    "each counts; those that leave end with exit code 0; the first goes on alone",
    setup=BY_HAND,
)
def workers_come_and_go(run: Run) -> None:
    kept: subprocess.Popen[bytes] | None = None
    for number in run.rounds():
        names = [f"comes-{number}-{n}" for n in range(3)]
        commands = [
            [str(_TAGPULSE), "worker"],
            [str(_FAUST), "-A", "streams.app", "worker", "-l", "info"],
            [str(_TAGPULSE), "worker"],
        ]
        workers = []
        for name, command in list(zip(names, commands, strict=True))[1 if kept else 0 :]:
            workers.append(run.worker(name, command, _PATIENT))
            run.has_counted(name)
            run.injected("worker joins")
        for worker in workers[1:] if kept is None else workers:
            run.end(worker)
            run.injected("worker leaves")
        kept = kept or workers[0]
        run.progress(3_000)
        assert kept.poll() is None


@scenario(
    "SIGKILL of the only worker after all is counted; more events follow",
    "its successor finds the end of the log where the claims say it is",
    per_second=0,
    setup=BY_HAND,
)
def worker_replaced_when_idle(run: Run) -> None:
    for number in run.rounds():
        worker = run.worker(f"idle-{number}")
        run.stack.sender.send(run.records)
        run.stack.wait_counted()
        worker.kill()
        worker.wait()
        run.injected("SIGKILL of a worker")
    run.worker("idle-last")
    run.stack.sender.send(run.records)
