"""A worker to which something happens at a step of the protocol, as files in a folder say.

FAULT_PLAN names the folder. Whoever reaches STEP first takes a file `NUMBER.ACTION.STEP` (tests.faults.plan), and is
killed or stopped by a signal there. Steps are those of sinks.writer, with `recovery-` before their names in a
recovery, and those that `main` adds.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sinks.claims import Claim, Claims
from streams.app import PulseApp
from streams.checkpoints import Checkpoints
from streams.settings import Settings
from streams.worker import run

SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}
_RECOVERY = "before-recovery"


class Steps:
    """Looks at the plan at every step. Steps of a recovery are told apart by the thread that takes them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._thread = threading.local()

    def at(self, step: str) -> None:
        if step in (_RECOVERY, "before-claim"):
            self._thread.recovers = step == _RECOVERY
        elif getattr(self._thread, "recovers", False):
            step = f"recovery-{step}"
        for path in sorted(self._folder.glob(f"*.{step}")):
            number = SIGNALS[path.name.split(".")[1]]
            try:
                path.rename(path.with_name(f"{path.name}.{os.getpid()}"))
            except FileNotFoundError:  # another worker was faster
                continue
            os.kill(os.getpid(), number)


def announce(owner: type, method: str, before: str, after: str, at: Callable[[str], None]) -> None:
    """Call `at` around a coroutine function of a class."""
    plain = getattr(owner, method)

    async def announced(self: Any, *arguments: Any) -> Any:
        at(before)
        result = await plain(self, *arguments)
        at(after)
        return result

    setattr(owner, method, announced)


def announce_claims(at: Callable[[str], None]) -> None:
    """Call `at` between each row of a claim and its read-back."""
    plain = Claims._insert

    def announced(self: Claims, claim: Claim, guard: str, token: str, **parameters: object) -> None:
        plain(self, claim, guard, token, **parameters)
        if claim.first < claim.next:
            at("done-sent" if claim.done else "claim-sent")

    Claims._insert = announced  # type: ignore[method-assign]


def main() -> None:
    at = Steps(Path(os.environ["FAULT_PLAN"])).at
    announce_claims(at)
    announce(Checkpoints, "assign", "take-over", "taken-over", at)
    announce(Checkpoints, "release", "release", "released", at)
    announce(PulseApp, "_commit", "before-commit", "committed", at)
    run(Settings(), at)


if __name__ == "__main__":
    main()
