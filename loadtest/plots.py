"""Measurements as pictures. Needs matplotlib, which the rest of loadtest does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from loadtest.document import Document
from loadtest.peers.report import title_of

_OURS, _OTHERS, _BOUND = "#0b6e99", "#9aa5ad", "#b9a44c"
#: (file formats of) pictures that come out the same for the same figures
_SAVE = {"dpi": 150, "metadata": {"Date": None}}


def draw(document: Document, path: Path) -> None:
    """Draw a document of any form. The suffix of `path` decides the format.

    Raises ImportError without matplotlib, ValueError where there are no figures, or for a suffix that is none.
    """
    import matplotlib as mpl  # type: ignore[import-not-found, unused-ignore]
    from matplotlib.figure import Figure  # type: ignore[import-not-found, unused-ignore]

    drawn: dict[str, Callable[[Document, Any], None]] = {
        "compare": _compare,
        "workers": _workers,
        "keys": _keys,
        "latency": _latency,
    }
    with mpl.rc_context({"svg.hashsalt": "tagpulse", "font.size": 9}):
        figure = Figure(figsize=(9, 4.5), layout="constrained")
        drawn[document["form"]](document, figure)
        for axes in figure.axes:
            axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(path, **(_SAVE if path.suffix == ".svg" else {"dpi": 150}))


def _compare(document: Document, figure: Any) -> None:
    """Events per CPU second, median and range, with the ratio to the baseline at each point."""
    rates, baseline = document["rates"], document["baseline"]
    if baseline is None:
        raise ValueError("nobody has figures to draw")
    names = sorted(rates, key=lambda name: rates[name]["median"])
    figure.set_size_inches(10, 1.6 + 0.42 * len(names))
    axes = figure.subplots()
    least = min(rates[name]["least"] for name in names)
    for place, name in enumerate(names):
        rate, color = rates[name], _color(name)
        axes.plot([least / 2, rate["median"]], [place, place], color=color, linewidth=1, alpha=0.5)
        axes.plot([rate["least"], rate["greatest"]], [place, place], color=color, linewidth=5, solid_capstyle="round")
        axes.plot(rate["median"], place, "o", color=color, markersize=9)
        label = f"{rate['median']:,.0f}   {_times(rate['median'] / rates[baseline]['median'])}"
        axes.annotate(label, (rate["greatest"], place), (10, 0), textcoords="offset points", va="center")
    axes.set_yticks(range(len(names)), [title_of(name) for name in names])
    axes.set_xscale("log")
    axes.set_xlim(least / 2, max(rates[name]["greatest"] for name in names) * 30)
    axes.set_xlabel(f"events per CPU second (log scale), and times {title_of(baseline)}")
    figure.suptitle(  # of the figure: the names of contestants leave the axes too little room
        f"Counts per minute, country and hashtag: {document['input']['events']:,} events, "
        f"{document['input']['keys']:,} keys, median of {document['options']['runs']}\n"
        "all counts checked; slow contestants on a prefix",
        fontsize=10,
    )


def _workers(document: Document, figure: Any) -> None:
    """Events per CPU second by workers in the group, a panel for each path."""
    ways = list(dict.fromkeys(series["path"] for series in document["series"]))
    for axes, way in zip(figure.subplots(1, len(ways), squeeze=False)[0], ways, strict=True):
        found = [series for series in document["series"] if series["path"] == way]
        for place, series in enumerate(found):
            rate = series["events_per_cpu_s"]
            below, above = rate["median"] - rate["least"], rate["greatest"] - rate["median"]
            axes.bar(place, rate["median"], 0.55, color=_OURS, yerr=[[below], [above]], capsize=4)
            text = f"{rate['median']:,.0f}" + ("" if place == 0 else f"\n{-series['drop']:+.1%}")
            axes.annotate(text, (place, rate["greatest"]), (0, 5), textcoords="offset points", ha="center")
        axes.set_xticks(range(len(found)), [str(series["workers"]) for series in found])
        axes.set_xlabel("workers in the group")
        axes.set_title(way, fontsize=10)
        axes.margins(y=0.2)
        axes.yaxis.set_major_formatter("{x:,.0f}")
    figure.axes[0].set_ylabel("events per CPU second, all workers (and ClickHouse)")


def _keys(document: Document, figure: Any) -> None:
    """CPU time per event, and peak memory, against distinct keys."""
    names = list(dict.fromkeys(name for point in document["points"] for name in point["ways"]))
    if not names:
        raise ValueError("nobody has figures to draw")
    cost, memory = figure.subplots(1, 2)
    figure.set_size_inches(11, 4.5)
    for number, name in enumerate(name for name in names if "merges" not in name):
        points = [point for point in document["points"] if name in point["ways"]]
        keys = [point["keys"] for point in points]
        style = {"marker": "o", "label": title_of(name), "color": (_OURS, _BOUND, _OTHERS)[number % 3]}
        cost.plot(keys, [point["ways"][name]["ns_per_event"]["median"] for point in points], **style)
        if "+" not in name:
            memory.plot(keys, [point["ways"][name]["peak_rss"]["median"] / 1e6 for point in points], **style)
    for axes, text in ((cost, "CPU time per event, ns"), (memory, "peak memory of the worker, MB")):
        axes.set_xscale("log")
        axes.set_xticks([point["keys"] for point in document["points"]])
        axes.minorticks_off()
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.set_ylim(bottom=0)
        axes.set_xlabel("distinct keys (log scale)")
        axes.set_ylabel(text)
        axes.yaxis.set_major_formatter("{x:,.0f}")
        axes.legend(frameon=False)


def _latency(document: Document, figure: Any) -> None:
    """Percentiles of both latencies, with the targets of the 99th."""
    if document["void"]:
        raise ValueError("the run was void: there is nothing to draw")
    axes = figure.subplots()
    for row, (name, what, color) in enumerate(
        (("counted", "counted", _OURS), ("visible", "visible in a SELECT", _BOUND))
    ):
        latency = document[name]["latency_s"]
        places = [place + row * 0.38 for place in range(len(latency))]
        bars = axes.bar(places, [seconds * 1000 for seconds in latency.values()], 0.36, label=what, color=color)
        axes.bar_label(bars, fmt="{:,.0f} ms", padding=2)
        place, target = places[list(latency).index("p99")], document[name]["target_p99_s"] * 1000
        axes.plot([place - 0.18, place + 0.18], [target, target], color="black", linewidth=2)
    axes.plot([], [], color="black", linewidth=2, label="target of p99")
    axes.set_xticks([place + 0.19 for place in range(len(latency))], list(latency))
    axes.set_yscale("log")
    axes.set_ylabel("ms from the intended time (log scale)")
    axes.set_title(f"{document['options']['rate']:,} events a second, one worker", fontsize=10)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)


def _color(name: str) -> str:
    return _BOUND if name == "aiokafka_ceiling" else _OURS if name.startswith("tagpulse") else _OTHERS


def _times(ratio: float) -> str:
    return f"× {ratio:,.0f}" if ratio >= 10 else f"× {ratio:.2g}"
