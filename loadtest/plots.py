"""The ratios as a picture. Needs matplotlib, which the rest of loadtest does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from loadtest.peers.report import Report

_OURS, _OTHERS, _BOUND = "#0b6e99", "#9aa5ad", "#b9a44c"


def draw(report: Report, path: Path) -> None:
    """Write a chart of events per CPU second (median and range), with the ratio to the baseline at each point.

    The suffix of `path` decides the format. Raises ImportError without matplotlib, ValueError without figures.
    """
    from matplotlib.figure import Figure  # type: ignore[import-not-found, unused-ignore]

    rates, baseline = report.rates(), report.baseline()
    if baseline is None:
        raise ValueError("nobody has figures to draw")
    names = sorted(rates, key=lambda name: rates[name].median)
    titles = {outcome.contestant.name: outcome.contestant.title for outcome in report.outcomes}
    figure = Figure(figsize=(10, 1.6 + 0.42 * len(names)), layout="constrained")
    axes: Any = figure.subplots()
    least = min(rates[name].least for name in names)
    for place, name in enumerate(names):
        rate, color = rates[name], _color(name)
        axes.plot([least / 2, rate.median], [place, place], color=color, linewidth=1, alpha=0.5)
        axes.plot([rate.least, rate.greatest], [place, place], color=color, linewidth=5, solid_capstyle="round")
        axes.plot(rate.median, place, "o", color=color, markersize=9)
        label = f"{rate.median:,.0f}   {_times(rate.median / rates[baseline].median)}"
        axes.annotate(label, (rate.greatest, place), (10, 0), textcoords="offset points", va="center", fontsize=9)
    axes.set_yticks(range(len(names)), [_title(name, titles) for name in names])
    axes.set_xscale("log")
    axes.set_xlim(least / 2, max(rates[name].greatest for name in names) * 10)
    axes.set_xlabel(f"events per CPU second (log scale), and times {_title(baseline, titles)}")
    axes.set_title(
        f"Counts per minute, country and hashtag: {report.input['events']:,} events, "
        f"{report.input['keys']:,} keys, median of {report.options['runs']}\n"
        "all counts checked; slow contestants on a prefix",
        fontsize=10,
    )
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


def _title(name: str, titles: dict[str, str]) -> str:
    plain = name.removesuffix("+clickhouse")
    return titles[plain] + (", ClickHouse included" if plain != name else "")


def _color(name: str) -> str:
    return _BOUND if name == "aiokafka_ceiling" else _OURS if name.startswith("tagpulse") else _OTHERS


def _times(ratio: float) -> str:
    return f"× {ratio:,.0f}" if ratio >= 10 else f"× {ratio:.2g}"
