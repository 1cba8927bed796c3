"""Memory and CPU of a worker and of ClickHouse."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil


class Meter:
    """Peak memory of a worker, and CPU seconds of it and of ClickHouse, while entered.

    Pages of mapped files are left out: how many of a library's pages are resident is the page cache's affair, and
    differs by tens of MiB between two installations of the same versions.
    """

    def __init__(self, worker: psutil.Process, server: psutil.Process) -> None:
        self._worker, self._server = worker, server
        self.peak = self.server_peak = 0
        self._stop = threading.Event()

    @contextmanager
    def running(self) -> Iterator[Meter]:
        sampler = threading.Thread(target=self._sample, daemon=True)
        began, cpu = time.monotonic(), (_cpu_s(self._worker), _cpu_s(self._server))
        sampler.start()
        try:
            yield self
        finally:
            self._stop.set()
            sampler.join()
        self.seconds = time.monotonic() - began
        self.worker_cpu, self.server_cpu = _cpu_s(self._worker) - cpu[0], _cpu_s(self._server) - cpu[1]

    def tell(self, number: int) -> None:
        print(
            f"\n{number:,} events in {self.seconds:.1f} s ({number / self.seconds:,.0f}/s); worker: "
            f"{self.worker_cpu:.1f} CPU s, peak {self.peak >> 20} MiB; ClickHouse: {self.server_cpu:.1f} CPU s, "
            f"peak {self.server_peak >> 20} MiB"
        )

    def _sample(self) -> None:
        while not self._stop.wait(0.02):
            self.peak = max(self.peak, _own_bytes(self._worker))
            self.server_peak = max(self.server_peak, _own_bytes(self._server))


def _own_bytes(process: psutil.Process) -> int:
    memory = process.memory_info()
    return int(memory.rss - memory.shared)


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
