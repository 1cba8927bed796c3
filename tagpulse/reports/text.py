"""The report of a campaign as Markdown, and its numbers as CSV. No I/O."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

from tagpulse.reports.campaign import MEANING, CampaignReport
from tagpulse.reports.plot import blocks, summed
from tagpulse.reports.words import quoted_climb, quoted_length, quoted_number
from tagpulse.untrusted import for_spreadsheet

#: As many bars as go on a line.
_STEPS = 60
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~&])")


def markdown(report: CampaignReport) -> str:
    """The report for a page or a mail."""
    period = report.period
    lines = [f"# Campaign {_plain(report.campaign.name)}", ""]
    lines += [f"{period.since:%Y-%m-%d %H:%M} to {period.until:%Y-%m-%d %H:%M} UTC", ""]
    lines += [f"- **{h.quote}**, {h.answer}" for h in report.headlines]
    lines += ["", "## Time line", "", "```", *(_time_line(report, h.event) for h in report.headlines), "```"]
    places = ["places climbed"] if report.before else []
    for event, rows in report.countries.items():
        lines += ["", f"## Countries by {MEANING[event]}", ""]
        cells = [
            [str(n), _plain(r["country_name"]), f"{r['at_least']:,}", f"{r['at_most']:,}", f"{r['share']:.1%}"]
            + [quoted_climb(r["places_climbed"]) for _ in places]
            for n, r in enumerate(rows, 1)
        ]
        lines += _table(["", "country", "at least", "at most", "share", *places], cells)
    if report.hashtags:
        lines += ["", "## Hashtags", ""]
        cells = [[_plain(r["display"]), f"{r['creations']:,}", f"{r['views']:,}"] for r in report.hashtags]
        lines += _table(["hashtag", "videos created", "views"], cells)
    if report.before:
        lines += ["", f"## Compared with the period from {report.before.since:%Y-%m-%d %H:%M}", ""]
        lines += _table(["", "change"], [[MEANING[h.event], h.change] for h in report.headlines])
    lines += ["", "## Quality of the data", "", *(f"- {note}" for note in report.quality())]
    return "\n".join(lines) + "\n"


def _time_line(report: CampaignReport, event: str) -> str:
    """One measure as bars of text, at most where only bounds are known."""
    period = report.period
    sums, step = summed(report.points(event), period.since, period.until, period.grain.length, _STEPS)
    heights = [high for _, high in sums]
    return f"{MEANING[event]:<15}|{blocks(heights)}| {quoted_length(step)} each, at most {quoted_number(max(heights))}"


def table(report: CampaignReport) -> str:
    """One row per measure in total, per country, hashtag and window: for spreadsheets."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["what", "key", "event_type", "at_least", "at_most", "videos", "exact"])
    for h in report.headlines:
        writer.writerow(["total", "", h.event, h.at_least, h.at_most, h.videos, int(h.exact)])
    for event, rows in report.countries.items():
        for r in rows:
            writer.writerow(["country", r["country"], event, r["at_least"], r["at_most"], r["videos"], r["exact"]])
    for r in report.hashtags:
        for event, number in (("video_creation", r["creations"]), ("video_view", r["views"])):
            writer.writerow(["hashtag", for_spreadsheet(r["hashtag"]), event, number, number, 0, 1])
    for r in report.series:
        window = f"{r['window_start']:%Y-%m-%dT%H:%M}Z"
        writer.writerow(["window", window, r["event_type"], r["at_least"], r["at_most"], r["videos"], r["exact"]])
    return out.getvalue()


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    found = [f"| {' | '.join(row)} |" for row in rows]
    return [f"| {' | '.join(headings)} |", "|" + "---|" * len(headings), *found] if found else ["No events."]


def _plain(text: str) -> str:
    """`text` without a meaning to Markdown, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
