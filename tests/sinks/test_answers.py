"""Answers of the views equal the truth from the raw events; every parameter is data, whatever it holds."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from schemas.topics import EventType
from sinks.analytics import (
    Analytics,
    ArrowAnalytics,
    Dimension,
    Filter,
    FrameAnalytics,
    Grain,
    Measure,
    Period,
    Side,
    Step,
    filled,
    view_parameters,
)
from sinks.campaigns import Campaign, Campaigns
from sinks.client import connect
from sinks.errors import QueryError
from sinks.migrations import Retention, migrate, shipped_views
from streams.rules import Rules
from tests.conftest import Server
from tests.sinks.counting import KEPT, count
from tests.sinks.years import HOSTILE, REGIONS, Event, events, grouped, step_of, total, windows

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

EVENTS = events(seed=6, number=2_500)
USE, VIEW, CREATION = EventType.STICKER_USE, EventType.VIDEO_VIEW, EventType.VIDEO_CREATION
Wanted = Callable[[Event], bool]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


YEAR = Period(at("2024-01-01"), at("2025-01-01"), Grain.DAY)
ODD = Period(at("2024-02-28T05:00"), at("2024-03-10T22:00"), Grain.HOUR)
NIGHT = Period(at("2024-02-28T23:30"), at("2024-02-29T02:10"), Grain.MINUTE)


@pytest.fixture(scope="module")
def client(clickhouse: Server) -> Iterator[Client]:
    client = connect(clickhouse.url, clickhouse.user, clickhouse.password)
    migrate(client, "test_answers", Retention(KEPT, KEPT))
    rng = random.Random(7)
    rules = Rules(tag_groups={"kind": ("love", "kindness")})
    count(client, ((e.kind, e.record(rng)) for e in EVENTS), rules, at("2025-06-01").timestamp())
    Campaigns(client).define(Campaign("kind", ("kindness", "love")), 0)
    yield client
    client.command("DROP DATABASE test_answers")
    client.close()


@pytest.fixture(scope="module")
def ask(client: Client) -> Analytics:
    return Analytics(client)


def inside(period: Period, kind: EventType, wanted: Wanted = lambda _: True) -> list[Event]:
    return [e for e in EVENTS if e.kind is kind and period.since <= e.at < period.until and wanted(e)]


#: A filter, and the same in plain Python.
FILTERS: dict[str, tuple[Filter, Wanted]] = {
    "all": (Filter(), lambda e: True),
    "tag": (Filter("#Love"), lambda e: "love" in e.tags),
    "group": (Filter("@kind"), lambda e: bool({"love", "kindness"} & e.tags)),
    "countries": (Filter(countries=["us", "UK"]), lambda e: e.country in ("US", "GB")),
    "stickers": (Filter(stickers=["Heart", "it's"]), lambda e: e.sticker in ("heart", "it's")),
    "every": (
        Filter("爱", ["heart", "🎉"], ["PH", "US", "ZZ", "QM"]),
        lambda e: "爱" in e.tags and e.sticker in ("heart", "🎉") and e.country in ("PH", "US", "ZZ", "QM"),
    ),
}


# ---- over time ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "period"),
    [
        (Step.MINUTE, NIGHT),
        (Step.HOUR, ODD),
        (Step.DAY, ODD),
        (Step.DAY, YEAR),
        (Step.WEEK, YEAR),
        (Step.WEEK, ODD),
        (Step.MONTH, YEAR),
        (Step.MONTH, NIGHT),
    ],
    ids=lambda x: x.value if isinstance(x, Step) else x.grain.value,
)
@pytest.mark.parametrize("name", ["all", "every", "group"])
def test_a_series_equals_the_truth(ask: Analytics, step: Step, period: Period, name: str) -> None:
    where, wanted = FILTERS[name]
    truth = grouped(inside(period, USE, wanted), lambda e: [step_of(step, e.at)])
    rows = ask.series(USE, period, step, where)
    assert [(row["begins"], row["events"], row["videos"]) for row in rows] == [(k, *truth[k]) for k in sorted(truth)]
    for row in filled(rows, period, step):
        assert (row["events"], row["videos"]) == truth.pop(row["begins"], (0, 0))
    assert not truth


@pytest.mark.parametrize("kind", [VIEW, CREATION])
@pytest.mark.parametrize("name", ["all", "tag", "group", "countries"])
def test_a_series_of_every_event_type(ask: Analytics, kind: EventType, name: str) -> None:
    where, wanted = FILTERS[name]
    truth = grouped(inside(YEAR, kind, wanted), lambda e: [step_of("week", e.at)])
    rows = ask.series(kind, YEAR, Step.WEEK, where)
    assert {row["begins"]: (row["events"], row["videos"]) for row in rows} == truth


def test_a_filled_series_has_every_step() -> None:
    rows = [
        {"begins": at("2024-02-01"), "events": 3, "videos": 1},
        {"begins": at("2024-04-01"), "events": 1, "videos": 1},
    ]
    months = filled(rows, Period(at("2023-12-15"), at("2024-05-02"), Grain.DAY), Step.MONTH)
    assert [(row["begins"].month, row["events"]) for row in months] == [(12, 0), (1, 0), (2, 3), (3, 0), (4, 1), (5, 0)]
    assert filled([], YEAR, Step.DAY) == []
    with pytest.raises(ValueError, match="longer step"):
        filled(rows, YEAR, Step.MINUTE)


@pytest.mark.parametrize("step", [Step.DAY, Step.MONTH])
def test_year_to_date_equals_the_truth(ask: Analytics, step: Step) -> None:
    where, wanted = FILTERS["stickers"]
    rows = ask.cumulative(USE, YEAR, step, where)
    assert rows
    steps = grouped(inside(YEAR, USE, wanted), lambda e: [step_of(step, e.at)])
    for row in rows:
        assert (row["events"], row["videos"]) == steps.pop(row["begins"])
        so_far = [e for e in inside(YEAR, USE, wanted) if step_of(step, e.at) <= row["begins"]]
        assert (row["events_so_far"], row["videos_so_far"]) == total(so_far)
    assert not steps


@pytest.mark.parametrize(
    ("period", "size", "hop"),
    [
        (YEAR, timedelta(days=7), timedelta(days=1)),
        (YEAR, timedelta(days=30), timedelta(days=10)),
        (YEAR, timedelta(days=2), timedelta(days=2)),
        (ODD, timedelta(hours=24), timedelta(hours=1)),
        (ODD, timedelta(hours=7), timedelta(hours=3)),
        (NIGHT, timedelta(minutes=15), timedelta(minutes=1)),
    ],
)
def test_hopping_windows_equal_the_truth(ask: Analytics, period: Period, size: timedelta, hop: timedelta) -> None:
    where, wanted = FILTERS["stickers"]
    chosen = inside(period, USE, wanted)
    truth = {}
    for begin, end in windows(period.since, period.until, size, hop):
        found = total(e for e in chosen if begin <= e.at < end)
        if found[0]:
            truth[begin, end] = found
    rows = ask.hopping(USE, period, size, hop, where)
    assert {(row["begins"], row["ends"]): (row["events"], row["videos"]) for row in rows} == truth
    assert len(rows) == len(truth) > 0


# ---- rankings -----------------------------------------------------------------------------------------

DIMENSIONS: dict[Dimension, Callable[[Event], list[str]]] = {
    "hashtag": lambda e: sorted(e.tags),
    "sticker": lambda e: [e.sticker],
    "country": lambda e: [e.country],
}


@pytest.mark.parametrize("of", list(DIMENSIONS))
@pytest.mark.parametrize("measure", ["events", "videos"])
@pytest.mark.parametrize("period", [YEAR, ODD], ids=["year", "odd"])
@pytest.mark.parametrize("countries", [(), ("PH", "US", "BR")], ids=["all countries", "three"])
def test_a_ranking_equals_the_truth(
    ask: Analytics, of: Dimension, measure: Measure, period: Period, countries: Sequence[str]
) -> None:
    truth = grouped(inside(period, USE, lambda e: not countries or e.country in countries), DIMENSIONS[of])
    rows = ask.top(of, USE, period, measure=measure, countries=countries, limit=5)
    first = 1 if measure == "videos" else 0
    ranked = sorted(truth, key=lambda k: (-truth[k][first], -truth[k][0], k.encode()))[:5]
    assert [(row["name"], row["events"], row["videos"]) for row in rows] == [(k, *truth[k]) for k in ranked]


def test_stickers_used_with_a_tag_and_tags_used_with_a_sticker(ask: Analytics) -> None:
    stickers = ask.top("sticker", USE, YEAR, hashtags=["love"])
    assert {row["name"]: row["events"] for row in stickers} == {
        name: found[0]
        for name, found in grouped(inside(YEAR, USE, lambda e: "love" in e.tags), DIMENSIONS["sticker"]).items()
    }
    tags = ask.top("hashtag", USE, YEAR, stickers=["heart"], hashtags=["love", "爱", "nobody's"], limit=100)
    truth = grouped(inside(YEAR, USE, lambda e: e.sticker == "heart"), DIMENSIONS["hashtag"])
    assert {row["name"]: row["events"] for row in tags} == {name: truth[name][0] for name in ("love", "爱")}


def test_several_tags_may_only_be_ranked(ask: Analytics) -> None:
    with pytest.raises(ValueError, match="one at most"):
        ask.top("sticker", USE, YEAR, hashtags=["love", "爱"])


@pytest.mark.parametrize("measure", ["events", "videos"])
@pytest.mark.parametrize("before_since", ["2024-02-01", "2024-02-20"], ids=["month before", "overlapping"])
@pytest.mark.parametrize("name", ["all", "stickers", "group"])
def test_countries_with_share_and_change_equal_the_truth(
    ask: Analytics, measure: Measure, name: str, before_since: str
) -> None:
    where, wanted = FILTERS[name]
    march = Period(at("2024-03-01"), at("2024-04-01"), Grain.DAY)
    before = Period(at(before_since), at(before_since) + timedelta(days=29), Grain.DAY)
    now, then = (grouped(inside(period, USE, wanted), DIMENSIONS["country"]) for period in (march, before))
    first = 1 if measure == "videos" else 0
    places = [
        {k: n for n, k in enumerate(sorted(found, key=lambda k: (-found[k][first], -found[k][0], k)), 1)}
        for found in (now, then)
    ]
    rows = ask.country_ranking(
        USE, march, before, measure=measure, hashtag=where.hashtag, stickers=where.stickers, limit=6
    )
    assert [row["country"] for row in rows] == sorted(now, key=places[0].__getitem__)[:6]
    everything = sum(found[0] for found in now.values())
    for row in rows:
        country = row["country"]
        assert (row["rank"], row["events"], row["videos"]) == (places[0][country], *now[country])
        assert (row["events_before"], row["videos_before"]) == then.get(country, (0, 0))
        assert row["share"] == pytest.approx(100 * now[country][0] / everything)
        assert row["region"] == REGIONS[country]
        if country in then:
            assert row["rank_change"] == places[1][country] - places[0][country]
            assert row["growth"] == pytest.approx(now[country][0] / then[country][0])
        else:
            assert row["rank_change"] is row["growth"] is None


@pytest.mark.parametrize("name", ["all", "tag", "countries", "every"])
def test_regions_equal_the_truth(ask: Analytics, name: str) -> None:
    where, wanted = FILTERS[name]
    chosen = inside(YEAR, USE, wanted)
    truth = grouped(chosen, lambda e: [REGIONS[e.country]])
    rows = ask.region_totals(USE, YEAR, where)
    assert {row["region"]: (row["events"], row["videos"]) for row in rows} == truth
    assert sum(row["share"] for row in rows) == pytest.approx(100)
    assert {row["region"]: row["countries"] for row in rows} == {
        region: len({e.country for e in chosen if REGIONS[e.country] == region}) for region in truth
    }


# ---- unions and comparisons ---------------------------------------------------------------------------


@pytest.mark.parametrize("hashtags", [[], ["love"], ["love", "kindness", "爱"]])
@pytest.mark.parametrize("stickers", [[], ["heart"], ["heart", "star"]])
@pytest.mark.parametrize("period", [YEAR, ODD], ids=["year", "odd"])
def test_distinct_videos_are_one_union(
    ask: Analytics, hashtags: list[str], stickers: list[str], period: Period
) -> None:
    def wanted(e: Event) -> bool:
        return (not hashtags or bool(set(hashtags) & e.tags)) and (not stickers or e.sticker in stickers)

    uses, videos = total(inside(period, USE, wanted))
    [row] = ask.distinct_videos(period, stickers=stickers, hashtags=hashtags)
    assert row["videos"] == videos  # so few that the sketch is exact
    assert row["videos_low"] <= videos <= row["videos_high"]
    assert row["uses_at_least"] <= uses <= row["uses_at_most"]
    if len(hashtags) < 2:
        assert row["uses_at_least"] == uses == row["uses_at_most"]


def test_the_stated_error_of_distinct_videos_holds(client: Client) -> None:
    found = client.query(
        "SELECT arrayJoin(range(20)) AS try, uniqCombined64(14)(toUInt64(number * 1000003 + try * 7))"
        " FROM numbers(100000) GROUP BY try"
    ).result_rows
    errors = [abs(estimate - 100_000) / 100_000 for _, estimate in found]
    assert max(errors) < 3 * 0.0082


SIDES = {
    "two periods": (
        Side(YEAR, Filter("love")),
        Side(Period(at("2023-12-20"), at("2024-01-01"), Grain.DAY), Filter("love")),
    ),
    "overlapping periods": (Side(YEAR), Side(Period(at("2024-12-01"), at("2025-02-01"), Grain.DAY))),
    "two tags": (Side(YEAR, Filter("love")), Side(YEAR, Filter("kindness"))),
    "tag and group": (Side(ODD, Filter("@kind")), Side(ODD, Filter("love", countries=["US"]))),
    "two groups of stickers": (Side(YEAR, Filter(stickers=["heart", "star"])), Side(YEAR, Filter(stickers=["🎉"]))),
    "a part and all": (Side(YEAR, Filter(stickers=["heart"])), Side(YEAR)),
    "nothing and all": (Side(YEAR, Filter("nobody")), Side(YEAR)),
}


def in_side(side: Side) -> Wanted:
    where = side.where

    def wanted(e: Event) -> bool:
        tags = {*e.tags, "", *(["@kind"] if {"love", "kindness"} & e.tags else [])}
        return (
            where.hashtag in tags
            and (not where.stickers or e.sticker in where.stickers)
            and (not where.countries or e.country in where.countries)
            and side.period.since <= e.at < side.period.until
        )

    return wanted


@pytest.mark.parametrize("name", list(SIDES))
def test_a_comparison_equals_the_truth(ask: Analytics, name: str) -> None:
    a, b = SIDES[name]
    uses = [e for e in EVENTS if e.kind is USE]
    in_a, in_b = ([e for e in uses if in_side(side)(e)] for side in (a, b))
    [row] = ask.compare(USE, a, b)
    assert (row["events_a"], row["videos_a"]) == total(in_a)
    assert (row["events_b"], row["videos_b"]) == total(in_b)
    assert row["videos_either"] == len({e.video for e in in_a + in_b})
    assert row["difference"] == len(in_a) - len(in_b)
    assert row["ratio"] == pytest.approx(len(in_a) / len(in_b))


# ---- what the client promises -------------------------------------------------------------------------


def test_frames_and_arrow_tables_hold_the_same(client: Client, ask: Analytics) -> None:
    rows = ask.series(USE, YEAR, Step.MONTH)
    frame = FrameAnalytics(client).series(USE, YEAR, Step.MONTH)
    assert [
        (b.to_pydatetime().replace(tzinfo=UTC), e) for b, e in zip(frame["begins"], frame["events"], strict=True)
    ] == [(row["begins"], row["events"]) for row in rows]
    table = ArrowAnalytics(client).series(USE, YEAR, Step.MONTH)
    assert table.to_pylist() == rows


def test_a_step_that_is_too_short_is_refused(ask: Analytics) -> None:
    with pytest.raises(ValueError, match="too coarse for steps of a hour"):
        ask.series(USE, YEAR, Step.HOUR)
    with pytest.raises(ValueError, match="multiples of a hour"):
        ask.hopping(USE, ODD, timedelta(minutes=90), timedelta(minutes=30))
    with pytest.raises(ValueError, match="two grains"):
        ask.compare(USE, Side(YEAR), Side(ODD))


@pytest.mark.parametrize(
    ("parameter", "value"),
    [("step", "fortnight"), ("event", "likes"), ("grain", "week"), ("of", "video_id"), ("measure", "uses")],
)
def test_a_word_that_a_view_does_not_know_is_named(client: Client, parameter: str, value: str) -> None:
    view = next(name for name in ("series", "top") if parameter in view_parameters(name))
    with pytest.raises(DatabaseError, match=f"Unknown element '{value}' for enum"):
        client.query(*call(view, {parameter: value}))


def call(view: str, given: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """A call of a view: harmless values, but for what is `given`."""
    harmless: dict[str, Any] = {
        "event": "sticker_use",
        "grain": "day",
        "step": "day",
        "of": "hashtag",
        "measure": "events",
        "size": 86_400,
        "hop": 86_400,
        "limit": 1_000,
        "own_period": 1,
        "days": 7,
        "minimum": 1,
        "z": 4.0,
    }
    values = {}
    for name, kind in view_parameters(view).items():
        bound = {"DateTime('UTC')": YEAR.until if "until" in name else YEAR.since, "Array(String)": []}
        values[name] = given.get(name, harmless.get(name, bound.get(kind, "")))
    arguments = ", ".join(f"{name} = {{{name}:{kind}}}" for name, kind in view_parameters(view).items())
    columns = "* EXCEPT videos" if view == "campaign_cells" else "*"  # which are sketches there
    return f"SELECT {columns} FROM {view}({arguments})", values


# ---- the grain that a view chooses by itself ----------------------------------------------------------


def read(client: Client, view: str, given: dict[str, Any]) -> tuple[list[Any], int]:
    """An answer, and the rows that were read for it, whatever was asked before."""
    found = client.query(*call(view, given), settings={"use_query_condition_cache": 0})
    return list(found.result_rows), int(found.summary["read_rows"])


def bounds(view: str, period: Period) -> dict[str, datetime]:
    names = (name for name, kind in view_parameters(view).items() if kind == "DateTime('UTC')")
    return {name: period.until if "until" in name else period.since for name in names}


VIEWS_OF_A_PERIOD = [
    view
    for view in shipped_views()
    if "grain" in view_parameters(view) and {"since", "since_a"} & view_parameters(view).keys()
]


@pytest.mark.parametrize("period", [YEAR, ODD, NIGHT], ids=lambda period: period.grain.value)
@pytest.mark.parametrize("view", VIEWS_OF_A_PERIOD)
def test_a_view_reads_the_coarsest_grain_that_is_exact(client: Client, view: str, period: Period) -> None:
    chosen, named = (
        read(client, view, {"grain": grain, "measure": "videos", **bounds(view, period)})
        for grain in ("auto", period.grain.value)
    )
    assert chosen == named


@pytest.mark.parametrize(("step", "grain"), [("minute", "minute"), ("hour", "hour"), ("week", "day")])
def test_steps_and_hops_are_whole_windows_too(client: Client, step: str, grain: str) -> None:
    lengths = {"minute": 60, "hour": 7_200, "week": 604_800}
    for view, given in (
        ("series", {"step": step}),
        ("cumulative", {"step": step}),
        ("hopping", {"size": 2 * lengths[step], "hop": lengths[step]}),
    ):
        day = bounds(view, Period(at("2024-02-26"), at("2024-03-25"), Grain.DAY))
        chosen, named = (read(client, view, {"grain": name, **given, **day}) for name in ("auto", grain))
        assert chosen == named
        assert chosen[0]


@pytest.mark.parametrize(("end", "grain"), [("2024-03-01T12:00", "hour"), ("2024-03-01T12:01", "minute")])
def test_a_rise_is_asked_of_hours_where_they_are_whole(client: Client, end: str, grain: str) -> None:
    chosen, named = (read(client, "rising_hashtags", {"grain": name, "at": at(end)}) for name in ("auto", grain))
    assert chosen == named


def test_a_grain_that_is_not_kept_is_never_chosen(clickhouse: Server) -> None:
    client = connect(clickhouse.url, clickhouse.user, clickhouse.password)
    migrate(client, "test_kept", Retention(30, 400))
    try:
        assert client.query(*call("totals", {"grain": "auto", **bounds("totals", YEAR)})).result_rows == []
        for period, kept in ((ODD, "hours"), (NIGHT, "minutes")):
            with pytest.raises(DatabaseError, match=f"{kept} are not kept since then"):
                client.query(*call("totals", {"grain": "auto", **bounds("totals", period)}))
            with pytest.raises(DatabaseError, match=f"{kept} are not kept since then"):
                client.query(*call("compare", {"grain": "auto", **bounds("compare", period)}))
            assert not client.query(*call("totals", {"grain": period.grain, **bounds("totals", period)})).result_rows
    finally:
        client.command("DROP DATABASE test_kept")
        client.close()


PARAMETERS = [(view, name, kind) for view in shipped_views() for name, kind in view_parameters(view).items()]
FIXED = {"event", "grain", "step", "of", "measure"}


@pytest.mark.parametrize(
    ("view", "parameter"), [(v, p) for v, p, kind in PARAMETERS if "String" in kind and p not in FIXED]
)
def test_no_text_in_a_parameter_is_more_than_text(client: Client, view: str, parameter: str) -> None:
    """A hostile value that nothing is called finds what any unknown name finds, and less than there is."""
    given: dict[str, Any] = {"campaign": "kind"}
    if view == "rising_hashtags":
        given = {"at": at("2024-03-01T01:00"), "grain": "hour", "days": 28, "z": 0.0}

    def found(value: str) -> list[Any]:
        array = "Array" in view_parameters(view)[parameter]
        return list(client.query(*call(view, given | {parameter: [value] if array else value})).result_rows)

    nothing = found("a name that nothing has")
    assert nothing != client.query(*call(view, given)).result_rows, "without a filter it finds more"
    for value in (
        "x' OR '1'='1",
        "x'], ['heart",
        "x\\' OR 1=1 --",
        "x'); DROP TABLE engagement_day; --",
        "x\\",
        "x\n\t\0",
    ):
        assert found(value) == nothing, value
    assert client.query("SELECT count() FROM engagement_day").result_rows[0][0] > 0


@pytest.mark.parametrize(
    ("view", "parameter"), [(v, p) for v, p, kind in PARAMETERS if "String" not in kind or p in FIXED]
)
def test_no_text_passes_for_a_number_moment_or_word(client: Client, view: str, parameter: str) -> None:
    sql, values = call(view, {parameter: "1 OR 1=1"})
    with pytest.raises(DatabaseError):
        client.query(sql, values)


@pytest.mark.parametrize("tag", HOSTILE)
def test_a_hostile_tag_is_counted_and_found_like_any_other(ask: Analytics, tag: str) -> None:
    truth = total(inside(YEAR, USE, lambda e: tag in e.tags))
    assert truth[0] > 0
    months = ask.series(USE, YEAR, Step.MONTH, Filter(tag))
    assert sum(row["events"] for row in months) == truth[0]
    [union] = ask.distinct_videos(YEAR, hashtags=[tag])
    assert (union["uses_at_most"], union["videos"]) == truth
    [named] = ask.top("hashtag", USE, YEAR, hashtags=[tag])
    assert (named["name"], named["events"]) == (tag, truth[0])


@pytest.mark.parametrize(
    ("arguments", "named"),
    [({"hashtag": "#"}, "hashtag"), ({"stickers": ["heart", " "]}, "sticker"), ({"countries": ["PHL"]}, "country")],
)
def test_a_filter_that_means_nothing_is_refused(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Filter(**arguments)


def test_what_clickhouse_refuses_is_one_error(clickhouse: Server) -> None:
    other = connect(clickhouse.url, clickhouse.user, clickhouse.password, "system")
    with pytest.raises(QueryError, match="refused the view series"):
        Analytics(other).series(USE, YEAR, Step.DAY)
    other.close()


def test_completeness_knows_every_partition(ask: Analytics) -> None:
    rows = ask.completeness(YEAR)
    assert [(row["topic"], row["partition"], row["open"]) for row in rows] == [
        ("sticker-uses", 0, 0),
        ("video-creations", 0, 0),
        ("video-views", 0, 0),
    ]
    for row, kind in zip(rows, (USE, CREATION, VIEW), strict=True):
        assert row["counted_to"] == sum(e.kind is kind for e in EVENTS)
        assert row["changed_at"] == row["counted_at"] <= row["as_of"]
    assert ask.as_of() == max(row["counted_at"] for row in rows)
    untouched = ask.completeness(Period(at("2020-01-01"), at("2021-01-01"), Grain.DAY))
    assert [row["changed_at"] for row in untouched] == [None, None, None]


def test_storage_counts_the_rows_of_every_grain(client: Client, ask: Analytics) -> None:
    sizes = {row["table"]: row for row in ask.storage()}
    for table in ("engagement_minute", "engagement_hour", "engagement_day"):
        assert sizes[table]["rows"] == client.query(f"SELECT count() FROM {table}").result_rows[0][0]
        assert sizes[table]["bytes"] > 0
        assert sizes[table]["since"] <= at("2024-01-01") < at("2025-01-01") <= sizes[table]["until"]
