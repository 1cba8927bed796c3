"""Signals and limits for processes: what a machine does to them on a bad day."""

from __future__ import annotations

import contextlib
import resource
import time
from collections.abc import Iterator

import psutil


@contextlib.contextmanager
def frozen(process: psutil.Process) -> Iterator[None]:
    """SIGSTOP, and SIGCONT at the end, if it still lives."""
    process.suspend()
    try:
        yield
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.resume()


@contextlib.contextmanager
def failing_writes(process: psutil.Process, beyond_bytes: int = 0) -> Iterator[None]:
    """Every write past the first `beyond_bytes` of a file fails (EFBIG), as on a disk that is full.

    The process must ignore SIGXFSZ, as Python does.
    """
    before = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (beyond_bytes, before[1]))
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, before)


def wait_stopped(pid: int, deadline_s: float = 30.0) -> psutil.Process:
    """Return the process once it has been stopped by a signal. Raises TimeoutError, psutil.NoSuchProcess."""
    process, end = psutil.Process(pid), time.monotonic() + deadline_s
    while process.status() != psutil.STATUS_STOPPED:
        if time.monotonic() > end:
            raise TimeoutError(f"process {pid} did not stop within {deadline_s:.0f} s")
        time.sleep(0.02)
    return process
