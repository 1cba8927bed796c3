"""Records that nobody would want: all of them bad, or each with tags that nobody used before."""

from __future__ import annotations

from datetime import UTC, datetime

import psutil

from loadtest.events import Event, Workload
from tests.e2e.ledger import Record, plain_record
from tests.faults.meter import Meter
from tests.faults.registry import scenario
from tests.faults.rig import BY_HAND
from tests.faults.run import Run

_MOST_BYTES = 280 * 1024 * 1024
_FLOOD = 6_000
_NARROW = {"TAGPULSE_MAX_DELTA_ROWS": "5000", "TAGPULSE_MAX_PENDING_ROWS": "60000"}


def bad_records(seed: int) -> list[Record]:
    """None of them can be counted."""
    kinds = ("video_creation", "sticker_use", "video_view")
    bad = (b"{", "not_json", ""), (b"\xff\xfe", "not_utf8", ""), (b"{}", "missing", "ts"), (b"[]", "not_object", "")
    return [
        Record(kinds[number % 3], value, None, reason, field)
        for number in range(3_000)
        for value, reason, field in [bad[(seed + number // 3) % len(bad)]]
    ]


@scenario(
    "every record is bad; workers are killed before and after such inserts",
    "each stands in `rejected_events` with reason, bytes and checksum",
    records=bad_records,
)
def poison_flood(run: Run) -> None:
    for _ in run.rounds():
        for step in ("before-insert", "inserted"):
            run.progress()
            run.at(step)
        run.progress(1_000)


def new_tags(seed: int) -> list[Record]:
    """30 tags an event that no other event has."""
    events = Workload(seed=seed, until=datetime.now(UTC)).events(_FLOOD)
    return [plain_record(_with_new_tags(event, number)) for number, event in enumerate(events)]


def _with_new_tags(event: Event, number: int) -> Event:
    return event | {"hashtags": [f"only once {number} {n}" for n in range(30)]}


@scenario(
    "a backlog of events, each with 30 tags that nobody used before",
    "deltas are cut by their rows, memory stays bounded, no tag is dropped",
    per_second=0,
    setup=BY_HAND,
    records=new_tags,
)
def tag_flood(run: Run) -> None:
    run.stack.sender.send(run.records)
    name = f"flooded-{run.seed}"
    worker = run.worker(name, settings=_NARROW)
    meter = Meter(psutil.Process(worker.pid), run.rig.clickhouse_process())
    with meter.running():
        run.stack.wait_counted()
    run.injected("flood of new tags")
    assert 0 < meter.peak < _MOST_BYTES, f"memory rose to {meter.peak >> 20} MiB"
    query = f"SELECT max(records) FROM claims WHERE worker = '{name}'"
    assert run.stack.rows(query)[0][0] < _FLOOD / 3, "deltas are cut by their rows"


def large_records(seed: int) -> list[Record]:
    """Of each four: a usual one; 250 kB that count; 1 MB that would count but for its size; 1 MB that is no JSON."""
    usual = [plain_record(event) for event in Workload(seed=seed, until=datetime.now(UTC)).events(60)]
    found: list[Record] = []
    for record in usual:
        assert record.value is not None
        filled = [record.value[:-1] + b',"filling":"' + b"x" * size + b'"}' for size in (250_000, 1_000_000)]
        found += [
            record,
            Record(record.event_type, filled[0], record.event),
            Record(record.event_type, filled[1], None, "too_large"),
            Record(record.event_type, b"\xff" * 1_000_000, None, "too_large"),
        ]
    return found


@scenario(
    "records of 1 MB and of 250 kB among usual ones; workers are killed before and after such inserts",
    "those larger than `max_record_bytes` are rejected, with length and checksum; the others are counted",
    per_second=0,
    records=large_records,
)
def records_of_a_megabyte(run: Run) -> None:
    for step in ("before-insert", "inserted"):
        planned = run.rig.plan.add("kill", step)
        run.stack.sender.send(run.records)
        run.reached(planned)
    run.stack.wait_counted()
