from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.tagpulse.clickhouse.server import ServerProcess

_TABLES = (
    "CREATE DATABASE tagpulse",
    "CREATE TABLE tagpulse.counts (country String, events UInt64) ENGINE = MergeTree ORDER BY country",
    "INSERT INTO tagpulse.counts VALUES ('PH', 3), ('DE', 5)",
    "CREATE VIEW tagpulse.top_countries AS SELECT country, events FROM tagpulse.counts "
    "WHERE events >= {least:UInt64} ORDER BY events DESC",
    "CREATE VIEW tagpulse.totals AS SELECT sum(events) AS events FROM tagpulse.counts",
    "CREATE TABLE default.secret (a String) ENGINE = MergeTree ORDER BY a",
    "INSERT INTO default.secret VALUES ('hidden')",
    "CREATE VIEW default.secret_view AS SELECT a FROM default.secret WHERE a != {x:String}",
    "CREATE DICTIONARY tagpulse.names (code String, name String) PRIMARY KEY code "
    "SOURCE(CLICKHOUSE(QUERY 'SELECT ''PH'' AS code, ''Philippines'' AS name')) "
    "LAYOUT(COMPLEX_KEY_HASHED()) LIFETIME(0)",
    "CREATE DICTIONARY default.secret_names (code String, name String) PRIMARY KEY code "
    "SOURCE(CLICKHOUSE(QUERY 'SELECT ''PH'' AS code, ''hidden'' AS name')) "
    "LAYOUT(COMPLEX_KEY_HASHED()) LIFETIME(0)",
    "CREATE FUNCTION hidden_reader AS (x) -> file(x)",
)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server for all tests that do not stop it, with a few tables to read."""
    with ServerProcess(tmp_path_factory.mktemp("clickhouse") / "data") as process:
        for statement in _TABLES:
            answer = process.post(statement)
            assert answer.status == 200, answer.text
        yield process
        assert process.stop() == 0
