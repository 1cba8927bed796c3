"""A calibration for people: the coefficients, and the runs that they were made from."""

from __future__ import annotations

from loadtest.document import Document
from loadtest.planner.coefficients import of
from loadtest.sheets import Sheet


def sheets(document: Document) -> list[Sheet]:
    """Costs, and runs."""
    found = of(document)
    worker, clickhouse, stored, tail = found.worker, found.clickhouse, found.stored, found.tail
    rows = [
        ["worker's CPU for an event", _micro(worker.event)],
        ["- for a byte of it", f"{worker.byte * 1e9:.2f} ns"],
        ["- for each count that it adds to", _micro(worker.update)],
        ["- for a row written", _micro(worker.row)],
        ["- for a delta", _milli(worker.delta)],
        ["ClickHouse's CPU for a row, merges included", _micro(clickhouse.row)],
        ["- for a delta", _milli(clickhouse.delta)],
        ["- share of merges after the last row", f"{found.merging:.0%}"],
        ["from claim to done, for a row", _micro(found.write.row)],
        ["- for a delta", _milli(found.write.delta)],
        ["stored for a row of minutes, hours, days", " ".join(
            f"{size:.1f}" for size in (stored.minute_row, stored.hour_row, stored.day_row)
        ) + " B"],
        ["- for a distinct video of a sticker's row", f"{stored.video_id:.1f} B"],
        ["- for a delta in claims", f"{stored.claim:,.0f} B"],
        ["Kafka's bytes beside a record's value", f"{found.kafka_overhead:.1f} B"],
        ["to read the end of a chain of claims", _milli(found.recovery.claim_read_s)],
        ["a worker's start until it holds partitions", f"{found.recovery.start_s:.1f} s"],
        ["most memory of a worker", f"{found.recovery.worker_bytes / 1e6:,.0f} MB"],
        ["hashtags: exponent, offset, affinity", f"{tail.exponent:.2f}, {tail.offset:.1f}, {tail.affinity:.2f}"],
        ["- error on the sample; of all of it, foretold by half", f"{tail.error:.1%}; {tail.holdout_error:+.1%}"],
        ["greatest error of the fit of CPU in any run", f"{found.residual:.0%}"],
    ]  # fmt: skip
    options = document["options"]
    caption = (
        f"{options['partitions']} partitions a topic, one worker, {options['runs']} run(s) of each, seed "
        f"{options['seed']}; every count compared with the truth."
    )
    if busy := sum(not run["merges_settled"] for run in document["runs"]):
        caption += f" In {busy} of them merges had not ended after two minutes: ClickHouse's CPU is too low there."
    runs = [
        [
            run["name"],
            f"{run['events']:,}",
            f"{run['value_bytes'] / run['events']:,.0f}",
            f"{run['rows']:,}",
            f"{run['deltas']:,}",
            f"{run['worker_cpu_s'] / run['events'] * 1e6:.2f}",
            f"{run['clickhouse_s'] / run['events'] * 1e6:.2f}",
        ]
        for run in document["runs"]
    ]
    headings = ("run", "events", "bytes each", "rows", "deltas", "worker, µs CPU an event", "ClickHouse, µs")
    return [
        Sheet("Coefficients", ("", "measured"), rows, caption),
        Sheet("The runs they come from", headings, runs),
    ]


def _micro(seconds: float) -> str:
    return f"{seconds * 1e6:.2f} µs"


def _milli(seconds: float) -> str:
    return f"{seconds * 1e3:.2f} ms"
