"""Pictures of a run, as SVG. Drawn by matplotlib."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np

from loadtest.document import Document
from loadtest.load.rates import Rates
from loadtest.load.sheets import WHAT
from loadtest.load.workload import parse

_COLORS = {"acked": "#9aa5ad", "counted": "#b9a44c", "visible": "#0b6e99"}
_NINES = (0.0, 90.0, 99.0, 99.9, 99.99)


def pictures(document: Document) -> dict[str, str]:
    """Title -> SVG element. Raises ImportError without matplotlib."""
    drawn: dict[str, Callable[[Document, Any], None]] = {
        "Events per second": _rates,
        "Latency by percentile": _percentiles,
        "Latency by second": _by_second,
        "Age of the oldest event that is not visible": _freshness,
        "Events that are confirmed and not visible yet": _lag,
        "CPU": _cpu,
        "Memory": _memory,
        "Parts and merges in ClickHouse": _parts,
    }
    return {title: _svg(draw, document) for title, draw in drawn.items()}


def _svg(draw: Callable[[Document, Any], None], document: Document) -> str:
    import matplotlib as mpl  # type: ignore[import-not-found, unused-ignore]
    from matplotlib.figure import Figure  # type: ignore[import-not-found, unused-ignore]

    with mpl.rc_context({"svg.hashsalt": "tagpulse", "font.size": 9, "svg.fonttype": "none"}):
        figure = Figure(figsize=(7.2, 3.0), layout="constrained")
        axes = figure.subplots()
        draw(document, axes)
        for fault in document["workload"]["faults"]:
            if axes.get_xlabel() == "seconds":
                axes.axvspan(fault["at_s"], fault["at_s"] + fault["seconds"], color="#d9534f", alpha=0.12, linewidth=0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", alpha=0.25)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return text.getvalue().partition("<svg")[1] + text.getvalue().partition("<svg")[2]


def _samples(document: Document, name: str) -> tuple[list[float], list[Any]]:
    rows = [sample for sample in document["samples"] if sample["second"] >= 0]
    return [row["second"] for row in rows], [row[name] for row in rows]


def _rates(document: Document, axes: Any) -> None:
    workload = parse(document["workload"], document["workload"]["name"])
    rates = Rates(workload.steps)
    at = np.linspace(0, rates.seconds, 400, endpoint=False)
    if workload.peak:
        axes.plot(at, [rates.at(float(t)) for t in at], color="#d9534f", linewidth=1, linestyle="--", label="intended")
    for name, color, label in (("confirmed", "#9aa5ad", "confirmed"), ("visible", "#0b6e99", "visible")):
        seconds, values = _samples(document, name)
        if len(seconds) > 1:
            axes.plot(seconds[1:], np.diff(values) / np.diff(seconds), color=color, label=label)
    axes.set(xlabel="seconds", ylabel="events per second", ylim=(0, None))


def _percentiles(document: Document, axes: Any) -> None:
    for name, points in document["curves"].items():
        if points:
            x = [-np.log10(1 - min(p, 99.99) / 100) for p, _ in points]
            axes.plot(x, [s * 1000 for _, s in points], color=_COLORS[name], label=WHAT[name])
    axes.set_xticks([-np.log10(1 - p / 100) if p else 0.0 for p in _NINES], [f"{p:g} %" for p in _NINES])
    axes.set(xlabel="percentile", ylabel="ms", yscale="log")


def _by_second(document: Document, axes: Any) -> None:
    for name, found in document["by_second"].items():
        for percentile, style in (("50.0", ":"), ("99.0", "-")):
            if points := found[percentile]:
                axes.plot(
                    [s for s, _ in points], [v * 1000 for _, v in points], style, color=_COLORS[name],
                    label=f"{WHAT[name]}, p{float(percentile):g}",
                )  # fmt: skip
    axes.set(xlabel="seconds", ylabel="ms", yscale="log")


def _freshness(document: Document, axes: Any) -> None:
    points = document["freshness"]["by_time"]
    axes.plot([t for t, _ in points], [age for _, age in points], color="#0b6e99")
    axes.set(xlabel="seconds", ylabel="seconds", ylim=(0, None))


def _lag(document: Document, axes: Any) -> None:
    seconds, confirmed = _samples(document, "confirmed")
    _, visible = _samples(document, "visible")
    axes.plot(seconds, [max(0, c - v) for c, v in zip(confirmed, visible, strict=True)], color="#0b6e99")
    axes.set(xlabel="seconds", ylabel="events", ylim=(0, None))


def _cpu(document: Document, axes: Any) -> None:
    seconds, found = _samples(document, "cpu_s")
    for name in sorted({name for row in found for name in row}):
        used = [row.get(name, 0.0) for row in found]
        if len(seconds) > 1:
            axes.plot(seconds[1:], np.diff(used) / np.diff(seconds), label=name)
    axes.set(xlabel="seconds", ylabel="cores", ylim=(0, None))


def _memory(document: Document, axes: Any) -> None:
    seconds, found = _samples(document, "rss")
    for name in sorted({name for row in found for name in row}):
        axes.plot(seconds, [row.get(name, 0) / 1e6 for row in found], label=name)
    axes.set(xlabel="seconds", ylabel="MB", ylim=(0, None))


def _parts(document: Document, axes: Any) -> None:
    for name in ("parts", "merges"):
        seconds, values = _samples(document, name)
        axes.plot(seconds, values, label=name)
    axes.set(xlabel="seconds", ylabel="number", ylim=(0, None))
