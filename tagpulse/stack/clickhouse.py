"""The embedded ClickHouse server, as a process."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tagpulse.stack.credentials import Credentials
from tagpulse.stack.logfile import LogFile
from tagpulse.stack.ports import HOST
from tagpulse.stack.server import Server, answers_ok

#: Logins to servers that are not ours.
_FOREIGN = ("TAGPULSE_CLICKHOUSE_", "TAGPULSE_ANALYST_")


class ClickHouse(Server):
    """Serves the data in one directory; started again, the same data on the same port."""

    purpose = "ClickHouse"

    def __init__(
        self,
        log: LogFile,
        *,
        data: Path,
        credentials: Credentials,
        command: Callable[[int, Path], Sequence[str]],
        port: int = 0,
        grace_s: float = 15.0,
        lock: int | None = None,
    ) -> None:
        """`lock`: descriptor of the lock on the data. The process shares it: it may outlive us by a moment."""
        super().__init__("clickhouse", log, port=port, grace_s=grace_s)
        self._data = data
        self._credentials = credentials
        self._command = command
        self._lock = lock

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def argv(self) -> Sequence[str]:
        return self._command(self.port, self._data)

    def env(self) -> Mapping[str, str]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(_FOREIGN)}
        return inherited | {
            "TAGPULSE_CLICKHOUSE_USER": self._credentials.user,
            "TAGPULSE_CLICKHOUSE_PASSWORD": self._credentials.password,
            "TAGPULSE_ANALYST_USER": self._credentials.analyst_user,
            "TAGPULSE_ANALYST_PASSWORD": self._credentials.analyst_password,
        }

    def keep_open(self) -> Sequence[int]:
        return () if self._lock is None else (self._lock,)

    async def serves(self) -> bool:
        return self._announced() and await answers_ok(f"{self.url}/ping", "Ok.")

    def _announced(self) -> bool:
        """Whether this very process has said `{"port": N, "pid": N}`: a stranger may answer on the port."""
        for line in self.log.lines():
            if line.startswith("{"):
                try:
                    said = json.loads(line)
                except ValueError:
                    continue
                if said.get("port") == self.port and said.get("pid") == self.process.pid:
                    return True
        return False
