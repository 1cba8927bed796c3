"""The report of a campaign as a document: everything that a page, a table or a program shows of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sinks.analytics import Analytics, Period
from sinks.campaign_answers import CampaignAnswers, Row
from sinks.campaigns import OPEN_SINCE, OPEN_UNTIL, Campaign
from sinks.errors import CampaignError
from tagpulse.campaigns.answer import word_for
from tagpulse.reports.completeness import Completeness
from tagpulse.reports.words import quoted_bounds, quoted_change, quoted_number

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_ALL_COUNTRIES = 1_000
EVENTS = ("video_creation", "sticker_use", "video_view")
MEANING = {"video_creation": "videos created", "sticker_use": "sticker uses", "video_view": "views"}


@dataclass(frozen=True, slots=True)
class Headline:
    """One measure: bounds in the period and in the one before (equal where exact), and how to quote it."""

    event: str
    at_least: int
    at_most: int
    videos: int
    before_at_least: int | None
    before_at_most: int | None
    quote: str
    change: str
    answer: str
    """exact, exact since a moment, or bounds."""

    @property
    def exact(self) -> bool:
        return self.at_least == self.at_most


@dataclass(frozen=True, slots=True)
class CampaignReport:
    """Times are UTC. `series` is by the period's grain; `exact_from` None: always.

    `countries` is by event type; `places_climbed` against the period before is None for who was not there.
    """

    campaign: Campaign
    period: Period
    before: Period | None
    exact_from: datetime | None
    headlines: Sequence[Headline]
    countries: dict[str, list[Row]]
    series: list[Row]
    hashtags: list[Row]
    completeness: Completeness
    rejects: int
    made_at: datetime

    def points(self, event: str) -> list[tuple[datetime, int, int]]:
        """The windows of one event type: begin, at least, at most."""
        return [
            (row["window_start"].replace(tzinfo=UTC), row["at_least"], row["at_most"])
            for row in self.series
            if row["event_type"] == event
        ]

    def quality(self) -> list[str]:
        """What a reader must know before quoting, as sentences."""
        found = []
        bounds = [MEANING[h.event] for h in self.headlines if not h.exact]
        if bounds:
            assert self.exact_from is not None
            found.append(
                f"{_listed(bounds).capitalize()} are bounds: the hashtags are counted as one from event time "
                f"{self.exact_from:%Y-%m-%d %H:%M} UTC on; before, an event with two of them may be counted "
                "twice in the upper bound. `tagpulse campaign backfill` moves that back while Kafka has the events."
            )
        else:
            found.append("Creations, views and sticker uses are exact: each event is counted once.")
        if any(h.videos for h in self.headlines):
            found.append("Distinct videos are an estimate within about 1 %.")
        found += self.completeness.sentences()
        found.append(
            f"{self.rejects:,} records of all kinds were rejected in this time, and are in no count."
            if self.rejects
            else "No records were rejected in this time."
        )
        if self.period.widened:
            found.append(f"The period is widened to whole {self.period.grain}s: finer counts are no longer kept.")
        found.append("Events that come late still add to their own time.")
        return found

    def document(self) -> dict[str, Any]:
        """Everything as JSON knows it."""
        campaign = self.campaign
        return {
            "campaign": {
                "name": campaign.name, "version": campaign.version, "hashtags": list(campaign.hashtags),
                "stickers": list(campaign.stickers), "countries": list(campaign.countries),
                "since": _open(campaign.since), "until": _open(campaign.until),
            },
            "period": _period(self.period),
            "before": _period(self.before) if self.before else None,
            "exact_from": self.exact_from,
            "headlines": [
                {
                    "event": h.event, "at_least": h.at_least, "at_most": h.at_most, "exact": h.exact,
                    "answer": h.answer,
                    "videos": h.videos if h.event == "sticker_use" else None, "before_at_least": h.before_at_least,
                    "before_at_most": h.before_at_most, "quote": h.quote, "change": h.change,
                }
                for h in self.headlines
            ],
            "countries": self.countries,
            "series": [row | {"window_start": row["window_start"].replace(tzinfo=UTC)} for row in self.series],
            "hashtags": self.hashtags,
            "quality": {
                **self.completeness.document(), "rejects": self.rejects, "notes": self.quality(),
            },
            "made_at": self.made_at,
        }  # fmt: skip


def gather(
    client: Client, campaign: Campaign, period: Period, before: Period | None, now: datetime, limit: int = 10
) -> CampaignReport:
    """Ask for all that the report shows. Raises QueryError."""
    name, answers = campaign.name, CampaignAnswers(client)
    totals = {row["event_type"]: row for row in answers.totals(name, period)}
    former = {row["event_type"]: row for row in answers.totals(name, before, own_period=False)} if before else {}
    found = next((row["exact_from"].replace(tzinfo=UTC) for row in answers.states() if row["name"] == name), None)
    if found is None:
        raise CampaignError(f"campaign {name!r} was removed just now")
    exact_from = None if found == OPEN_SINCE else found
    return CampaignReport(
        campaign,
        period,
        before,
        exact_from,
        [
            _headline(event, totals.get(event), former.get(event), before is not None, exact_from, period)
            for event in _events(campaign)
        ],
        {event: _countries(answers, name, event, period, before, limit) for event in _events(campaign)},
        answers.series(name, period),
        answers.hashtags(name, period, limit),
        Completeness.of(Analytics(client).completeness(period), period, now),
        answers.rejects(period),
        now,
    )


def _countries(
    answers: CampaignAnswers, name: str, event: str, period: Period, before: Period | None, limit: int
) -> list[Row]:
    former = answers.countries(name, event, before, _ALL_COUNTRIES, own_period=False) if before else []
    places = {row["country"]: place for place, row in enumerate(former, 1)}
    return [
        row | {"places_climbed": places[row["country"]] - place if row["country"] in places else None}
        for place, row in enumerate(answers.countries(name, event, period, limit), 1)
    ]


def _events(campaign: Campaign) -> Sequence[str]:
    return EVENTS if campaign.hashtags else ("sticker_use",)


def _headline(
    event: str, row: Row | None, former: Row | None, compared: bool, exact_from: datetime | None, period: Period
) -> Headline:
    least, most, videos = (row["at_least"], row["at_most"], row["videos"]) if row else (0, 0, 0)
    old_least, old_most = (former["at_least"], former["at_most"]) if former else (0, 0)
    quote = f"{quoted_bounds(least, most)} {MEANING[event]}"
    if event == "sticker_use" and videos:
        quote = f"added to {quoted_number(videos)} videos ({quote})"
    change = ""
    if compared and (least, old_least) == (most, old_most):
        change = quoted_change(most, old_most)
    elif compared:
        change = f"{quoted_bounds(old_least, old_most)} before"
    answer = word_for({"at_least": least, "at_most": most}, exact_from, period)
    return Headline(
        event,
        least,
        most,
        videos,
        old_least if compared else None,
        old_most if compared else None,
        quote,
        change,
        answer,
    )


def _period(period: Period) -> dict[str, Any]:
    return {"since": period.since, "until": period.until, "grain": period.grain.value, "widened": period.widened}


def _open(moment: datetime) -> datetime | None:
    return None if moment in (OPEN_SINCE, OPEN_UNTIL) else moment


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
