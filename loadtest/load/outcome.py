"""What came of a run, as a document: latencies, freshness, costs, and whether it may be believed. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from loadtest.document import Document
from loadtest.load import latency
from loadtest.load.histogram import Histogram
from loadtest.load.journal import Floats, Sending
from loadtest.load.latency import Seen
from loadtest.load.verdict import Verdict
from loadtest.load.watch import Costs
from loadtest.load.workload import Workload

#: Handed over later than this (or than `linger_ms`, if that is more) in the 99th percentile: the generator fell behind.
BEHIND_P99_S = 0.020
#: Memory is flat where the last quarter has at most so much more than the second one (times, or bytes).
_FLAT_TIMES, _FLAT_BYTES = 1.10, 32 << 20
_FLAT_PARTS_TIMES, _FLAT_PARTS = 1.5, 30
PASS, FAIL, VOID = "PASS", "FAIL", "VOID"


def figures(
    workload: Workload,
    *,
    sending: Sending,
    sent: Sequence[Mapping[str, Any]],
    begin: float,
    counted: Seen,
    visible: Seen,
    unanswered_questions: int,
    samples: list[dict[str, Any]],
    costs: Costs,
    faults: Sequence[tuple[str, float]],
    deaths: int,
    drained_s: float | None,
    verdict: Verdict,
) -> Document:
    """The document. `begin`: monotonic. `sent`: what each sender told at its end."""
    unanswered = sum(one["unanswered"] for one in sent)
    late = sending.late()[sending.batches["due"] >= begin]
    closed_loop = any(step.rate == "max" for step in workload.steps)
    seconds = max(one["seconds"] for one in sent)
    document: Document = {
        "workload": workload.model_dump(mode="json"),
        "sent": {
            "events": sending.events,
            "bytes": sum(one["bytes"] for one in sent),
            "seconds": seconds,
            "per_second": (sending.events - workload.backlog) / seconds,
            "unanswered": unanswered,
            "error": next((one["error"] for one in sent if one["error"]), ""),
            "alone_per_second": sum(one["alone_per_second"] for one in sent),
            "cpu_s": sum(one["cpu_s"] for one in sent),
        },
        "late_s": _summary(late),
        "closed_loop": closed_loop,
        "latency_s": {},
        "never_seen": {},
        "curves": {},
        "histograms": {},
        "by_second": {},
    }
    dues = sending.dues()
    for name, (values, never) in {
        "acked": (latency.acked(sending, begin), 0),
        "counted": latency.until_seen(sending, counted, begin),
        "visible": latency.until_seen(sending, visible, begin),
    }.items():
        histogram = Histogram()
        histogram.record(values)
        document["latency_s"][name] = histogram.summary()
        document["curves"][name] = histogram.curve()
        document["histograms"][name] = histogram.encode()
        document["never_seen"][name] = never
        after = dues[dues >= begin]
        if not never and len(values) == len(after):
            document["by_second"][name] = {
                str(p): latency.by_second(values, after, begin, p) for p in (50.0, 99.0)
            }  # fmt: skip
    document["freshness"] = _freshness(sending, visible, begin, seconds + (drained_s or 0.0))
    document["drained_s"] = drained_s
    document["samples"] = samples
    document["cpu_s"] = {name: round(used, 3) for name, used in costs.cpu_s.items()}
    document["peak_rss"] = dict(costs.peak_rss)
    document["lag_slope"] = lag_slope(samples, workload.seconds)
    document["faults"] = [{"fault": name, "seconds": lasted} for name, lasted in faults]
    document["worker_deaths"] = deaths
    document["unanswered_questions"] = unanswered_questions
    document["verdict"] = verdict.document()
    document["not_flat"] = not_flat(samples, workload.seconds) if workload.flat else []
    document["void"] = _void(workload, late, unanswered, closed_loop)
    document["outcome"] = outcome(document)
    return document


def outcome(document: Document) -> str:
    """PASS, FAIL, or VOID: the counts are right, but the generator did not do what it was to do."""
    if not document["verdict"]["right"] or document["drained_s"] is None or document["not_flat"]:
        return VOID if document["sent"]["unanswered"] else FAIL
    return VOID if document["void"] else PASS


def _void(workload: Workload, late: Floats, unanswered: int, closed_loop: bool) -> list[str]:
    found = []
    bound = max(BEHIND_P99_S, workload.linger_ms / 1000)
    if not closed_loop and len(late) and (p99 := float(np.percentile(late, 99))) > bound:
        found.append(
            f"the generator fell behind: batches were {p99 * 1000:,.0f} ms late in the 99th percentile, "
            f"{bound * 1000:,.0f} ms is bearable. Use more senders, a lower rate, or another machine for them"
        )
    if unanswered:
        found.append(
            f"{unanswered:,} events were never confirmed by the broker: whether they are in the log is not known"
        )
    return found


def _freshness(sending: Sending, visible: Seen, begin: float, seconds: float) -> dict[str, Any]:
    at = begin + np.arange(0.25, seconds, 0.25)
    ages = latency.ages(sending, visible, at)
    return {"age_s": _summary(ages), "by_time": [[round(float(t - begin), 2), round(float(a), 4)] for t, a in
                                                 zip(at, ages, strict=True)]}  # fmt: skip


def _summary(values: Floats) -> dict[str, float]:
    if not len(values):
        return {"p50": 0.0, "p99": 0.0, "max": 0.0}
    return {
        "p50": float(np.percentile(values, 50)),
        "p99": float(np.percentile(values, 99)),
        "max": float(values.max()),
    }


def lag_slope(samples: Sequence[Mapping[str, Any]], seconds: float) -> float:
    """Events per second by which what is confirmed runs away from what is visible, over the second half of the sending.

    A least-squares line through (second, confirmed - visible); 0 with fewer than three points.
    """
    half = [(s["second"], s["confirmed"] - s["visible"]) for s in samples if seconds / 2 <= s["second"] <= seconds]
    if len(half) < 3:
        return 0.0
    at, lag = np.array(half, "f8").T
    return float(np.polyfit(at, lag, 1)[0])


def not_flat(samples: Sequence[Mapping[str, Any]], seconds: float) -> list[str]:
    """What has grown between the second and the last quarter of the sending: memory by process, parts."""
    early = [s for s in samples if seconds / 4 <= s["second"] < seconds / 2]
    late = [s for s in samples if seconds * 3 / 4 <= s["second"] <= seconds]
    if not early or not late:
        return ["too few samples to tell whether memory is flat: let it run longer"]
    found = []
    for name in early[0]["rss"]:
        if name.startswith("sender"):
            continue
        before = float(np.median([s["rss"].get(name, 0) for s in early]))
        after = float(np.median([s["rss"].get(name, 0) for s in late]))
        if after > before * _FLAT_TIMES and after > before + _FLAT_BYTES:
            found.append(f"memory of {name} grew from {before / 1e6:,.0f} to {after / 1e6:,.0f} MB")
    before, after = (float(np.median([s["parts"] for s in part])) for part in (early, late))
    if after > before * _FLAT_PARTS_TIMES + _FLAT_PARTS:
        found.append(f"parts in ClickHouse grew from {before:,.0f} to {after:,.0f}")
    return found
