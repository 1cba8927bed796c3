"""The HTTP interface, by plain HTTP and by curl."""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import socket
import subprocess
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import lz4.frame  # type: ignore[import-untyped]
import pytest
from backports import zstd

from tests.tagpulse.clickhouse.server import ANALYST, WRITER, ServerProcess

BASIC = {"Authorization": "Basic " + base64.b64encode(":".join(WRITER).encode()).decode()}


@pytest.fixture
def table(server: ServerProcess) -> Iterator[str]:
    name = "default.numbers"
    server.post(f"DROP TABLE IF EXISTS {name} SYNC")
    assert server.post(f"CREATE TABLE {name} (n UInt64) ENGINE = MergeTree ORDER BY n").status == 200
    yield name
    server.post(f"DROP TABLE {name} SYNC")


@pytest.mark.parametrize(("path", "body"), [("/ping", "Ok.\n"), ("/replicas_status", "Ok.\n"), ("/", "Ok.\n")])
def test_is_there_without_a_login(server: ServerProcess, path: str, body: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    assert (answer.status, answer.read().decode()) == (200, body)
    connection.close()


@pytest.mark.parametrize(
    "login",
    [
        None,
        ("writer", ""),
        ("", ""),
        ("writer", ANALYST[1]),
        ("nobody", WRITER[1]),
        ("default", ""),
        ("WRITER", WRITER[1]),
    ],
)
def test_no_access_without_a_login(server: ServerProcess, login: tuple[str, str] | None) -> None:
    answer = server.post("SELECT 1", login)
    assert (answer.status, answer.code) == (401, 516)
    assert "AUTHENTICATION_FAILED" in answer.text
    assert answer.headers["www-authenticate"].startswith("Basic")


def test_every_way_to_log_in(server: ServerProcess) -> None:
    assert server.post("SELECT 1").text == "1\n"
    assert server.post("SELECT 1", None, BASIC).text == "1\n"
    assert server.post("SELECT 1", None, user=WRITER[0], password=WRITER[1]).text == "1\n"
    assert server.post("SELECT 1", None, {"Authorization": "Basic !!"}).status == 401
    # A wrong header is not made good by right parameters.
    assert server.post("SELECT 1", ("writer", "x"), user=WRITER[0], password=WRITER[1]).status == 401


def test_only_loopback(server: ServerProcess) -> None:
    listening = subprocess.run(["cat", "/proc/net/tcp"], capture_output=True, text=True, check=True).stdout
    port = f":{server.port:04X}"
    lines = [line.split() for line in listening.splitlines() if port in line]
    assert {fields[1] for fields in lines if fields[3] == "0A"} == {f"0100007F{port}"}


def test_query_in_url_in_body_and_in_both(server: ServerProcess) -> None:
    assert server.get("SELECT 1").text == "1\n"
    assert server.post("SELECT 1").text == "1\n"
    assert server.post("1 + 1", query="SELECT 3,").text == "3\t2\n"


def test_get_changes_nothing(server: ServerProcess, table: str) -> None:
    answer = server.get(f"INSERT INTO {table} SELECT 1")
    assert answer.code == 164
    assert server.get(f"DROP TABLE {table}").code == 164
    assert server.get("SELECT 1 SETTINGS max_threads = 1").text == "1\n"


def test_headers(server: ServerProcess) -> None:
    answer = server.post("SELECT number FROM numbers(1000)", query_id="my-id", default_format="JSONCompactEachRow")
    assert answer.headers["x-clickhouse-query-id"] == "my-id"
    assert answer.headers["x-clickhouse-format"] == "JSONCompactEachRow"
    assert answer.headers["x-clickhouse-timezone"]
    assert answer.headers["x-clickhouse-server-display-name"]
    assert answer.summary["read_rows"] == "1000"
    assert answer.summary["result_rows"] == "1000"
    assert int(answer.summary["elapsed_ns"]) > 0


def test_the_format_comes_from_query_header_or_parameter(server: ServerProcess) -> None:
    assert server.post("SELECT 1 AS a FORMAT JSONEachRow").text == '{"a":1}\n'
    assert server.post("SELECT 1 AS a", headers={"X-ClickHouse-Format": "JSONEachRow"}).text == '{"a":1}\n'
    assert server.post("SELECT 1 AS a", default_format="CSVWithNames").text == '"a"\n1\n'
    both = server.post("SELECT 1 AS a FORMAT JSON", default_format="CSV")
    assert both.headers["x-clickhouse-format"] == "JSON"
    assert json.loads(both.text)["data"] == [{"a": 1}]
    assert server.post("SELECT 1", default_format="NoSuch").code == 73


def test_totals_are_not_lost(server: ServerProcess) -> None:
    sql = "SELECT number % 2 AS k, count() FROM numbers(10) GROUP BY k WITH TOTALS ORDER BY k"
    assert server.post(sql).text == "0\t5\n1\t5\n\n0\t10\n"


@pytest.mark.parametrize(
    ("sql", "status", "code", "name"),
    [
        ("SELEC 1", 400, 62, "SYNTAX_ERROR"),
        ("SELECT nope", 404, 47, "UNKNOWN_IDENTIFIER"),
        ("SELECT * FROM default.nope", 404, 60, "UNKNOWN_TABLE"),
        ("SELECT * FROM nope.nope", 404, 81, "UNKNOWN_DATABASE"),
        ("SELECT nope(1)", 404, 46, "UNKNOWN_FUNCTION"),
        ("SELECT throwIf(1, 'oh')", 500, 395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"),
        ("SELECT {x:UInt8}", 400, 456, "UNKNOWN_QUERY_PARAMETER"),
        ("SELECT 1; SELECT 2", 400, 62, "SYNTAX_ERROR"),
        ("", 400, 62, "SYNTAX_ERROR"),
        ("INSERT INTO default.nope FORMAT CSV\n1", 404, 60, "UNKNOWN_TABLE"),
        ("INSERT INTO default.secret FORMAT Nope\n1", 404, 73, "UNKNOWN_FORMAT"),
    ],
)
def test_errors_have_code_name_and_status(server: ServerProcess, sql: str, status: int, code: int, name: str) -> None:
    answer = server.post(sql)
    assert (answer.code, answer.status) == (code, status), answer.text
    assert answer.text.startswith(f"Code: {code}. DB::Exception: ")
    assert f"({name})" in answer.text


def test_unknown_setting(server: ServerProcess) -> None:
    answer = server.post("SELECT 1", no_such_setting=1)
    assert (answer.status, answer.code) == (404, 115)


def test_settings_hold_for_their_request_only(server: ServerProcess) -> None:
    sql = "SELECT getSetting('max_block_size')"
    before = server.value(sql)
    assert server.post(sql, max_block_size=123).text == "123\n"
    assert server.value(sql) == before


def test_settings_are_never_sql(server: ServerProcess) -> None:
    assert server.post("SELECT 1", log_queries="1'; DROP TABLE default.secret; --").status >= 400
    answer = server.request(b"SELECT 1", WRITER, {}, "POST", {"max_threads = 1; SELECT 1; SET max_threads": "1"})
    assert answer.code == 36
    assert server.value("SELECT count() FROM default.secret") == "1"


def test_parameters(server: ServerProcess) -> None:
    assert server.get("SELECT {a:UInt8} + {b:UInt8}", param_a=1, param_b=2).text == "3\n"
    assert server.get("SELECT {a:Array(String)}[2]", param_a="['x','it\\'s']").text == "it\\'s\n"
    assert server.get("SELECT {a:String}", param_a="x' OR 1").text == "x\\' OR 1\n"
    assert server.get("SELECT count() FROM {t:Identifier}", param_t="secret", database="default").text == "1\n"


def test_parameters_in_a_form(server: ServerProcess) -> None:
    boundary = "xyz"
    fields = {"query": "SELECT {a:String} AS a\nFORMAT JSONEachRow", "param_a": "ü\\n"}
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    body = ("".join(parts) + f"--{boundary}--\r\n").encode()
    answer = server.post(body, headers={"Content-Type": f"multipart/form-data; boundary={boundary}"})
    assert answer.text == '{"a":"ü\\n"}\n'


@pytest.mark.parametrize(
    "body",
    [
        "INSERT INTO default.numbers VALUES (1), (2)",
        "INSERT INTO default.numbers (n) VALUES\n(1),(2);",
        "INSERT INTO default.numbers FORMAT CSV\n1\n2\n",
        'INSERT INTO default.numbers (n) FORMAT JSONEachRow {"n":1}{"n":2}',
        "/* FORMAT */ INSERT INTO `default`.numbers -- VALUES\n SETTINGS async_insert = 0 FORMAT TSV\r\n1\n2",
        "INSERT INTO default.numbers SELECT number + 1 FROM numbers(2)",
        "INSERT INTO default.numbers WITH 1 AS x SELECT arrayJoin([x, 2])",
    ],
)
def test_inserts_in_the_body(server: ServerProcess, table: str, body: str) -> None:
    answer = server.post(body)
    assert answer.status == 200, answer.text
    assert server.value(f"SELECT groupArray(n) FROM (SELECT n FROM {table} ORDER BY n)") == "[1,2]"
    assert answer.summary["written_rows"] == "2"


ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "identity": bytes,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstd.compress,
    "lz4": lz4.frame.compress,
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_encoded_bodies(server: ServerProcess, table: str, encoding: str) -> None:
    encode = ENCODINGS[encoding]
    # Two frames, as clients send that compress block by block.
    body = encode(b"1\n" * 1000) + encode(b"2\n" * 1000)
    headers = {"Content-Encoding": encoding} if encoding else {}
    answer = server.post(body, query=f"INSERT INTO {table} FORMAT CSV", headers=headers)
    assert answer.status == 200, answer.text
    assert server.value(f"SELECT count(), sum(n) FROM {table}") == "2000\t3000"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd", "lz4"])
def test_a_cut_or_broken_encoding_inserts_nothing(server: ServerProcess, table: str, encoding: str) -> None:
    whole = ENCODINGS[encoding](b"1\n" * 1000)
    for body in (whole[:-5], whole[: len(whole) // 2], b"garbage", whole + b"garbage"):
        answer = server.post(body, query=f"INSERT INTO {table} FORMAT CSV", headers={"Content-Encoding": encoding})
        assert answer.status == 400, answer.text
    assert server.value(f"SELECT count() FROM {table}") == "0"


def test_an_unknown_encoding_is_refused(server: ServerProcess) -> None:
    assert server.post(b"x", headers={"Content-Encoding": "br"}).status == 501
    assert server.post("SELECT 1", decompress=1).status == 501


def test_a_bomb_is_refused(server: ServerProcess) -> None:
    for encoding in ("gzip", "zstd", "lz4"):
        bomb = ENCODINGS[encoding](b" " * (8 << 20))
        answer = server.post(bomb, ANALYST, headers={"Content-Encoding": encoding})
        assert answer.status == 413, answer.text


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd", "lz4"])
@pytest.mark.parametrize("rows", [0, 10, 1_000_000])
def test_encoded_answers(server: ServerProcess, encoding: str, rows: int) -> None:
    decoders: dict[str, Callable[[bytes], bytes]] = {
        "gzip": gzip.decompress,
        "deflate": zlib.decompress,
        "zstd": zstd.decompress,
        "lz4": lz4.frame.decompress,
    }
    sql = f"SELECT number FROM numbers({rows})"
    answer = server.post(sql, headers={"Accept-Encoding": f"br, {encoding};q=1"}, enable_http_compression=1)
    assert answer.headers["content-encoding"] == encoding
    assert decoders[encoding](answer.body).count(b"\n") == rows
    plain = server.post(sql, headers={"Accept-Encoding": encoding})
    assert "content-encoding" not in plain.headers


def _raw(server: ServerProcess, request: bytes, *, close: bool = True) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(request)
        if close:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while part := connection.recv(65536):
            answer += part
        return answer


def _insert_head(table: str, more: str) -> bytes:
    return (
        f"POST /?query=INSERT+INTO+{table}+FORMAT+CSV HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: {BASIC['Authorization']}\r\n{more}\r\n\r\n"
    ).encode()


def test_a_body_shorter_than_announced_inserts_nothing(server: ServerProcess, table: str) -> None:
    answer = _raw(server, _insert_head(table, "Content-Length: 100") + b"1\n2\n")
    assert b" 200 " not in answer
    assert server.value(f"SELECT count() FROM {table}") == "0"


@pytest.mark.parametrize("tail", [b"", b"4\r\n1\n2\n\r\n", b"4\r\n1\n", b"4\r\n1\n2\n\r\nzz\r\n"])
def test_an_unfinished_chunked_body_inserts_nothing(server: ServerProcess, table: str, tail: bytes) -> None:
    answer = _raw(server, _insert_head(table, "Transfer-Encoding: chunked") + tail)
    assert b" 200 " not in answer
    assert server.value(f"SELECT count() FROM {table}") == "0"


def test_a_whole_chunked_body(server: ServerProcess, table: str) -> None:
    body = b"4\r\n1\n2\n\r\n0\r\n\r\n"
    answer = _raw(server, _insert_head(table, "Transfer-Encoding: chunked\r\nConnection: close") + body, close=False)
    assert b" 200 " in answer
    assert server.value(f"SELECT count() FROM {table}") == "2"


def test_an_insert_of_nothing(server: ServerProcess, table: str) -> None:
    answer = server.post(b"", query=f"INSERT INTO {table} FORMAT Native")
    assert (answer.status, answer.summary["written_rows"]) == (200, "0")


def test_a_native_body_that_is_cut_inserts_nothing(server: ServerProcess, table: str) -> None:
    native = server.post("SELECT number AS n FROM numbers(1000) FORMAT Native").body
    assert server.post(native[:-10], query=f"INSERT INTO {table} FORMAT Native").code == 33
    assert server.value(f"SELECT count() FROM {table}") == "0"
    assert server.post(native, query=f"INSERT INTO {table} FORMAT Native").status == 200
    assert server.value(f"SELECT count() FROM {table}") == "1000"


@pytest.mark.parametrize("form", ["Native", "RowBinary", "JSONEachRow", "CSV", "TSV", "Values"])
def test_data_is_taken_whole_whatever_it_holds(server: ServerProcess, form: str) -> None:
    server.post("DROP TABLE IF EXISTS default.texts SYNC")
    server.post("CREATE TABLE default.texts (s String) ENGINE = MergeTree ORDER BY tuple()")
    texts = "arrayJoin(['\\n\\n', ';', 'a\\0b', 'FORMAT CSV', '--', '\\'\\\\', '\\r\\n', '\\n\\n1'])"
    data = server.post(f"SELECT {texts} AS s FORMAT {form}").body
    assert server.post(data, query=f"INSERT INTO default.texts FORMAT {form}").status == 200
    assert server.post(f"INSERT INTO default.texts FORMAT {form}\n".encode() + data).status == 200
    counted = "SELECT groupArray(s) FROM (SELECT s FROM default.texts GROUP BY s HAVING count() = 2 ORDER BY s)"
    assert server.value(counted) == server.value(f"SELECT groupArray(s) FROM (SELECT {texts} AS s ORDER BY s)")
    server.post("DROP TABLE default.texts SYNC")


def test_an_error_in_the_middle_of_an_answer(server: ServerProcess) -> None:
    sql = "SELECT number, throwIf(number = 3000000, 'too far') FROM numbers(10000000) SETTINGS max_threads = 1"
    answer = server.post(sql)
    tag = answer.headers["x-clickhouse-exception-tag"]
    assert answer.status == 200
    assert answer.body.endswith(f" {tag}\r\n__exception__\r\n".encode())
    assert b"Code: 395" in answer.body[-500:]


def test_a_large_answer_takes_little_memory(server: ServerProcess) -> None:
    def peak() -> int:
        with Path(f"/proc/{server.process.pid}/status").open() as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) >> 10

    server.post("SELECT number FROM numbers(1000000) FORMAT Native")
    before = peak()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("POST", "/", b"SELECT number, number FROM numbers(50000000) FORMAT RowBinary", BASIC)
    answer = connection.getresponse()
    size = 0
    while part := answer.read(1 << 20):
        size += len(part)
    connection.close()
    assert size == 800_000_000
    assert peak() - before < 300


def test_a_query_ends_when_its_client_goes(server: ServerProcess) -> None:
    marker = "length('tagpulse-gone')"
    running = f"SELECT count() FROM system.processes WHERE position(query, '{marker[:6]}') > 0 AND query LIKE '%gone%'"
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    sql = f"SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = {marker}"
    connection.request("POST", "/", sql.encode(), BASIC)
    _eventually(lambda: server.value(f"{running} AND query NOT LIKE '%processes%'") == "1")
    connection.close()
    _eventually(lambda: server.value(f"{running} AND query NOT LIKE '%processes%'") == "0")


def _eventually(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_sessions(server: ServerProcess) -> None:
    def ask(sql: str, **more: int) -> str:
        return server.request(sql.encode(), WRITER, {}, "POST", {"session_id": "s1", **more}).text

    assert ask("CREATE TEMPORARY TABLE t (a UInt8)") == ""
    assert ask("INSERT INTO t VALUES (7)") == ""
    assert ask("INSERT INTO t FORMAT CSV\n8\n", max_threads=1) == ""
    assert ask("SELECT sum(a) FROM t") == "15\n"
    assert ask("SET max_block_size = 77") == ""
    assert ask("SELECT getSetting('max_block_size')") == "77\n"
    assert ask("SELECT getSetting('max_block_size')", max_block_size=5) == "5\n"
    assert ask("SELECT getSetting('max_block_size')") == "77\n"
    assert ask("USE tagpulse") == ""
    assert ask("SELECT currentDatabase()") == "tagpulse\n"
    assert "UNKNOWN_TABLE" in server.post("SELECT * FROM t").text
    assert "UNKNOWN_TABLE" in server.post("SELECT * FROM t", session_id="s2").text
    assert ask("SELECT 1", close_session=1) == "1\n"
    assert "UNKNOWN_TABLE" in ask("SELECT * FROM t")
    assert server.post("SELECT 1", session_id="s1", session_check=1).code == 372


def test_a_session_times_out(server: ServerProcess) -> None:
    server.post("CREATE TEMPORARY TABLE t (a UInt8)", session_id="short", session_timeout=1)
    time.sleep(1.2)
    assert "UNKNOWN_TABLE" in server.post("SELECT * FROM t", session_id="short").text


def test_a_session_serves_one_request_at_a_time(server: ServerProcess) -> None:
    server.post("SET max_block_size = 77", session_id="busy")
    slow = threading.Thread(target=server.post, args=("SELECT sleep(1)",), kwargs={"session_id": "busy"})
    slow.start()
    time.sleep(0.4)
    assert server.post("SELECT 1", session_id="busy").code == 373
    slow.join()
    assert server.post("SELECT 1", session_id="busy", close_session=1).text == "1\n"


def _curl(*arguments: str) -> str:
    done = subprocess.run(["curl", "-sS", *arguments], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def test_curl(server: ServerProcess, table: str) -> None:
    at, login = f"http://127.0.0.1:{server.port}/", f"{WRITER[0]}:{WRITER[1]}"
    assert _curl(f"{at}ping") == "Ok.\n"
    assert _curl("-u", login, f"{at}?query=SELECT%201") == "1\n"
    assert _curl("-u", login, "-G", at, "--data-urlencode", "query=SELECT 1 + 1") == "2\n"
    assert _curl("-u", login, at, "--data-binary", f"INSERT INTO {table} FORMAT CSV\n1\n2\n") == ""
    assert (
        _curl("-H", f"X-ClickHouse-User: {WRITER[0]}", "-H", f"X-ClickHouse-Key: {WRITER[1]}", at, "-d", "SELECT 3")
        == "3\n"
    )
    assert (
        _curl("-u", login, "--compressed", f"{at}?enable_http_compression=1", "-d", f"SELECT sum(n) FROM {table}")
        == "3\n"
    )
    assert "Code: 516" in _curl(at, "-d", "SELECT 1")
    big = "INSERT INTO default.numbers FORMAT CSV\n" + "1\n" * 500_000
    done = subprocess.run(
        ["curl", "-sS", "-u", login, at, "--data-binary", "@-"], input=big, text=True, capture_output=True, check=True
    )
    assert done.stdout == ""
    assert server.value(f"SELECT count() FROM {table}") == "500002"


def test_other_methods_are_refused(server: ServerProcess) -> None:
    assert server.request(b"", WRITER, {}, "DELETE", {"query": "SELECT 1"}).status == 405
