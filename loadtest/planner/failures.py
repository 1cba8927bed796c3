"""What one failure at the peak costs, in closed form: how long nothing moves, what is done again, and until when."""

from __future__ import annotations

import math
from dataclasses import dataclass

from loadtest.planner.coefficients import Coefficients
from loadtest.planner.demand import Demand
from loadtest.planner.load import Load
from sinks.writer import WriterSettings

#: Threads of a worker that read claims when partitions are taken over.
_TAKEOVER_THREADS = 8
#: Reads for each partition: which life of the topic is in force, and where its chain ends.
_TAKEOVER_READS = 2


@dataclass(frozen=True, kw_only=True)
class Failure:
    """What one failure at the peak costs. Seconds; events."""

    name: str
    pause_s: float
    """Nothing is counted, or nothing lands."""
    claims_s: float
    """To read claims, at the takeover; part of the pause."""
    recount_s: float
    """To count again what had not landed."""
    backlog: float
    """Events that wait when it goes on."""
    drain_s: float
    """Until they are counted while others arrive; infinite where capacity does not do."""

    @property
    def whole_s(self) -> float:
        """From the failure until counts are as fresh as before."""
        return self.pause_s + self.recount_s + self.drain_s


def failures(
    demand: Demand, coefficients: Coefficients, peak: Load, catching_up: Load,
    *, logs_per_worker: float, workers: int, servers: int,
) -> list[Failure]:  # fmt: skip
    """A worker's death, and ClickHouse away, both at the peak."""
    claims_s = takeover_s(coefficients, logs_per_worker)
    # Two deltas of each log are in hand at most: one counted, one being written.
    pending = 2 * peak.events / peak.deltas * logs_per_worker
    reading = coefficients.reading_s(demand.event_bytes, demand.updates)
    recount_s = pending * reading + coefficients.writing_s(pending * peak.rows_per_event, 0)
    deadline_s = WriterSettings().insert_deadline_s
    most = _most_events(demand, catching_up, workers, servers)
    found = [_failure("a worker dies", demand, demand.session_timeout_s + claims_s, claims_s, recount_s, most)]
    if outage_s := demand.outage_s:
        name, again = f"ClickHouse is away for {outage_s:,.0f} s", (0.0, 0.0, 0.0)
        if outage_s > deadline_s:  # inserts have been given up: workers start again, and count again
            again = coefficients.recovery.start_s + claims_s, claims_s, recount_s
        found.append(_failure(name, demand, outage_s + again[0], again[1], again[2], most))
    return found


def _most_events(demand: Demand, load: Load, workers: int, servers: int) -> float:
    """Events per second at full speed, with the deltas of `load`."""
    return load.events / max(
        load.worker_cores / workers,
        load.clickhouse_cores / (servers * demand.clickhouse_cores),
        load.writer_busy,
    )


def _failure(
    name: str, demand: Demand, pause_s: float, claims_s: float, recount_s: float, most: float
) -> Failure:  # fmt: skip
    backlog = demand.peak * (pause_s + recount_s)
    spare = most - demand.peak
    return Failure(
        name=name,
        pause_s=pause_s,
        claims_s=claims_s,
        recount_s=recount_s,
        backlog=backlog,
        drain_s=backlog / spare if spare > 0 else math.inf,
    )


def takeover_s(coefficients: Coefficients, logs_per_worker: float) -> float:
    """Seconds to read the claims of a worker's partitions."""
    return _TAKEOVER_READS * math.ceil(logs_per_worker / _TAKEOVER_THREADS) * coefficients.recovery.claim_read_s
