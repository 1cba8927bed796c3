"""Runs as tables, for the terminal and for reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from loadtest.document import Document
from loadtest.load.histogram import PERCENTILES, name
from loadtest.sheets import Sheet, milliseconds, number

WHAT = {
    "acked": "confirmed by the broker",
    "counted": "counted by a worker",
    "visible": "visible in a SELECT",
}


def latency(document: Document) -> Sheet:
    """Latencies from the intended time."""
    names = [name(percentile) for percentile in PERCENTILES]
    rows = [
        [WHAT[what], *(milliseconds(found[at]) for at in names)]
        for what, found in document["latency_s"].items()
        if found
    ]
    late, age = document["late_s"], document["freshness"]["age_s"]
    never = {WHAT[what]: number for what, number in document["never_seen"].items() if number}
    caption = (
        f"Batches were handed over {milliseconds(late['p99'])} late in the 99th percentile. Oldest event that was not "
        f"visible: {milliseconds(age['p50'])} old in the median, {milliseconds(age['max'])} at most."
    )
    if document["closed_loop"]:
        caption = "A closed loop: events are due when they are sent, so these latencies say little. " + caption
    for what, events in never.items():
        caption += f" {events:,} events were never {what}; they count as if they had been at the end."
    return Sheet("From the time an event was due until it was", ("", *names), rows, caption)


def costs(document: Document) -> Sheet:
    """CPU and memory by process."""
    events = document["sent"]["events"]
    # Some of a backlog is counted before the clocks run: a share per event would be too small.
    each = 1e6 / events if events and not document["workload"]["backlog"] else None
    rows = [
        [
            process,
            f"{used:.1f} s",
            f"{used * each:.1f} µs" if each else "-",
            f"{document['peak_rss'].get(process, 0) / 1e6:,.0f} MB",
        ]
        for process, used in sorted(document["cpu_s"].items())
    ]
    last: Mapping[str, Any] = document["samples"][-1] if document["samples"] else {}
    deltas = last.get("deltas", 0)
    caption = (
        f"ClickHouse took {deltas:,} deltas ({events / deltas:,.0f} events each) and holds {last['rows']:,} rows in "
        f"{last['parts']:,} parts, {last['bytes'] / 1e6:,.1f} MB." if deltas else "No delta landed."
    )  # fmt: skip
    return Sheet("Costs", ("process", "CPU", "CPU per event", "peak memory"), rows, caption)


def verdict(document: Document) -> Sheet:
    """Sent, against what was found."""
    found = document["verdict"]
    rejects = (
        "as sent" if not found["rejects"] else "; ".join(f"{r}: {b} of {a}" for r, (a, b) in found["rejects"].items())
    )
    rows = [
        ["counts compared (views count as many as they say)", f"{found['events']:,}"],
        ["keys compared", f"{found['keys']:,}"],
        ["keys that differ", f"{found['wrong_keys']:,}"],
        ["missing", f"{found['missing']:,}"],
        ["doubled", f"{found['doubled']:,}"],
        ["extra", f"{found['extra']:,}"],
        [f"rejects ({found['rejected']:,} sent)", rejects],
        *(
            [f"windows of {table} that differ from their minutes", f"{wrong:,}"]
            for table, wrong in found["grains"].items()
        ),
    ]
    return Sheet("Counts against what was sent", ("", "found"), rows)


def sending(document: Document) -> Sheet:
    """What was sent, and how it went on."""
    sent = document["sent"]
    drained = document["drained_s"]
    rows = [
        ["events", f"{sent['events']:,}"],
        ["bytes", f"{sent['bytes']:,}"],
        ["sent per second", number(sent["per_second"])],
        ["the generator alone would reach, per second", number(sent["alone_per_second"])],
        ["visible after the last event", milliseconds(drained) if drained is not None else "not all, ever"],
        ["lag grew by, events per second", "-" if (grew := document["lag_growth"]) is None else number(grew)],
        ["workers that died", str(document["worker_deaths"])],
        ["questions ClickHouse did not answer", str(document["unanswered_questions"])],
    ]
    faults = ", ".join(f"{one['fault']} ({one['seconds']:.1f} s)" for one in document["faults"])
    return Sheet("Sending", ("", ""), rows, f"Faults: {faults}." if faults else "")


def sheets(document: Document) -> list[Sheet]:
    """All tables of a run."""
    return [sending(document), latency(document), costs(document), verdict(document)]


def conclusion(document: Document) -> list[str]:
    """What came of it, in sentences; the first begins with PASS, FAIL or VOID."""
    found = document["verdict"]
    if document["outcome"] == "PASS":
        first = "PASS: every event was counted exactly once, and the generator kept its pace."
    elif document["outcome"] == "VOID":
        first = (
            "VOID: the counts are right, but the run says nothing about speed."
            if found["right"]
            else "VOID: counts differ by no more than what the generator may have caused."
        )
    elif document["drained_s"] is None:
        first = "FAIL: not all was visible in time; what is missing may only be late."
    else:
        first = "FAIL: counts are wrong." if not found["right"] else "FAIL: something grew."
    return [first, *document["void"], *document["not_flat"], *found["examples"]]


def compare(one: Document, other: Document, names: Sequence[str]) -> Sheet:
    """Two runs side by side, with ratios (the second over the first)."""
    figures: list[tuple[str, float, float, str]] = []

    def add(what: str, form: str, *path: str) -> None:
        values = []
        for document in (one, other):
            value: Any = document
            for step in path:
                value = value.get(step) if isinstance(value, Mapping) else None
            values.append(value)
        if all(isinstance(value, int | float) for value in values):
            figures.append((what, *values, form))

    add("events", "n", "sent", "events")
    add("sent per second", "n", "sent", "per_second")
    for what, words in WHAT.items():
        for at in ("p50", "p99", "p99.9"):
            add(f"{words}, {at}", "s", "latency_s", what, at)
    add("age of the oldest event not visible, p99", "s", "freshness", "age_s", "p99")
    add("visible after the last event", "s", "drained_s")
    for process in sorted({*one["cpu_s"], *other["cpu_s"]}):
        for document in (one, other):
            used, events = document["cpu_s"].get(process, 0.0), document["sent"]["events"]
            document.setdefault("cpu_us", {})[process] = used / events * 1e6 if events else 0.0
        add(f"CPU of {process}, µs per event", "n", "cpu_us", process)
        add(f"peak memory of {process}, MB", "m", "peak_rss", process)
    show: dict[str, Callable[[float], str]] = {"n": number, "s": milliseconds, "m": lambda value: number(value / 1e6)}
    rows = [
        [what, show[form](before), show[form](after), f"{after / before:.2f}" if before else "-"]
        for what, before, after, form in figures
    ]
    rows.append(["outcome", one["outcome"], other["outcome"], ""])
    same = one["workload"] == other["workload"]
    caption = "The same workload." if same else "The workloads differ: " + ", ".join(
        f"{name} {one['workload'].get(name)} / {other['workload'].get(name)}"
        for name in sorted({*one["workload"], *other["workload"]})
        if one["workload"].get(name) != other["workload"].get(name)
    )  # fmt: skip
    return Sheet("Two runs", ("", *names, "ratio"), rows, caption)
