"""The log file of one process: what it wrote since it was last started, and a bound on what is kept."""

from __future__ import annotations

import os
from pathlib import Path

#: A log beyond this is set aside as `NAME.log.1` when its process starts again.
ROTATE_BYTES = 16 * 1024 * 1024

_TAIL_BYTES = 8 * 1024


class LogFile:
    """A process writes to the file directly, so its output is complete even when we die first."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._start = 0

    def begin(self) -> int:
        """Open for a process about to start, which appends. The caller closes the descriptor."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists() and self.path.stat().st_size > ROTATE_BYTES:
            self.path.replace(self.path.with_name(self.path.name + ".1"))
        # Private: a log may name what the process was configured with.
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._start = os.fstat(descriptor).st_size
        return descriptor

    def lines(self) -> list[str]:
        """The complete lines since `begin`, within the first 64 KiB."""
        return self._read(self._start, 64 * 1024).split("\n")[:-1]

    def tail(self, count: int = 20) -> str:
        """The last lines since `begin`."""
        try:
            size = self.path.stat().st_size
        except FileNotFoundError:
            return ""
        start = max(self._start, size - _TAIL_BYTES)
        return "\n".join(self._read(start, _TAIL_BYTES).splitlines()[-count:])

    def _read(self, start: int, limit: int) -> str:
        try:
            with self.path.open("rb") as file:
                file.seek(start)
                return file.read(limit).decode(errors="replace")
        except FileNotFoundError:
            return ""
