"""Bring a database to the schema of this build: numbered .sql files, each applied once, never edited after."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from clickhouse_connect.driver.exceptions import ClickHouseError

from sinks.claims import IN_FORCE
from sinks.client import check_identifier, first_line, quoted
from sinks.errors import MigrationError

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

#: The migration that makes the claims of backfills.
_BACKFILLS = 7
_FILE_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: its number, its name, its SQL and the SHA-256 of that text."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()

    def statements(self) -> Iterator[str]:
        """The statements in order, comments stripped."""
        text = "\n".join(line for line in self.sql.splitlines() if not line.lstrip().startswith("--"))
        for statement in (text + "\n").split(";\n"):
            if statement.strip(" \n;"):
                yield statement.strip(" \n;")


@dataclass(frozen=True, slots=True)
class Retention:
    """Days that each grain, and the rejected records, are kept."""

    minute_days: int = 30
    hour_days: int = 400
    rejects_days: int = 90

    @property
    def certain_days(self) -> dict[str, int]:
        """Grain -> days for which it is there for certain: a TTL takes whole rows, at a time of its own choosing."""
        return {"minute": self.minute_days - 1, "hour": self.hour_days - 1}

    def ttls(self) -> dict[str, str]:
        """Table -> TTL expression. The day grain is kept for ever."""
        return {
            "engagement_minute": f"window_start + toIntervalDay({self.minute_days})",
            "engagement_hour": f"window_start + toIntervalDay({self.hour_days})",
            "rejected_events": f"toDateTime(rejected_at) + toIntervalDay({self.rejects_days})",
        }


def shipped() -> list[Migration]:
    """The migrations of this build, in order. Raises MigrationError on a gap or a strange name."""
    found = []
    for entry in sorted(files("sinks").joinpath("migrations").iterdir(), key=lambda e: e.name):
        match = _FILE_NAME.fullmatch(entry.name)
        if match is None:
            raise MigrationError(f"{entry.name} is not a migration: name it NNNN_what_it_does.sql")
        found.append(Migration(int(match[1]), entry.name, entry.read_text()))
    if [m.number for m in found] != list(range(1, len(found) + 1)):
        raise MigrationError(f"migration numbers must run 1, 2, 3, ...: {[m.name for m in found]}")
    return found


def migrate(
    client: Client, database: str, retention: Retention | None = None, login: tuple[str, str] | None = None
) -> list[str]:
    """Apply what is missing, then views, names of countries and TTLs. Returns what was changed, for people.

    `login` (user, password) is what the dictionary logs in with to read its own server.

    Safe to repeat. Raises MigrationError where an applied file was edited since, where the database is newer
    than this build, and where a new migration would run while a claim is open.
    """
    check_identifier(database)
    try:
        return list(_migrate(client, database, retention or Retention(), login))
    except ClickHouseError as error:
        raise MigrationError(f"ClickHouse refused a migration: {first_line(error)}") from error


def require_current(client: Client) -> None:
    """Raise MigrationError unless the client's database has exactly the migrations of this build."""
    try:
        rows = client.query("SELECT number, checksum FROM migrations ORDER BY number").result_rows
    except ClickHouseError as error:
        raise MigrationError(
            f"database {client.database} is not set up ({first_line(error)}): run `tagpulse migrate`"
        ) from error
    wanted = [(m.number, m.checksum) for m in shipped()]
    if [tuple(row) for row in rows] != wanted:
        raise MigrationError(
            f"{client.database} has migrations {[n for n, _ in rows]}, this build has {[n for n, _ in wanted]}: "
            "run `tagpulse migrate` with the newest build, and the same build everywhere"
        )


def _migrate(client: Client, database: str, retention: Retention, login: tuple[str, str] | None) -> Iterator[str]:
    client.command(f"CREATE DATABASE IF NOT EXISTS {database}")
    client.database = database
    client.command(
        "CREATE TABLE IF NOT EXISTS migrations (number UInt32, name String, checksum String,"
        " applied_at DateTime64(3, 'UTC') DEFAULT now64(3)) ENGINE = MergeTree ORDER BY number"
    )
    rows = client.query("SELECT number, name, checksum FROM migrations ORDER BY number").result_rows
    applied = {number: (name, checksum) for number, name, checksum in rows}
    migrations = shipped()
    if unknown := sorted(set(applied) - {m.number for m in migrations}):
        raise MigrationError(
            f"database {database} has migrations {unknown} that this build does not know: install a newer tagpulse"
        )
    for migration in migrations:
        if migration.number not in applied:
            if applied:
                _refuse_while_claims_are_open(client, backfills=_BACKFILLS in applied)
            for statement in migration.statements():
                client.command(statement)
            client.insert(
                "migrations",
                [[migration.number, migration.name, migration.checksum]],
                column_names=["number", "name", "checksum"],
            )
            yield f"applied {migration.name}"
        elif applied[migration.number][1] != migration.checksum:
            raise MigrationError(
                f"{migration.name} was edited after it had been applied to {database}: "
                "restore the file and put the change into a new migration"
            )
    yield from _apply_views(client, database, retention)
    _fill_countries(client)
    _replace_dictionaries(client, database, login)
    yield from _apply_ttls(client, database, retention)


