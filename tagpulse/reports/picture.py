"""The report of a campaign as a PNG picture. Needs matplotlib, which nothing else of the reports does."""

from __future__ import annotations

import io
from typing import Any

from sinks.errors import CampaignError
from tagpulse.reports.campaign import MEANING, CampaignReport
from tagpulse.untrusted import for_terminal

_COLOR, _BAND = "#0b6e99", "#9ac5d6"
_COUNTRIES = 10


def png(report: CampaignReport) -> bytes:
    """For each measure its time line, as a band where only bounds are known, and its countries. 150 dots per inch.

    Raises CampaignError without matplotlib.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise CampaignError("a picture needs matplotlib: pip install 'tagpulse[notebook]'") from None
    figure = Figure(figsize=(11, 2 + 2.4 * len(report.headlines)), layout="constrained")
    period = report.period
    figure.suptitle(
        f"{_text(report.campaign.name)}, {period.since:%Y-%m-%d %H:%M} to {period.until:%Y-%m-%d %H:%M} UTC"
    )
    rows = figure.subplots(len(report.headlines), 2, squeeze=False, width_ratios=(2, 1))
    for headline, (line, bars) in zip(report.headlines, rows, strict=True):
        line.set_title(_text(f"{headline.quote}, {headline.answer}"), loc="left", fontsize=10)
        _time_line(line, [row for row in report.series if row["event_type"] == headline.event])
        _countries(bars, report.countries.get(headline.event, [])[:_COUNTRIES])
        bars.set_title(_text(f"{MEANING[headline.event]} by country"), loc="left", fontsize=10)
        for axes in (line, bars):
            axes.spines[["top", "right"]].set_visible(False)
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=150)
    return out.getvalue()


def _time_line(axes: Any, series: list[dict[str, Any]]) -> None:
    windows = [row["window_start"] for row in series]
    most = [row["at_most"] for row in series]
    axes.fill_between(windows, [row["at_least"] for row in series], most, color=_BAND, step="post")
    axes.plot(windows, most, color=_COLOR, linewidth=1.2, drawstyle="steps-post", marker="." if len(most) < 3 else "")
    axes.set_ylim(bottom=0)
    axes.tick_params(axis="x", rotation=20, labelsize=8)
    axes.locator_params(axis="y", nbins=5, integer=True)
    axes.yaxis.set_major_formatter("{x:,.0f}")


def _countries(axes: Any, countries: list[dict[str, Any]]) -> None:
    names = [_text(row["country_name"]) for row in countries]
    axes.barh(range(len(names)), [row["at_most"] for row in countries], color=_COLOR)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_ylim(max(len(names), 5) - 0.5, -0.5)
    axes.locator_params(axis="x", nbins=4, integer=True)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.tick_params(axis="x", rotation=20, labelsize=8)


def _text(text: str) -> str:
    """`text` as it is: matplotlib would take what stands between dollars for a formula."""
    return for_terminal(text).replace("$", r"\$")
