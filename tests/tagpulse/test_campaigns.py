"""tagpulse campaign, trend and report on the command line, on a real ClickHouse without a worker."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner, Result

from sinks.campaigns import Campaign, Campaigns
from sinks.errors import CampaignError
from streams.rules import MAX_GROUPS, Rules
from tagpulse.campaigns.definition import check_new
from tagpulse.cli import cli
from tagpulse.reports.plot import blocks
from tagpulse.reports.words import quoted_bounds, quoted_change, quoted_length, quoted_number
from tests.conftest import Server
from tests.counted import count

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

Run = Callable[..., Result]
NOW = datetime.now(UTC).replace(microsecond=0)
EVIL = "<script>alert(1)</script>"
FORMULA = "=1+2"


@pytest.fixture
def run(clickhouse: Server, database: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """`tagpulse` with arguments, on a database of its own."""
    monkeypatch.chdir(tmp_path)
    given = {
        "TAGPULSE_CLICKHOUSE_URL": clickhouse.url,
        "TAGPULSE_CLICKHOUSE_USER": clickhouse.user,
        "TAGPULSE_CLICKHOUSE_PASSWORD": clickhouse.password,
        "TAGPULSE_CLICKHOUSE_DATABASE": database.database,
        "TAGPULSE_ANALYST_USER": "",
        "TAGPULSE_RETENTION_MINUTE_DAYS": "36500",
        "TAGPULSE_RETENTION_HOUR_DAYS": "36500",
        "COLUMNS": "200",
    }

    def invoke(*arguments: str, code: int = 0, **settings: str) -> Result:
        done = CliRunner().invoke(cli, arguments, env=given | settings)
        if not isinstance(done.exception, CampaignError):
            assert done.exit_code == code, done.output
        return done

    return invoke


def refused(done: Result) -> str:
    assert isinstance(done.exception, CampaignError), done.output
    return str(done.exception)


def test_a_definition_is_kept_in_normal_form(run: Run, database: Client) -> None:
    done = run(
        "campaign", "add", "@CreateKindness", "--hashtags", "#CreateKindness, love,Kindness,#LOVE",
        "--stickers", "Heart", "--from", "2026-05-01", "--until", "2026-06-01", "--countries", "us,UK",
    )  # fmt: skip
    assert "@createkindness" in done.output
    kept = Campaigns(database).newest("createkindness")
    assert kept is not None
    assert (kept.hashtags, kept.stickers) == (("createkindness", "kindness", "love"), ("heart",))
    assert (kept.since, kept.until) == (datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC))
    assert (kept.countries, kept.version) == (("GB", "US"), 1)
    (listed,) = json.loads(run("campaign", "list", "--format", "json").output)
    assert listed["hashtags"] == list(kept.hashtags)
    assert "createkindness" in run("campaign", "list").output


def test_edits_and_removal_are_versions(run: Run, database: Client) -> None:
    run("campaign", "add", "kind", "--hashtags", "love", "--countries", "PH", "--from", "2026-05-01")
    run("campaign", "edit", "kind", "--hashtags", "love,joy")
    run("campaign", "edit", "kind", "--countries", "", "--from", "")
    assert "is there already" in refused(run("campaign", "add", "kind", "--hashtags", "x"))
    run("campaign", "remove", "kind", "--yes")
    assert "was removed" in refused(run("campaign", "show", "kind"))
    assert "was removed" in refused(run("campaign", "edit", "kind", "--hashtags", "x"))
    run("campaign", "add", "kind", "--hashtags", "x")
    found = [(c.version, c.hashtags, c.countries, c.since.year, c.removed) for c in Campaigns(database).history("kind")]
    assert found == [
        (1, ("love",), ("PH",), 2026, False),
        (2, ("joy", "love"), ("PH",), 2026, False),
        (3, ("joy", "love"), (), 1970, False),
        (4, ("joy", "love"), (), 1970, True),
        (5, ("x",), (), 1970, False),
    ]


def test_what_cannot_be_a_campaign_is_refused(run: Run) -> None:
    cases: list[tuple[list[str], str]] = [
        (["kind"], "neither hashtags nor stickers"),
        (["#", "--hashtags", "love"], "NAME"),
        (["a,b", "--hashtags", "love"], "no comma"),
        (["x" * 65, "--hashtags", "love"], "1 to 64 bytes"),
        (["kind", "--hashtags", "love,##"], "--hashtags: '##' is empty in normal form"),
        (["kind", "--stickers", "@"], "--stickers: '@' is empty"),
        (["kind", "--hashtags", "x" * 600], "max_tag_bytes"),
        (["kind", "--hashtags", ",".join(f"t{n}" for n in range(300))], "limit is 256"),
        (["kind", "--hashtags", "love", "--countries", "PHL"], "--countries"),
        (["kind", "--hashtags", "love", "--from", "2026-05-02", "--until", "2026-05-01"], "the period is empty"),
    ]
    for arguments, message in cases:
        assert message in refused(run("campaign", "add", *arguments))
    assert "there are no campaigns" in run("campaign", "list").output


def test_the_name_of_a_static_group_is_refused(run: Run, database: Client) -> None:
    groups = '{"kind": ["love"]}'
    said = refused(run("campaign", "add", "kind", "--hashtags", "joy", TAGPULSE_TAG_GROUPS=groups))
    assert "TAGPULSE_TAG_GROUPS" in said
    event = {"type": "video_creation", "ts": NOW.isoformat(), "video_id": "1"}
    count(database, [event], NOW, Rules(tag_groups={"ofaworker": ("love",)}))
    assert "TAGPULSE_TAG_GROUPS" in refused(run("campaign", "add", "OfAWorker", "--hashtags", "joy"))


def test_the_number_of_groups_is_bounded() -> None:
    campaigns = {f"c{n}" for n in range(MAX_GROUPS - 2)}
    check_new("one more", campaigns, {"static"}, MAX_GROUPS)
    with pytest.raises(CampaignError, match=f"the limit is {MAX_GROUPS}"):
        check_new("one more", campaigns | {"another"}, {"static"}, MAX_GROUPS)
    check_new("another", campaigns | {"another"}, {"static"}, MAX_GROUPS)  # an edit


# -- reports ------------------------------------------------------------------------------------------------


@pytest.fixture
def counted(database: Client) -> Client:
    """A campaign with hostile tags, counted in part before it was defined."""
    tags = ("love", EVIL, FORMULA)
    common: dict[str, Any] = {"country": "PH", "hashtags": ["Love", EVIL, FORMULA]}
    old, new = NOW - timedelta(days=3), NOW - timedelta(hours=5)
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("video_creation", {}),
        ("video_view", {"count": 1_000_000}),
        ("sticker_use", {"sticker": "heart"}),
    ]
    for number, (clock, rules) in enumerate(((old, Rules()), (NOW, Rules(tag_groups={"kind": tags})))):
        moment = old if number == 0 else new
        events = [
            common
            | more
            | {"type": kind, "ts": (moment - timedelta(minutes=n)).isoformat(), "video_id": str(100 * number + n)}
            for kind, more in kinds
            for n in range(40)
        ]
        count(database, events, clock, rules)
        if number == 0:
            Campaigns(database).define(Campaign("kind", tuple(sorted(tags)), ("heart",)), 0)
    return database


class Elements(HTMLParser):
    """Which elements a page has, and what stands in them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.links: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [str(value) for name, value in attrs if name in ("src", "href", "onload", "onclick")]
        if tag not in ("meta", "rect", "line"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("rect", "line"):
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def since(days: int) -> tuple[str, str]:
    return "--since", (NOW - timedelta(days=days)).isoformat()


def test_a_report_as_a_page(run: Run, counted: Client, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    run("report", "campaign", "kind", "--out", str(out), *since(1))
    page = Elements(out.read_text())
    assert page.open == []
    assert page.links == []
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert page.tags.count("svg") == 3
    text = " ".join(page.words)
    assert "#" + EVIL in text
    assert "40 million" in text
    assert "40 videos" in text
    assert "Philippines" in text
    assert "each event is counted once" in text
    assert "rect" in page.tags


def test_before_the_definition_a_report_speaks_of_bounds(run: Run, counted: Client) -> None:
    found = json.loads(run("report", "campaign", "kind", "--format", "json", *since(7)).output)
    by_event = {h["event"]: h for h in found["headlines"]}
    assert (by_event["video_view"]["at_least"], by_event["video_view"]["at_most"]) == (80_000_000, 160_000_000)
    assert by_event["video_view"]["quote"] == "between 80 million and 160 million views"
    assert (by_event["sticker_use"]["exact"], by_event["sticker_use"]["videos"]) == (True, 80)
    assert any("are bounds" in note for note in found["quality"]["notes"])
    assert found["exact_from"] is not None
    shown = run("campaign", "show", "kind", *since(7)).output
    assert "exact since" in shown
    assert {h["answer"][:11] for h in found["headlines"]} == {"exact since", "exact"}


def test_a_report_for_mails_and_spreadsheets(run: Run, counted: Client) -> None:
    said = run("report", "campaign", "kind", *since(1)).output
    assert "**40 million views**, exact" in said
    assert EVIL not in said
    rows = list(csv.DictReader(io.StringIO(run("report", "campaign", "kind", "--format", "csv", *since(1)).output)))
    totals = {row["event_type"]: row for row in rows if row["what"] == "total"}
    assert totals["video_view"]["at_least"] == totals["video_view"]["at_most"] == "40000000"
    windows = [row for row in rows if row["what"] == "window" and row["event_type"] == "video_creation"]
    assert sum(int(row["at_most"]) for row in windows) == 40
    assert "'" + FORMULA in {row["key"] for row in rows}


def test_a_report_says_how_many_places_a_country_climbed(run: Run, database: Client, tmp_path: Path) -> None:
    Campaigns(database).define(Campaign("hearts", (), ("heart",)), 0)
    uses = {36: {"US": 3, "PH": 2}, 5: {"PH": 4, "US": 1, "BR": 2}}
    events = [
        {
            "type": "sticker_use", "ts": (NOW - timedelta(hours=hours, minutes=n)).isoformat(), "sticker": "heart",
            "country": country, "video_id": str(n), "hashtags": [],
        }
        for hours, by_country in uses.items()
        for country, number in by_country.items()
        for n in range(number)
    ]  # fmt: skip
    count(database, events, NOW, Rules())
    report = ("report", "campaign", "hearts", *since(1))
    found = json.loads(run(*report, "--format", "json").output)["countries"]["sticker_use"]
    assert [(row["country"], row["places_climbed"]) for row in found] == [("PH", 1), ("BR", None), ("US", -2)]
    said = run(*report).output
    assert "| 1 | Philippines | 4 | 4 | 57.1% | +1 |" in said
    assert "| 2 | Brazil | 2 | 2 | 28.6% | new |" in said
    (line,) = [line for line in said.splitlines() if line.startswith("sticker uses")]
    bars = line.split("|")[1]
    assert 1 <= len(bars.strip()) <= 2, "all within minutes"
    run(*report, "--out", str(tmp_path / "r.html"))
    words = Elements((tmp_path / "r.html").read_text()).words
    assert "places climbed" in words
    assert words[words.index("United States") :].index("-2") < 6


@pytest.mark.parametrize(("minutes", "said"), [(24, "24 min"), (90, "90 min"), (180, "3 h"), (2_880, "2 d")])
def test_a_length_in_its_largest_unit(minutes: int, said: str) -> None:
    assert quoted_length(timedelta(minutes=minutes)) == said


def test_bars_of_text_show_what_is_there() -> None:
    assert blocks([0, 1, 500, 1000]) == " ▁▄█"
    assert blocks([0, 0]) == "  "


def test_a_report_as_a_picture(run: Run, counted: Client, tmp_path: Path) -> None:
    picture = tmp_path / "r.png"
    run("report", "campaign", "kind", "--out", str(picture), *since(1))
    begin = picture.read_bytes()[:24]
    assert begin.startswith(b"\x89PNG\r\n\x1a\n")
    assert int.from_bytes(begin[16:20], "big") == 11 * 150, "pixels"


def test_a_report_needs_a_period_with_something_in_it(run: Run, counted: Client, tmp_path: Path) -> None:
    assert "nothing yet" in refused(run("report", "campaign", "kind", "--until", "2020-01-01"))
    assert "is not there" in refused(run("report", "campaign", "nobody"))
    assert "--out" in refused(run("report", "campaign", "kind", "--out", str(tmp_path / "no" / "r.html"), *since(1)))
    assert ".html, .md, .json, .csv or .png" in run("report", "campaign", "kind", "--out", "r.pdf", code=2).output


def test_trend_names_the_risers(run: Run, database: Client) -> None:
    at = NOW.replace(second=0)
    for day in range(3):
        tags = ["other"] * 60 + ["new"] * 60 * (day == 0)
        moment = at - timedelta(days=day, minutes=10)
        events = [
            {"type": "video_creation", "ts": moment.isoformat(), "video_id": str(n), "country": "PH", "hashtags": [tag]}
            for n, tag in enumerate(tags)
        ]
        count(database, events, NOW, Rules())
    for options in ([], ["--country", "ph"], ["--each-country"], ["--grain", "minute", "--days", "2"]):
        found = json.loads(run("trend", "--at", at.isoformat(), "--format", "json", *options).output)
        assert [row["hashtag"] for row in found["rows"]] == ["new"], options
    assert json.loads(run("trend", "--country", "US", "--format", "json").output)["rows"] == []
    assert "minutes are kept" in run("trend", "--days", "28", TAGPULSE_RETENTION_MINUTE_DAYS="20", code=2).output


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "0"),
        (999_999, "999,999"),
        (1_000_000, "1 million"),
        (99_960_000, "100 million"),
        (999_600_000, "1 billion"),
        (2_100_000_000, "2.1 billion"),
        (47_940_000_000, "47.9 billion"),
        (400_400_000_000, "400 billion"),
        (5 * 10**15, "5000 trillion"),
    ],
)
def test_numbers_as_they_are_quoted(number: int, words: str) -> None:
    assert quoted_number(number) == words


def test_bounds_and_changes_as_they_are_quoted() -> None:
    assert quoted_bounds(1_251_000, 1_449_000) == "between 1.2 million and 1.5 million"
    assert quoted_bounds(7, 7) == "7"
    assert [quoted_change(*pair) for pair in ((12, 10), (9, 10), (40, 10), (1, 0), (0, 0))] == [
        "+20 %", "-10 %", "4.0 times", "new", "none in both",
    ]  # fmt: skip
