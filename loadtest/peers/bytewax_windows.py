"""Bytewax: fan out, tumbling event-time windows of a minute, count by key."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import bytewax.operators as op  # type: ignore[import-not-found, import-untyped, unused-ignore]
import bytewax.operators.windowing as win  # type: ignore[import-not-found, import-untyped, unused-ignore]
import orjson
from bytewax.connectors.kafka import KafkaSource  # type: ignore[import-not-found, import-untyped, unused-ignore]
from bytewax.dataflow import Dataflow  # type: ignore[import-not-found, import-untyped, unused-ignore]
from bytewax.testing import TestingSink, run_main  # type: ignore[import-not-found, import-untyped, unused-ignore]

from loadtest.peers.job import Entry, Key

SEPARATOR = "\x1f"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def main() -> None:
    entry = Entry("bytewax", "confluent-kafka")
    job = entry.job

    def fan_out(record: Any) -> list[tuple[str, datetime]]:
        entry.begin()
        event = orjson.loads(record.value)
        moment = datetime.fromisoformat(event["ts"])
        head = SEPARATOR.join((event["type"], event["country"], event.get("sticker", ""), ""))
        return [(head + tag, moment) for tag in ("", *event["hashtags"])]

    # Partitions are read at their own pace: nothing may be late in the ten minutes there are.
    clock: Any = win.EventClock(ts_getter=lambda row: row[1], wait_for_system_duration=timedelta(hours=1))
    windower = win.TumblingWindower(length=timedelta(minutes=1), align_to=EPOCH)
    counts: list[tuple[str, tuple[int, int]]] = []
    flow = Dataflow("counts")
    source = KafkaSource([job.kafka], list(job.topics), tail=False, batch_size=1000)
    rows = op.flat_map("fan_out", op.input("kafka", flow, source), fan_out)
    counted = win.count_window("count", rows, clock, windower, key=lambda row: row[0])
    op.output("keep", counted.down, TestingSink(counts))
    run_main(flow)  # type: ignore[no-untyped-call, unused-ignore]
    entry.end()
    entry.deliver(keyed(counts))


def keyed(counts: list[tuple[str, tuple[int, int]]]) -> Iterator[tuple[Key, int]]:
    """Windowed counts as the check wants them."""
    for key, (minute, number) in counts:
        kind, country, sticker, tag = key.split(SEPARATOR)
        yield (kind, country, tag, sticker, minute), number


if __name__ == "__main__":
    main()
