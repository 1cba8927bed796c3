"""The report of a campaign as one HTML file that needs nothing else. Elements, never text: all is escaped. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from xml.etree.ElementTree import Element, tostring

from tagpulse.reports.campaign import MEANING, CampaignReport, Headline
from tagpulse.reports.plot import time_line
from tagpulse.reports.words import quoted_bounds, quoted_climb, quoted_number

_STYLE = """
:root { --ink: #1c2529; --soft: #5d6a70; --line: #dde3e6; --ours: #0b6e99; --pale: #a9cddc; color-scheme: light }
* { box-sizing: border-box }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: #fff;
  max-width: 920px; margin: 0 auto; padding: 32px 24px }
h1 { font-size: 30px; margin: 0 } h2 { font-size: 19px; margin: 40px 0 8px } h3 { font-size: 15px; margin: 20px 0 4px }
.about { color: var(--soft); margin: 4px 0 24px; overflow-wrap: anywhere }
.figures { display: flex; flex-wrap: wrap; gap: 16px }
.figure { flex: 1 1 240px; border: 1px solid var(--line); border-radius: 10px; padding: 16px 20px }
.figure b { display: block; font-size: 25px; line-height: 1.25; color: var(--ours) }
.figure span { color: var(--soft); font-size: 14px; display: block }
table { border-collapse: collapse; width: 100%; font-size: 15px; font-variant-numeric: tabular-nums }
th { text-align: left; color: var(--soft); font-weight: 600 }
td, th { padding: 5px 10px 5px 0; border-bottom: 1px solid var(--line) }
td { overflow-wrap: anywhere } .number { text-align: right; white-space: nowrap }
.bar { width: 30% } .bar div { background: var(--ours); height: 10px; border-radius: 2px; min-width: 1px }
svg { width: 100%; height: auto; display: block } .least { fill: var(--ours) } .most { fill: var(--pale) }
.grid { stroke: var(--line) } text { font: 12px system-ui, sans-serif; fill: var(--soft) }
.value { text-anchor: end; dominant-baseline: middle }
.empty { color: var(--soft) } footer { margin-top: 40px; color: var(--soft); font-size: 13px }
@media print { body { padding: 0 } h2 { break-after: avoid } }
"""


def page(report: CampaignReport) -> str:
    """The whole file."""
    title = f"Campaign {report.campaign.name}"
    head = _of("head", _of("meta", charset="utf-8"), _of("title", title), _of("style", _STYLE))
    head.insert(1, _of("meta", name="viewport", content="width=device-width, initial-scale=1"))
    head.insert(
        2,
        _of("meta", {"http-equiv": "Content-Security-Policy"}, content="default-src 'none'; style-src 'unsafe-inline'"),
    )
    body = _of("body", _of("h1", title), _of("p", _about(report), klass="about"))
    body.append(_of("div", *(_figure(headline) for headline in report.headlines), klass="figures"))
    body.extend([_of("h2", "Time line"), *_time_lines(report)])
    body.extend([_of("h2", "Countries"), *_countries(report)])
    if report.campaign.hashtags:
        body.extend([_of("h2", "Hashtags"), _hashtags(report)])
    body.extend([_of("h2", "Compared with the period before"), _comparison(report)])
    body.extend([_of("h2", "Quality of the data"), _of("ul", *(_of("li", note) for note in report.quality()))])
    body.append(_of("footer", f"Made by tagpulse, {_moment(report.made_at)} UTC. All times are UTC."))
    return "<!DOCTYPE html>\n" + tostring(_of("html", head, body, lang="en"), encoding="unicode", method="html") + "\n"


def _about(report: CampaignReport) -> str:
    campaign, period = report.campaign, report.period
    parts = [f"{_moment(period.since)} to {_moment(period.until)}"]
    if campaign.hashtags:
        parts.append(" ".join(f"#{tag}" for tag in campaign.hashtags))
    if campaign.stickers:
        parts.append("stickers " + ", ".join(campaign.stickers))
    parts.append(", ".join(campaign.countries) if campaign.countries else "all countries")
    return " · ".join(parts)


def _figure(headline: Headline) -> Element:
    if headline.videos:
        main, rest = (
            f"{quoted_number(headline.videos)} videos",
            f"with {quoted_bounds(headline.at_least, headline.at_most)} sticker uses",
        )
    else:
        main, rest = quoted_bounds(headline.at_least, headline.at_most), MEANING[headline.event]
    how = headline.answer
    return _of("div", _of("b", main), _of("span", rest), _of("span", f"{how}: {_numbers(headline)}"), klass="figure")


def _numbers(headline: Headline) -> str:
    return f"{headline.at_least:,}" if headline.exact else f"{headline.at_least:,} to {headline.at_most:,}"


def _time_lines(report: CampaignReport) -> Iterable[Element]:
    period = report.period
    for headline in report.headlines:
        points = report.points(headline.event)
        name = MEANING[headline.event].capitalize()
        yield _of("h3", f"{name}, by {period.grain}")
        if points:
            yield time_line(points, period.since, period.until, period.grain.length, f"{name} over time")
        else:
            yield _of("p", "No events.", klass="empty")


def _countries(report: CampaignReport) -> Iterable[Element]:
    for event, rows in report.countries.items():
        yield _of("h3", f"By {MEANING[event]}")
        if not rows:
            yield _of("p", "No events.", klass="empty")
            continue
        most = max(row["share"] for row in rows)
        cells = []
        for rank, row in enumerate(rows, 1):
            bar = _of("td", _of("div", style=f"width:{100 * row['share'] / most:.1f}%"), klass="bar")
            numbers = [_number(quoted_bounds(row["at_least"], row["at_most"])), _number(f"{row['share']:.1%}")]
            climbed = [_number(quoted_climb(row["places_climbed"]))] if report.before else []
            cells.append([_of("td", str(rank)), _of("td", row["country_name"]), *numbers, bar, *climbed])
        places = ["*places climbed"] if report.before else []
        yield _table(["", "country", "*" + MEANING[event], "*share", "", *places], cells)


def _hashtags(report: CampaignReport) -> Element:
    if not report.hashtags:
        return _of("p", "No events.", klass="empty")
    cells = [
        [_of("td", row["display"]), _number(f"{row['creations']:,}"), _number(f"{row['views']:,}")]
        for row in report.hashtags
    ]
    table = _table(["hashtag", "*videos created", "*views"], cells)
    return _of(
        "div",
        table,
        _of("p", "An event with two hashtags stands in both rows: they must not be added up.", klass="empty"),
    )


def _comparison(report: CampaignReport) -> Element:
    if report.before is None:
        return _of("p", "There is no period before.", klass="empty")
    cells = []
    for headline in report.headlines:
        assert headline.before_at_least is not None
        assert headline.before_at_most is not None
        before = quoted_bounds(headline.before_at_least, headline.before_at_most)
        now = quoted_bounds(headline.at_least, headline.at_most)
        cells.append([_of("td", MEANING[headline.event]), _number(before), _number(now), _number(headline.change)])
    table = _table(
        ["", f"*from {_moment(report.before.since)}", f"*from {_moment(report.period.since)}", "*change"], cells
    )
    return _of("div", table)


def _table(headings: Sequence[str], rows: Iterable[Sequence[Element]]) -> Element:
    """`*` before a heading: a column of numbers."""
    cells = [
        _of("th", text.removeprefix("*"), **({"klass": "number"} if text.startswith("*") else {})) for text in headings
    ]
    return _of("table", _of("thead", _of("tr", *cells)), _of("tbody", *(_of("tr", *row) for row in rows)))


def _number(text: str) -> Element:
    return _of("td", text, klass="number")


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


def _of(tag: str, *children: Element | str | dict[str, str], **attributes: str) -> Element:
    """An element of text, elements and attributes; `klass` is class."""
    element = Element(tag, {("class" if name == "klass" else name): value for name, value in attributes.items()})
    for child in children:
        if isinstance(child, dict):
            element.attrib |= child
        elif isinstance(child, str):
            element.text = child
        else:
            element.append(child)
    return element
