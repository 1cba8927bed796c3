"""Other people's tools reach the tables and views with the analyst's login."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, MetaData, Table, create_engine, func, inspect, select, text
from sqlalchemy.exc import DatabaseError

from sinks.client import connect
from sinks.migrations import Retention, migrate
from tests.conftest import Server
from tests.docs.test_queries import NOW, RULES, events
from tests.sinks.counting import KEPT, count


@pytest.fixture(scope="module")
def engine(clickhouse: Server) -> Iterator[Engine]:
    writer = connect(clickhouse.url, clickhouse.user, clickhouse.password)
    migrate(writer, "tagpulse", Retention(KEPT, KEPT))
    count(writer, events(NOW.isoformat()), RULES, NOW.timestamp())
    place = clickhouse.url.removeprefix("http://")
    engine = create_engine(f"clickhousedb://{clickhouse.analyst_user}:{clickhouse.analyst_password}@{place}/tagpulse")
    yield engine
    engine.dispose()
    writer.command("DROP DATABASE tagpulse")
    writer.close()


def test_sqlalchemy_lists_tables(engine: Engine) -> None:
    assert {"engagement_day", "countries", "top_countries"} <= set(inspect(engine).get_table_names())


def test_sqlalchemy_reads_a_table_by_its_columns(engine: Engine) -> None:
    day = Table("engagement_day", MetaData(), autoload_with=engine)
    wanted = (
        select(day.c.country, func.sum(day.c.events))
        .where(day.c.event_type == "sticker_use", day.c.hashtag == "love")
        .where(day.c.window_start < datetime(2026, 5, 6, tzinfo=UTC).replace(tzinfo=None))
        .group_by(day.c.country)
        .order_by(day.c.country)
    )
    with engine.connect() as connection:
        assert [tuple(row) for row in connection.execute(wanted)] == [("GB", 1), ("PH", 2)]


def test_sqlalchemy_asks_a_view_with_parameters(engine: Engine) -> None:
    question = text(
        "SELECT country, events FROM top_countries(event = 'sticker_use', hashtag = :tag, sticker = 'heart',"
        " since = '2026-05-01', until = '2026-06-01', grain = 'day', limit = 5)"
    )
    with engine.connect() as connection:
        assert [tuple(row) for row in connection.execute(question, {"tag": "love"})] == [("PH", 2), ("GB", 1)]
        assert connection.execute(question, {"tag": "x' OR 1=1 --"}).fetchall() == []


def test_sqlalchemy_changes_nothing(engine: Engine) -> None:
    with engine.connect() as connection, pytest.raises(DatabaseError):
        connection.execute(text("DROP TABLE engagement_day"))