def _replace_dictionaries(client: Client, database: str, login: tuple[str, str] | None) -> None:
    # The embedded engine has no users of its own: there, the login is the server's business, not the engine's.
    known = login is not None and client.query("SELECT currentUser()").result_rows[0][0] == login[0]
    clause = f"USER {quoted(login[0])} PASSWORD {quoted(login[1])} " if login and known else ""
    for entry in sorted(files("sinks").joinpath("dictionaries").iterdir(), key=lambda e: e.name):
        text = "\n".join(line for line in entry.read_text().splitlines() if not line.startswith("--"))
        client.command(text.replace("{database}", database).replace("{dictionary_login}", clause))


def _refuse_while_claims_are_open(client: Client, *, backfills: bool) -> None:
    # A changed table or view forgets insert tokens, and an open claim may still need them.
    claims = "SELECT topic, incarnation, partition, first, next, done FROM "
    every = f"{claims} claims UNION ALL {claims} backfill_claims" if backfills else f"{claims} claims"
    open_claims = client.query(
        f"SELECT topic, partition, first, next FROM ({every}) WHERE {IN_FORCE}"
        " GROUP BY topic, incarnation, partition, first, next HAVING max(done) = 0 LIMIT 5"
    ).result_rows
    if open_claims:
        raise MigrationError(
            f"claims are open ({', '.join(f'{t}/{p} [{a}, {b})' for t, p, a, b in open_claims)}): "
            "let a worker of the former version finish them (or `tagpulse campaign backfill`, those of a backfill), "
            "stop the workers, then migrate"
        )


def shipped_views() -> dict[str, str]:
    """The views of this build: name -> SQL, with what they have in common filled in."""
    texts = {entry.name.removesuffix(".sql"): entry.read_text() for entry in files("sinks").joinpath("views").iterdir()}
    views = {check_identifier(name): texts[name] for name in sorted(texts) if not name.startswith("_")}
    for common in _COMMON:
        filling = "\n".join(line for line in texts[common].splitlines() if not line.startswith("--"))
        views = {name: text.replace(f"{{{common[1:]}}}", filling) for name, text in views.items()}
    for length in ("3600", "86400"):
        views = {
            name: text.replace(f"{{odd_seconds_of_{length}}}", _odd_seconds(text, length))
            for name, text in views.items()
        }
    return {name: text.replace("{first}", _first(text)) for name, text in views.items()}


#: In this order: a later one may stand in an earlier one.
_COMMON = (
    "_ranking_of_days", "_ranking", "_ranked", "_ranked_days", "_by_hashtag",
    "_question", "_engagement", "_chosen", "_step", "_event_type",
)  # fmt: skip
_MOMENTS = re.compile(r"\{(\w+):DateTime\('UTC'\)\}")


def _odd_seconds(view: str, length: str) -> str:
    """Seconds by which bounds, steps and hops of `view` exceed multiples of `length`, in all, as an expression."""
    found = [f"toUInt32({{{name}:DateTime('UTC')}})" for name in sorted({*_MOMENTS.findall(view)})]
    found += [f"{{{name}:UInt32}}" for name in ("size", "hop") if f"{{{name}:UInt32}}" in view]
    if "{step:String}" in view:
        found.append("multiIf({step:String} = 'minute', 60, {step:String} = 'hour', 3600, 86400)")
    if "{at:" in view:
        found.append("3600")  # what is on the rise is asked of an hour
    return " + ".join(f"{each} % {length}" for each in found)


def _first(view: str) -> str:
    """The first moment that `view` asks for, as an expression."""
    names = sorted({name for name in _MOMENTS.findall(view) if name.startswith("since")})
    since = [f"{{{name}:DateTime('UTC')}}" for name in names]
    return f"arrayMin([{', '.join(since)}])" if since else "{at:DateTime('UTC')} - toIntervalDay({days:UInt16})"


def _apply_views(client: Client, database: str, retention: Retention) -> Iterator[str]:
    # Views hold no data, so they are replaced whenever their text changes, without a number.
    for name, text in shipped_views().items():
        sql = text.replace("{database}", database)
        for grain, days in retention.certain_days.items():
            sql = sql.replace(f"{{{grain}_days}}", str(days))
        checksum = hashlib.sha256(sql.encode()).hexdigest()
        current = client.query(
            "SELECT comment FROM system.tables WHERE database = {d:String} AND name = {n:String}",
            parameters={"d": database, "n": name},
        ).result_rows
        if current and current[0][0] == checksum:
            continue
        client.raw_query(f"CREATE OR REPLACE VIEW {name} AS {sql.strip()} COMMENT '{checksum}'")
        yield f"{'replaced' if current else 'created'} view {name}"


def _fill_countries(client: Client) -> None:
    rows = list(csv.reader(io.StringIO(files("sinks").joinpath("countries.csv").read_text())))
    header, wanted = rows[0], rows[1:]
    present = client.query(f"SELECT {', '.join(header)} FROM countries FINAL ORDER BY code").result_rows
    if [list(row) for row in present] != sorted(wanted):
        client.insert("countries", wanted, column_names=header)


def _apply_ttls(client: Client, database: str, retention: Retention) -> Iterator[str]:
    for table, ttl in retention.ttls().items():
        definition = client.query(
            "SELECT engine_full FROM system.tables WHERE database = {d:String} AND name = {n:String}",
            parameters={"d": database, "n": table},
        ).result_rows[0][0]
        if f"TTL {ttl}" not in definition:
            client.command(f"ALTER TABLE {table} MODIFY TTL {ttl}")
            yield f"set TTL of {table}: {ttl}"
