"""A worker that dies at a given arrival at a given step of the protocol, then, started again, at the next.

CRASH_PLAN names a folder of files `NUMBER.STEP.ARRIVAL`; each start takes the first one left.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import faust

from streams.app import create_app
from streams.settings import Settings

EXIT_PLANNED = 99
_TAKEN, _REACHED = ".taken", ".reached"


def main() -> None:
    plan = _take(Path(os.environ["CRASH_PLAN"]))
    arrivals: Counter[str] = Counter()

    def at(step: str) -> None:
        arrivals[step] += 1
        if plan is not None and plan.suffixes[:2] == [f".{step}", f".{arrivals[step]}"]:
            plan.rename(plan.with_name(plan.name.replace(_TAKEN, _REACHED)))
            os._exit(EXIT_PLANNED)

    settings = Settings()
    worker = faust.Worker(create_app(settings, at), loglevel=settings.log_level, quiet=True, console_port=0)
    worker.execute_from_commandline()


def _take(folder: Path) -> Path | None:
    for path in sorted(folder.iterdir()):
        if not path.name.endswith((_TAKEN, _REACHED)):
            try:
                return path.rename(path.with_name(path.name + _TAKEN))
            except FileNotFoundError:  # another worker was faster
                continue
    return None


if __name__ == "__main__":
    main()
