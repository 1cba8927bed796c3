"""What the writer builds on: tokens, blocks and deadlines, over HTTP."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tagpulse.clickhouse.server import Answer, ServerProcess

DEDUP = "SETTINGS non_replicated_deduplication_window = 1000"
TABLES = (
    "CREATE DATABASE d",
    "CREATE TABLE d.ingest (k DateTime, n UInt64, expires DateTime64(3)) ENGINE = Null",
    f"CREATE TABLE d.months (k DateTime, n UInt64) ENGINE = MergeTree PARTITION BY toYYYYMM(k) ORDER BY k {DEDUP}",
    f"CREATE TABLE d.years (k DateTime, n UInt64) ENGINE = MergeTree PARTITION BY toYear(k) ORDER BY k {DEDUP}",
    "CREATE MATERIALIZED VIEW d.to_months TO d.months AS SELECT k, n FROM d.ingest "
    "WHERE throwIf(expires < nowInBlock64(3), 'expired') = 0",
    "CREATE MATERIALIZED VIEW d.to_years TO d.years AS SELECT k, n FROM d.ingest "
    "WHERE throwIf(expires < nowInBlock64(3), 'expired') = 0",
    f"CREATE TABLE d.claims (n UInt64) ENGINE = MergeTree ORDER BY n {DEDUP}",
)
SETTINGS: dict[str, str | int] = {
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    "async_insert": 0,
    "max_insert_block_size": 2_000_000,
    "min_insert_block_size_rows": 2_000_000,
    "min_insert_block_size_bytes": 0,
    "max_partitions_per_insert_block": 1000,
    "max_execution_time": 30,
}
WRITER = ("writer", "writer's secret")


def _insert(server: ServerProcess, token: str, *, rows: int = 12, expires: str = "2100-01-01", **more: int) -> Answer:
    native = server.post(
        f"SELECT addMonths(toDateTime('2023-01-01 00:00:00', 'UTC'), number % 12) AS k, number AS n, "
        f"toDateTime64('{expires} 00:00:00', 3) AS expires FROM numbers({rows}) FORMAT Native",
        max_block_size=10_000_000,
        max_threads=1,
    ).body
    parameters = {"query": "INSERT INTO d.ingest (k, n, expires) FORMAT Native", "insert_deduplication_token": token}
    return server.request(native, WRITER, {}, "POST", SETTINGS | parameters | more)


def _counts(server: ServerProcess) -> str:
    return server.value("SELECT (SELECT count() FROM d.months), (SELECT count() FROM d.years)")


@pytest.fixture
def tables(server: ServerProcess) -> Iterator[ServerProcess]:
    server.post("DROP DATABASE IF EXISTS d SYNC")
    for statement in TABLES:
        answer = server.post(statement)
        assert answer.status == 200, answer.text
    yield server
    server.post("DROP DATABASE d SYNC")


def test_a_repeated_token_is_dropped_in_every_view_and_partition(tables: ServerProcess) -> None:
    for _ in range(3):
        assert _insert(tables, "t/0-12").status == 200
        assert _counts(tables) == "12\t12"
    assert _insert(tables, "t/12-24").status == 200
    assert _counts(tables) == "24\t24"


def test_an_expired_insert_is_refused(tables: ServerProcess) -> None:
    answer = _insert(tables, "late", expires="2020-01-01")
    assert answer.code == 395
    assert "expired" in answer.text
    assert _counts(tables) == "0\t0"


def test_a_view_that_failed_is_completed_by_a_retry(tables: ServerProcess) -> None:
    tables.post("ALTER TABLE d.to_years MODIFY QUERY SELECT k, n FROM d.ingest WHERE throwIf(n = 5, 'broken') = 0")
    assert _insert(tables, "half").code == 395
    tables.post("ALTER TABLE d.to_years MODIFY QUERY SELECT k, n FROM d.ingest")
    assert _insert(tables, "half").status == 200
    assert _counts(tables) == "12\t12"


def test_a_native_block_stays_one_block(tables: ServerProcess) -> None:
    tables.post("CREATE TABLE d.whole (k DateTime, n UInt64) ENGINE = MergeTree ORDER BY n")
    native = tables.post(
        "SELECT toDateTime(0) AS k, number AS n FROM numbers(1500000) FORMAT Native",
        max_block_size=10_000_000,
        max_threads=1,
    ).body
    parameters = {"query": "INSERT INTO d.whole (k, n) FORMAT Native"}
    assert tables.request(native, WRITER, {}, "POST", SETTINGS | parameters).status == 200
    assert tables.value("SELECT count(), sum(rows) FROM system.parts WHERE table = 'whole'") == "1\t1500000"


def test_partitions_are_limited_by_the_setting_of_the_request(tables: ServerProcess) -> None:
    answer = _insert(tables, "few", max_partitions_per_insert_block=5)
    assert answer.code == 252
    assert _insert(tables, "few").status == 200
    assert _counts(tables) == "12\t12"


def test_an_insert_is_ended_by_its_time_limit(tables: ServerProcess) -> None:
    tables.post("ALTER TABLE d.to_months MODIFY QUERY SELECT k, n + sleepEachRow(0.5) AS n FROM d.ingest")
    assert _insert(tables, "slow", max_execution_time=1).code in (159, 160)


@pytest.mark.parametrize("guard", ["1", "(SELECT count() FROM d.claims) = 0"])
def test_insert_select_is_dropped_by_its_token(tables: ServerProcess, guard: str) -> None:
    statement = f"INSERT INTO d.claims SELECT number FROM numbers(3) WHERE {guard}"
    for _ in range(2):
        answer = tables.post(statement, insert_deduplication_token="claim/root")
        assert answer.status == 200, answer.text
    assert tables.value("SELECT count() FROM d.claims") == "3"


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_token_outlives_the_server(tmp_path: Path, how: signal.Signals) -> None:
    with ServerProcess(tmp_path / "data") as server:
        for statement in TABLES:
            server.post(statement)
        assert _insert(server, "t/0-12").status == 200
        server.stop(how)
    with ServerProcess(tmp_path / "data") as server:
        assert _counts(server) == "12\t12"
        assert _insert(server, "t/0-12").status == 200
        assert _counts(server) == "12\t12"
