"""What a worker counts about itself, in Prometheus' text format. Every metric's name stands here, once."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from streams.counters import DeltaCounts
from streams.counting import Outcome


class Metrics:
    """The metrics of one worker, in a registry of their own."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        self._records = Counter("tagpulse_records", "Records read", ["topic"], registry=registry)
        self._slow = Counter(
            "tagpulse_slow_records", "Records that the compiled kernel left to Python", ["topic"], registry=registry
        )
        self._missing = Counter(
            "tagpulse_missing_offsets", "Offsets that the log went past without a record", ["topic"], registry=registry
        )
        self._rejects = Counter("tagpulse_rejects", "Records not counted", ["topic", "reason"], registry=registry)
        self._duplicates = Counter(
            "tagpulse_duplicates", "Records not counted because their event was", ["topic"], registry=registry
        )
        self._dropped = Counter("tagpulse_dropped_tags", "Hashtags dropped", ["topic", "reason"], registry=registry)
        self._deltas = Counter("tagpulse_deltas", "Deltas landed in ClickHouse", registry=registry)
        self._rows = Counter("tagpulse_rows", "Rows landed in ClickHouse", registry=registry)
        self._write = Histogram("tagpulse_write_seconds", "Claim to done of a delta", registry=registry)
        self._pending = Gauge("tagpulse_pending_rows", "Rows counted but not yet being written", registry=registry)
        self._lag = Gauge(
            "tagpulse_lag_records", "Records in the log, not in ClickHouse", ["topic", "partition"], registry=registry
        )

    def counted(self, topic: str, outcome: Outcome) -> None:
        """A batch was counted."""
        self._records.labels(topic).inc(outcome.records)
        self._slow.labels(topic).inc(outcome.slow)
        self._duplicates.labels(topic).inc(outcome.duplicates)
        for reject in outcome.rejects:
            self._rejects.labels(topic, reject.reason.value).inc()
        for reason, number in outcome.dropped_tags.items():
            self._dropped.labels(topic, reason).inc(number)

    def missing(self, topic: str, offsets: int) -> None:
        """The log has no record batch with so many offsets."""
        self._missing.labels(topic).inc(offsets)

    def landed(self, counts: DeltaCounts, seconds: float) -> None:
        """A delta landed, `seconds` after its write began."""
        self._deltas.inc()
        self._rows.inc(len(counts))
        self._write.observe(seconds)

    def pending(self, rows: int) -> None:
        """So many rows wait in memory."""
        self._pending.set(rows)

    def lag(self, lags: dict[tuple[str, int], int]) -> None:
        """Records per partition that are not yet in ClickHouse."""
        self._lag.clear()
        for (topic, partition), records in lags.items():
            self._lag.labels(topic, str(partition)).set(records)

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self._registry)
