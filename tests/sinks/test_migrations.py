"""Migrations: idempotent, checksummed, careful."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from sinks import migrations
from sinks.claims import Claim, Claims, Log
from sinks.errors import MigrationError
from sinks.migrations import Migration, Retention, migrate, require_current, shipped

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


def name_of(client: Client) -> str:
    assert client.database
    return client.database


def test_repeating_changes_nothing(database: Client) -> None:
    assert migrate(database, name_of(database), Retention(36_500, 36_500)) == []
    require_current(database)


def test_retention_is_a_setting(database: Client) -> None:
    changes = migrate(database, name_of(database), Retention(minute_days=7, hour_days=36_500))
    *views, ttl = changes
    assert ttl == "set TTL of engagement_minute: window_start + toIntervalDay(7)"
    assert all(change.startswith("replaced view ") for change in views), "those that know what is kept"


def test_an_edited_migration_is_refused(database: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    first, *rest = shipped()
    edited = [Migration(first.number, first.name, first.sql + "\n-- later thought"), *rest]
    monkeypatch.setattr(migrations, "shipped", lambda: edited)
    with pytest.raises(MigrationError, match=r"0001_protocol\.sql was edited"):
        migrate(database, name_of(database))
    with pytest.raises(MigrationError, match="tagpulse migrate"):
        require_current(database)


def test_a_newer_database_is_refused(database: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    known = shipped()[:-1]
    monkeypatch.setattr(migrations, "shipped", lambda: known)
    with pytest.raises(MigrationError, match="install a newer tagpulse"):
        migrate(database, name_of(database))


def test_a_new_migration_waits_for_open_claims(database: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    claims, log = Claims(database), Log("video-views", 0, 3)
    root = claims.begin(log, 0, "w", uuid4())
    claims.claim(Claim(log, 0, 5, uuid4(), "w", 1.0, "r"), root)
    number = len(shipped()) + 1
    more = [*shipped(), Migration(number, f"{number:04}_more.sql", "CREATE TABLE more (a UInt8) ENGINE = Memory")]
    monkeypatch.setattr(migrations, "shipped", lambda: more)
    with pytest.raises(MigrationError, match=r"video-views/3 \[0, 5\)"):
        migrate(database, name_of(database))
    # Of a log that is gone: nobody could ever finish it.
    claims.start_incarnation("video-views", "the log was lost")
    assert f"applied {number:04}_more.sql" in migrate(database, name_of(database))


def test_an_unmigrated_database_says_what_to_do(database: Client) -> None:
    database.command("DROP TABLE migrations")
    with pytest.raises(MigrationError, match="run `tagpulse migrate`"):
        require_current(database)


@pytest.mark.parametrize("name", ["a-b", "1a", "a;DROP", "", "ä"])
def test_strange_database_names_are_refused(database: Client, name: str) -> None:
    with pytest.raises(ValueError, match="not a database name"):
        migrate(database, name)


def test_countries_have_names_and_regions(database: Client) -> None:
    attributes = "('name', 'region', 'subregion')"
    found = database.query(
        f"SELECT dictGet('{name_of(database)}.country_names', {attributes}, tuple(arrayJoin(['PH', 'XK', 'ZZ'])))"
    ).result_rows
    assert [tuple(row[0].values()) if isinstance(row[0], dict) else tuple(row[0]) for row in found] == [
        ("Philippines", "APAC", "South-eastern Asia"),
        ("Kosovo", "Europe", "Southern Europe"),
        ("Unknown", "Unknown", ""),
    ]
