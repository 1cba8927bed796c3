"""An unmodified clickhouse-connect client."""

from __future__ import annotations

import datetime as dt
import threading
import uuid
from collections.abc import Iterator
from typing import Any

import clickhouse_connect
import numpy as np
import pandas as pd
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError

from tests.tagpulse.clickhouse.server import ANALYST, WRITER, ServerProcess

COLUMNS = {
    "s": "String",
    "lc": "LowCardinality(String)",
    "u8": "UInt8",
    "u16": "UInt16",
    "u32": "UInt32",
    "u64": "UInt64",
    "i64": "Int64",
    "t": "DateTime('UTC')",
    "t64": "DateTime64(3, 'UTC')",
    "ids": "Array(UInt64)",
    "m": "Map(String, UInt64)",
    "id": "UUID",
    "b": "Bool",
    "d": "Date",
    "f": "Float64",
    "n": "Nullable(String)",
}


def _row(index: int) -> list[Any]:
    return [
        f"#tag {index} 🔥",
        ("PH", "DE")[index % 2],
        index % 256,
        index,
        index,
        2**64 - 1 - index,
        -index,
        dt.datetime(2024, 5, 1, 12, 30, index % 60, tzinfo=dt.UTC),
        dt.datetime(2024, 5, 1, 12, 30, 1, 250000, tzinfo=dt.UTC),
        [index, 2**63],
        {"a": index},
        uuid.UUID(int=index),
        index % 2 == 1,
        dt.date(2024, 5, 1),
        index / 2,
        None if index % 3 else "x",
    ]


ROWS = [_row(index) for index in range(50)]


@pytest.fixture
def types(server: ServerProcess) -> Iterator[str]:
    name = "default.types"
    server.post(f"DROP TABLE IF EXISTS {name} SYNC")
    columns = ", ".join(f"{column} {kind}" for column, kind in COLUMNS.items())
    answer = server.post(f"CREATE TABLE {name} ({columns}) ENGINE = MergeTree ORDER BY u16")
    assert answer.status == 200, answer.text
    yield name
    server.post(f"DROP TABLE {name} SYNC")


@pytest.fixture
def client(server: ServerProcess) -> Iterator[Client]:
    client = server.client()
    yield client
    client.close()


@pytest.mark.parametrize("compress", [False, True, "lz4", "zstd", "gzip"])
def test_every_type_goes_there_and_back(server: ServerProcess, types: str, compress: bool | str) -> None:
    client = server.client(compress=compress)
    summary = client.insert(types, ROWS, column_names=list(COLUMNS))
    assert summary.written_rows == len(ROWS)
    result = client.query(f"SELECT * FROM {types} ORDER BY u16", query_tz="UTC")
    assert [_plain(row) for row in result.result_rows] == [_plain(row) for row in ROWS]
    assert result.column_names == tuple(COLUMNS)
    client.close()


def _plain(row: Any) -> list[Any]:
    return [value.replace(tzinfo=None) if isinstance(value, dt.datetime) else value for value in row]


def test_numpy_and_pandas(client: Client, types: str) -> None:
    client.insert(types, ROWS, column_names=list(COLUMNS))
    array = client.query_np(f"SELECT u64, i64 FROM {types} ORDER BY u16")
    assert array["u64"].dtype == np.uint64
    assert array["u64"][0] == 2**64 - 1
    frame = client.query_df(f"SELECT u16, f, lc FROM {types} ORDER BY u16")
    assert isinstance(frame, pd.DataFrame)
    assert frame["f"].tolist() == [index / 2 for index in range(50)]
    client.insert_df(types, pd.DataFrame({"s": ["x"], "u16": np.array([999], dtype=np.uint16)}))
    assert client.query(f"SELECT count() FROM {types}").first_row == (51,)


def test_streams(client: Client) -> None:
    sql = "SELECT number, toString(number) AS s FROM numbers(500000)"
    with client.query_rows_stream(sql) as rows:
        assert sum(row[0] for row in rows) == 500_000 * 499_999 // 2
    with client.query_column_block_stream(sql) as blocks:
        assert sum(len(block[0]) for block in blocks) == 500_000
    with client.query_row_block_stream(sql) as blocks:
        next(iter(blocks))
    # Left half-way: the next query is not disturbed.
    assert client.query("SELECT 1").first_row == (1,)


def test_an_error_in_the_middle_of_a_stream(client: Client) -> None:
    sql = "SELECT number, throwIf(number = 3000000, 'too far') FROM numbers(10000000)"
    with (
        pytest.raises(StreamFailureError, match="too far"),
        client.query_rows_stream(sql, settings={"max_threads": 1}) as rows,
    ):
        for _ in rows:
            pass


