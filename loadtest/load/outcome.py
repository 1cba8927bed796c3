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
#: And once later than this, whatever the percentile.
STALLED_S = 1.0
#: A lag that is averaged over less than this has too few flushes in it.
QUARTER_S = 2.0
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
    closed_loop = any(step.rate == "max" for step in workload.steps)
    seconds = max(one["seconds"] for one in sent)
    end = begin + seconds + (workload.drain_s if drained_s is None else drained_s)
    document: Document = {
        "workload": workload.model_dump(mode="json"),
        "sent": {
            "events": sending.events,
            "bytes": sum(one["bytes"] for one in sent),
            "seconds": seconds,
            "per_second": (sending.events - workload.backlog) / seconds,
            "unanswered": sum(one["unanswered"] for one in sent),
            "in_log_too_often": surplus(sending, visible),
            "error": next((one["error"] for one in sent if one["error"]), ""),
            "alone_per_second": sum(one["alone_per_second"] for one in sent),
            "cpu_s": sum(one["cpu_s"] for one in sent),
        },
        "late_s": _summary(sending.late(begin)),
        "queued_s": _summary(sending.queued(begin)),
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
        "counted": latency.until_seen(sending, counted, begin, end),
        "visible": latency.until_seen(sending, visible, begin, end),
    }.items():
        histogram = Histogram()
        histogram.record(values)
        document["latency_s"][name] = histogram.summary()
        document["curves"][name] = histogram.curve()
        document["histograms"][name] = histogram.encode()
        document["never_seen"][name] = never
        document["by_second"][name] = {
            str(p): latency.by_second(values, dues[dues >= begin], begin, p) for p in (50.0, 99.0)
        }  # fmt: skip
    document["freshness"] = _freshness(sending, visible, begin, end - begin)
    document["drained_s"] = drained_s
    document["samples"] = samples
    document["cpu_s"] = {name: round(used, 3) for name, used in costs.cpu_s.items()}
    document["peak_rss"] = dict(costs.peak_rss)
    document["lag_growth"] = lag_growth(sending, visible, begin, workload.seconds)
    document["faults"] = [{"fault": name, "seconds": lasted} for name, lasted in faults]
    document["worker_deaths"] = deaths
    document["unanswered_questions"] = unanswered_questions
    document["verdict"] = verdict.document()
    document["not_flat"] = not_flat(samples, workload.seconds) if workload.flat else []
    document["void"] = void(document, workload.linger_ms / 1000)
    document["outcome"] = outcome(document)
    return document


def outcome(document: Document) -> str:
    """PASS, FAIL, or VOID: nothing is wrong but what the generator may have caused."""
    found, sent = document["verdict"], document["sent"]
    unknown = sent["unanswered"] > 0 or sent["in_log_too_often"] > 0
    if not found["right"]:
        # An event without an answer may be missing, an event that is in the log twice is counted twice: no more.
        excused = bool(sent["unanswered"]) or not found["missing"]
        excused &= bool(sent["in_log_too_often"]) or not (found["doubled"] or found["extra"])
        excused &= unknown and not any(found["grains"].values())
        return VOID if excused else FAIL
    if document["drained_s"] is None or document["not_flat"]:
        return FAIL
    return VOID if document["void"] else PASS


def void(document: Document, linger_s: float) -> list[str]:
    """Why the run says nothing about speed, with the remedy; [] where it does."""
    found, late, sent = [], document["late_s"], document["sent"]
    bound = max(BEHIND_P99_S, linger_s)
    if late["p99"] > bound or late["max"] > STALLED_S:
        found.append(
            f"the generator fell behind: batches were {late['p99'] * 1000:,.0f} ms late in the 99th percentile and "
            f"{late['max'] * 1000:,.0f} ms at most; {bound * 1000:,.0f} and {STALLED_S * 1000:,.0f} ms are bearable. "
            "Use more senders, a lower rate, or another machine for them"
        )
    if not document["closed_loop"] and (queued := document["queued_s"]["p99"]) > STALLED_S:
        found.append(
            f"the producer had no room for batches: they waited {queued * 1000:,.0f} ms in the 99th percentile. Send "
            "fewer, larger ones (linger_ms), or to a broker that takes more"
        )
    if sent["unanswered"]:
        found.append(
            f"{sent['unanswered']:,} events were never confirmed by the broker ({sent['error'] or 'no error'}): "
            "whether they are in the log is not known"
        )
    if sent["in_log_too_often"]:
        found.append(
            f"the log has {sent['in_log_too_often']:,} events more than were confirmed: the producer sent a batch "
            "again whose answer was lost. Brokers with idempotent producers do not keep those"
        )
    return found


def surplus(sending: Sending, visible: Seen) -> int:
    """Events that the log holds beyond those that were confirmed, as far as what is visible tells."""
    logs = {place: len(offsets) for place, (_, offsets) in sending.logs.items()}
    return sum(max(0, seen[-1][0] - logs.get(place, 0)) for place, seen in visible.items() if seen)


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


def lag_growth(sending: Sending, visible: Seen, begin: float, seconds: float) -> float | None:
    """Events per second by which what is confirmed runs away from what is visible, over the second half of the sending.

    The mean lag of the last quarter less that of the quarter before, over the time between them: means over several
    flushes, because lag goes up and down with each. None where a quarter is shorter than QUARTER_S.
    """
    if seconds / 4 < QUARTER_S:
        return None
    third, fourth = (
        float(latency.behind(sending, visible, begin + np.arange(first, first + seconds / 4, 0.02)).mean())
        for first in (seconds / 2, seconds * 3 / 4)
    )
    return (fourth - third) / (seconds / 4)


def not_flat(samples: Sequence[Mapping[str, Any]], seconds: float) -> list[str]:
    """What has grown between the second and the last quarter of the sending: memory of workers and ClickHouse, parts.

    Not that of the broker: the log of the embedded one is in its memory.
    """
    early = [s for s in samples if seconds / 4 <= s["second"] < seconds / 2]
    late = [s for s in samples if seconds * 3 / 4 <= s["second"] <= seconds]
    if not early or not late:
        return ["too few samples to tell whether memory is flat: let it run longer"]
    found = []
    for name in early[0]["rss"]:
        if not name.startswith(("worker", "clickhouse")):
            continue
        before = float(np.median([s["rss"].get(name, 0) for s in early]))
        after = float(np.median([s["rss"].get(name, 0) for s in late]))
        if after > before * _FLAT_TIMES and after > before + _FLAT_BYTES:
            found.append(f"memory of {name} grew from {before / 1e6:,.0f} to {after / 1e6:,.0f} MB")
    before, after = (float(np.median([s["parts"] for s in part])) for part in (early, late))
    if after > before * _FLAT_PARTS_TIMES + _FLAT_PARTS:
        found.append(f"parts in ClickHouse grew from {before:,.0f} to {after:,.0f}")
    return found
