"""CPU time by stage, in the thread that spends it; a stage within a stage is taken off the outer one."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from functools import wraps
from typing import Any


class Timers:
    """Wraps functions; `totals` holds ns by stage. Safe for several threads."""

    def __init__(self) -> None:
        self.totals: defaultdict[str, int] = defaultdict(int)
        self.threads: defaultdict[str, set[int]] = defaultdict(set)
        """Stage -> the threads that were in it (identifiers)."""
        self._lock = threading.Lock()
        self._local = threading.local()

    def wrap(self, owner: Any, name: str, stage: str) -> None:
        """Replace the function `name` of a module or class by one that is timed as `stage`."""
        function: Callable[..., Any] = getattr(owner, name)

        @wraps(function)
        def timed(*arguments: Any, **named: Any) -> Any:
            inner = getattr(self._local, "inner", 0)
            self._local.inner = 0
            began = time.thread_time_ns()
            try:
                return function(*arguments, **named)
            finally:
                spent = time.thread_time_ns() - began
                with self._lock:
                    self.totals[stage] += spent - self._local.inner
                    self.threads[stage].add(threading.get_ident())
                self._local.inner = inner + spent

        setattr(owner, name, timed)


def thread_ns(identifier: int) -> int:
    """CPU time that a running thread has spent."""
    return time.clock_gettime_ns(time.pthread_getcpuclockid(identifier))