def test_both_kinds_of_parameters(client: Client) -> None:
    assert client.query(
        "SELECT {a:String}, {b:Array(UInt8)}", parameters={"a": "it's\n\t\\", "b": [1, 2]}
    ).first_row == (
        "it's\n\t\\",
        [1, 2],
    )
    assert client.query("SELECT %(a)s, %(b)s", parameters={"a": "it's", "b": 5}).first_row == ("it's", 5)
    since = dt.datetime(2024, 5, 1, tzinfo=dt.UTC)
    assert client.query("SELECT toUnixTimestamp({t:DateTime('UTC')})", parameters={"t": since}).first_row == (
        int(since.timestamp()),
    )


def test_parameters_in_forms(server: ServerProcess) -> None:
    client = server.client(form_encode_query_params=True)
    assert client.query("SELECT {a:String}", parameters={"a": "it's " + "x" * 20_000}).first_row == (
        "it's " + "x" * 20_000,
    )
    assert client.query("SELECT {a:UInt8} AS n LIMIT 0", parameters={"a": 1}).column_names == ("n",)
    client.close()


def test_empty_results(client: Client, types: str) -> None:
    assert client.query(f"SELECT * FROM {types}").result_rows == []
    assert client.query(f"SELECT u8, s FROM {types} LIMIT 0").column_names == ("u8", "s")
    assert client.insert(types, [], column_names=list(COLUMNS)).written_rows == 0


def test_commands(client: Client) -> None:
    assert client.command("SELECT 5") == 5
    assert client.command("SELECT 'a', 'b'") == ["a", "b"]
    client.command("CREATE TABLE default.made (n UInt64) ENGINE = MergeTree ORDER BY n")
    client.command("INSERT INTO default.made FORMAT CSV", data="1\n2\n")
    assert client.command("SELECT sum(n) FROM default.made") == 3
    assert client.raw_insert("default.made", ["n"], b"3\n", fmt="CSV").written_rows == 1
    assert client.raw_query("SELECT sum(n) FROM default.made", fmt="CSV") == b"6\n"
    client.command("DROP TABLE default.made SYNC")


def test_settings_of_client_and_query(server: ServerProcess) -> None:
    client = server.client(settings={"max_block_size": 100})
    assert client.query("SELECT getSetting('max_block_size')").first_row == (100,)
    assert client.query("SELECT getSetting('max_block_size')", settings={"max_block_size": 7}).first_row == (7,)
    client.close()


def test_errors(client: Client) -> None:
    with pytest.raises(DatabaseError, match="UNKNOWN_TABLE") as raised:
        client.query("SELECT * FROM default.nope")
    assert raised.value.code == 60
    with pytest.raises(DatabaseError, match="516"):
        clickhouse_connect.get_client(
            host="127.0.0.1", port=int(client.uri.rpartition(":")[2]), username=WRITER[0], password="wrong"
        )


def test_session_of_the_default_client(client: Client) -> None:
    client.command("CREATE TEMPORARY TABLE mine (n UInt64)")
    client.insert("mine", [[1], [2]], column_names=["n"], column_type_names=["UInt64"])
    assert client.query("SELECT sum(n) FROM mine").first_row == (3,)
    client.command("SET max_block_size = 9")
    assert client.query("SELECT getSetting('max_block_size')").first_row == (9,)


def test_the_analyst(server: ServerProcess) -> None:
    for database in ("tagpulse", None):
        client = server.client(ANALYST, database=database)
        assert client.query("SELECT sum(events) FROM counts").first_row == (8,)
        assert client.query_df("SELECT * FROM top_countries(least = 4)")["country"].tolist() == ["DE"]
        rows = client.query("SELECT * FROM top_countries(least = {n:UInt64})", parameters={"n": 1}).result_rows
        assert len(rows) == 2
        with pytest.raises(DatabaseError) as raised:
            client.insert("counts", [["XX", 1]], column_names=["country", "events"])
        assert raised.value.code == 497
        with pytest.raises(DatabaseError) as raised:
            client.command("DROP TABLE counts")
        assert raised.value.code == 497
        client.close()


async def test_the_async_client(server: ServerProcess) -> None:
    client = await clickhouse_connect.get_async_client(
        host="127.0.0.1", port=server.port, username=WRITER[0], password=WRITER[1]
    )
    assert (await client.query("SELECT sum(number) FROM numbers(10)")).first_row == (45,)
    await client.close()


def test_eight_clients_at_once(server: ServerProcess) -> None:
    server.post("CREATE TABLE default.together (who UInt8, n UInt64) ENGINE = MergeTree ORDER BY n")
    failures: list[BaseException] = []

    def work(who: int) -> None:
        try:
            client = server.client()
            for step in range(10):
                rows = [[who, step * 100 + n] for n in range(100)]
                client.insert(
                    "default.together", rows, column_names=["who", "n"], column_type_names=["UInt8", "UInt64"]
                )
                own = client.query("SELECT count() FROM default.together WHERE who = {w:UInt8}", parameters={"w": who})
                assert own.first_row == ((step + 1) * 100,)
            client.close()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(who,)) for who in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert server.value("SELECT count(), uniqExact(who, n) FROM default.together") == "8000\t8000"
    server.post("DROP TABLE default.together SYNC")
