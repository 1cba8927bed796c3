"""What shall happen to a worker at which step: files that tests.faults.planned_worker takes."""

from __future__ import annotations

import itertools
from pathlib import Path


class Plan:
    """A folder of files `NUMBER.ACTION.STEP`; a worker that took one adds its process id."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._numbers = itertools.count(1)

    def add(self, action: str, step: str) -> Path:
        """Have `action` ("kill", "stop") done to the next worker at `step`."""
        path = self.folder / f"{next(self._numbers):05}.{action}.{step}"
        path.touch()
        return path

    def taken_by(self, path: Path) -> int | None:
        """Process id of the worker it happened to, None until then."""
        found = next(self.folder.glob(f"{path.name}.*"), None)
        return None if found is None else int(found.suffix[1:])

    def clear(self) -> None:
        """Drop what was not reached."""
        for path in self.folder.iterdir():
            path.unlink()
