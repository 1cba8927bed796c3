"""Where a statement ends and its data begins."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tagpulse.clickhouse.sessions import leaves_state
from tagpulse.clickhouse.statement import Insert, first_word, split_insert, stated_format, streamable


@pytest.mark.parametrize(
    ("text", "head", "form", "data"),
    [
        (b"INSERT INTO t FORMAT Native\n\x01\x02", "INSERT INTO t ", "Native", b"\x01\x02"),
        (b"insert into t format CSV 1\n", "insert into t ", "CSV", b"1\n"),
        (b"INSERT INTO t (a, format) VALUES (1, 2)", "INSERT INTO t (a, format) ", "Values", b" (1, 2)"),
        (b"INSERT INTO `values` FORMAT TSV\r\n\n1", "INSERT INTO `values` ", "TSV", b"\n1"),
        (
            b"-- FORMAT X\nINSERT INTO t/* VALUES */FORMAT CSV;\n1",
            "-- FORMAT X\nINSERT INTO t/* VALUES */",
            "CSV",
            b"1",
        ),
        (b"INSERT INTO t SETTINGS a = 'FORMAT' FORMAT CSV", "INSERT INTO t SETTINGS a = 'FORMAT' ", "CSV", b""),
    ],
)
def test_splits(text: bytes, head: str, form: str, data: bytes) -> None:
    assert split_insert(text) == Insert(head, form, data)


@pytest.mark.parametrize(
    "text",
    [
        b"SELECT 1 FORMAT CSV",
        b"INSERT INTO t SELECT 1 FORMAT CSV",
        b"INSERT INTO t WITH 1 AS x SELECT x",
        b"INSERT INTO t FROM INFILE 'x' FORMAT CSV",
        b"INSERT INTO t (SELECT 1)",
        b"INSERT INTO t FORMAT",
        b"",
        b"\xff\xfe",
    ],
)
def test_leaves_the_rest_whole(text: bytes) -> None:
    assert split_insert(text) is None


@given(st.binary(max_size=200))
def test_data_is_never_touched(data: bytes) -> None:
    found = split_insert(b"INSERT INTO t (a) FORMAT Native\n" + data)
    assert found == Insert("INSERT INTO t (a) ", "Native", data)


@given(st.binary(max_size=200))
def test_any_bytes_are_taken(text: bytes) -> None:
    first_word(text)
    stated_format(text)
    streamable(text, "Native")
    split_insert(text)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("SELECT 1 FORMAT JSON", "JSON"),
        ("SELECT 1 format /* x */ CSV ; -- y", "CSV"),
        ("SELECT 1 FORMAT JSON SETTINGS a = 1", "JSON"),
        ("SELECT format('{}', a) FROM t", None),
        ("SELECT a AS format FROM t", None),
        ("SELECT 'FORMAT JSON'", None),
        ("SELECT * FROM (SELECT 1 FORMAT JSON)", None),
        ("SELECT 1 -- FORMAT JSON", None),
        ("", None),
    ],
)
def test_finds_the_stated_format(text: str, form: str | None) -> None:
    assert stated_format(text.encode()) == form


@pytest.mark.parametrize(
    ("text", "form", "expected"),
    [
        ("SELECT 1", "Native", True),
        ("(SELECT 1) UNION ALL (SELECT 2)", "TSV", True),
        ("-- x\nWITH 1 AS x SELECT x", "CSV", True),
        ("SELECT 1", "JSON", False),
        ("SELECT k FROM t GROUP BY k WITH TOTALS", "TSV", False),
        ("SHOW TABLES", "TSV", False),
        ("DROP TABLE t", "TSV", False),
    ],
)
def test_streams_what_can_be_streamed(text: str, form: str, expected: bool) -> None:
    assert streamable(text.encode(), form) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SET a = 1", True),
        ("/* x */ use db", True),
        ("CREATE TEMPORARY TABLE t (a UInt8)", True),
        ("CREATE OR REPLACE TEMPORARY TABLE t (a UInt8)", True),
        ("CREATE TABLE t (temporary UInt8)", False),
        ("SELECT 1 SETTINGS a = 1", False),
        ("", False),
    ],
)
def test_knows_what_a_session_keeps(text: str, expected: bool) -> None:
    assert leaves_state(text) is expected
