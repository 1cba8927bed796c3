"""Who takes part."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """A module of this package that runs as a process. `needs`: modules that may not be installed."""

    name: str
    title: str
    fair: str
    """What it is spared, or has to do beyond the others."""
    needs: tuple[str, ...] = ()
    prefix: int = 1
    """Slow contestants count the first 1/prefix of the events."""
    counts: bool = True
    """Whether there are counts to check."""

    @property
    def module(self) -> str:
        """To be run by `python -m`."""
        return f"{__package__}.{self.name}"

    @property
    def missing(self) -> list[str]:
        """Modules that it needs and that are not installed."""
        return [need for need in self.needs if find_spec(need) is None]


CONTESTANTS: tuple[Contestant, ...] = (
    Contestant(
        name="faust_table",
        title="Faust: windowed Table",
        fair="in memory, not RocksDB; spared a group_by: with several workers its counts would be partial",
        prefix=100,
    ),
    Contestant(
        name="quix_windows",
        title="Quix Streams: windowed count",
        fair="its defaults: RocksDB, changelog, and a repartition topic, as grouping by a new key needs them",
        needs=("quixstreams",),
        prefix=100,
    ),
    Contestant(
        name="bytewax_windows",
        title="Bytewax: windowed count",
        fair="one worker, no recovery store; counts appear when the log ends; costs more per event, the more it counts",
        needs=("bytewax", "confluent_kafka"),
        prefix=100,
    ),
    Contestant(
        name="faust_dict",
        title="Faust: agent with a dict",
        fair="keeps nothing: a crash loses all counts",
        prefix=20,
    ),
    Contestant(
        name="clickhouse_kafka",
        title="ClickHouse: Kafka engine, one table",
        fair="one grain of events in one summing table, no distinct videos; at least once. Its CPU is that of chDB",
    ),
    Contestant(
        name="clickhouse_tables",
        title="ClickHouse: Kafka engine, our tables",
        fair="into the tables and views of tagpulse's migrations, distinct videos included; no claims, receipts or "
        "rejects; at least once. Its CPU is that of chDB",
    ),
    Contestant(
        name="aiokafka_dict",
        title="aiokafka, orjson, a dict",
        fair="keeps nothing: a crash loses all counts",
    ),
    Contestant(
        name="tagpulse_full",
        title="tagpulse: full path",
        fair="exactly once into ClickHouse with distinct videos; validates and normalises",
    ),
    Contestant(
        name="tagpulse_memory",
        title="tagpulse: Faust worker, counts in memory",
        fair="the worker with a writer that keeps rows in memory; validates, normalises, collects video ids",
    ),
    Contestant(
        name="tagpulse_counts",
        title="tagpulse: decode and count only",
        fair="no Kafka: the batches were fetched before the clock began",
    ),
    Contestant(
        name="aiokafka_ceiling",
        title="ceiling: fetch, count nothing",
        fair="aiokafka's own reader yields every record's value, without ConsumerRecords; nothing is decoded",
        counts=False,
    ),
)

#: Runs beside the contestants; its figures are stages in ns per event.
STAGES = Contestant(name="tagpulse_stages", title="tagpulse: stages of the full path", fair="the worker, with timers")


def named(names: tuple[str, ...]) -> tuple[Contestant, ...]:
    """The contestants of those names, all for none. Raises ValueError where a name is none."""
    known = {contestant.name: contestant for contestant in CONTESTANTS}
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"no contestant {', '.join(unknown)}; there are {', '.join(known)}")
    return tuple(known[name] for name in names) if names else CONTESTANTS
