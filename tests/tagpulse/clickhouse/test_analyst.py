"""What the analyst can do, and every way out that was tried."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from tests.tagpulse.clickhouse.server import ANALYST, Answer, ServerProcess

ALLOWED = {
    "table": "SELECT sum(events) FROM tagpulse.counts",
    "unqualified": "SELECT sum(events) FROM counts",
    "view": "SELECT events FROM totals",
    "parameterized view": "SELECT country FROM top_countries(least = 4)",
    "parameterized view, qualified": "SELECT country FROM tagpulse.top_countries(least = 4)",
    "join, cte, subquery": "WITH x AS (SELECT country FROM counts) SELECT count() FROM x "
    "JOIN tagpulse.counts AS c ON c.country = x.country WHERE c.country IN (SELECT country FROM x)",
    "tuple in": "SELECT count() FROM counts WHERE country IN ('PH', 'DE')",
    "union": "SELECT 1 UNION ALL SELECT 2 EXCEPT SELECT 3",
    "window": "SELECT row_number() OVER (PARTITION BY country ORDER BY events) FROM counts",
    "lambda": "SELECT arrayMap(x -> x + 1, [1, 2]), arraySum(range(10))",
    "combinators": "SELECT sumIf(events, 1), uniqExactIfOrNull(country, 1), quantile(0.9)(events) FROM counts",
    "aggregate alias": "SELECT any(country), first_value(country), stddev_pop(events) FROM counts",
    "states": "SELECT uniqCombined64Merge(14)(s) FROM (SELECT uniqCombined64State(14)(events) AS s FROM counts)",
    "group by": "SELECT country, sum(events) AS e FROM counts GROUP BY country WITH TOTALS HAVING e > 1 "
    "ORDER BY e DESC LIMIT 1 BY country LIMIT 5",
    "case, cast, interval": "SELECT CASE WHEN 1 THEN 'a' ELSE 'b' END, '5'::UInt8, now() - INTERVAL 1 DAY, "
    "substr('abc', 1, 2), toStartOfHour(now()), date_trunc('month', today())",
    "fill": "SELECT number AS n FROM numbers(3) ORDER BY n WITH FILL FROM 0 TO 5",
    "array join": "SELECT a FROM (SELECT [1, 2] AS l) ARRAY JOIN l AS a",
    "except columns": "SELECT * EXCEPT (events), COLUMNS('eve') FROM counts",
    "apply": "SELECT * APPLY (toString) FROM counts",
    "values": "SELECT * FROM values('a UInt8', 1, 2)",
    "series": "SELECT * FROM generate_series(1, 3)",
    "dictionary": "SELECT dictGet('tagpulse.names', 'name', 'PH'), dictGet(tagpulse.names, 'name', 'PH')",
    "settings table": "SELECT count() FROM system.settings",
    "tables": "SELECT name FROM system.tables WHERE database = 'tagpulse'",
    "columns": "SELECT name FROM system.columns WHERE database = 'tagpulse'",
    "explain": "EXPLAIN SELECT * FROM counts",
    "explain with options": "EXPLAIN indexes = 1, actions = 1 SELECT * FROM counts",
    "explain kinds": "EXPLAIN PIPELINE SELECT * FROM counts",
    "explain syntax": "EXPLAIN SYNTAX SELECT * FROM counts",
    "show tables": "SHOW TABLES FROM tagpulse LIKE '%'",
    "show databases": "SHOW DATABASES",
    "show create": "SHOW CREATE TABLE tagpulse.counts",
    "describe": "DESCRIBE TABLE counts FORMAT JSON",
    "exists": "EXISTS TABLE tagpulse.counts",
    "format": "SELECT * FROM counts FORMAT JSON",
    "comments": "/* a */ SELECT 1 -- b",
    "semicolon": "SELECT 1;",
}


@pytest.mark.parametrize("sql", ALLOWED.values(), ids=ALLOWED.keys())
def test_reads(server: ServerProcess, sql: str) -> None:
    answer = server.post(sql, ANALYST)
    assert answer.status == 200, answer.text


def test_reads_by_get(server: ServerProcess) -> None:
    assert server.get("SELECT sum(events) FROM tagpulse.counts", ANALYST).text == "8\n"


_SOURCES = """
file('/etc/passwd', 'LineAsString') | file('/etc/passwd')
fileCluster('c', '/etc/passwd', 'LineAsString')
url('http://127.0.0.1:1/x', 'CSV', 'a String')
urlCluster('c', 'http://127.0.0.1:1/x', 'CSV', 'a String')
s3('http://127.0.0.1:1/b/k', 'CSV', 'a String')
s3Cluster('c', 'http://127.0.0.1:1/b/k', 'CSV', 'a String')
gcs('http://127.0.0.1:1/b/k', 'CSV', 'a String') | oss('http://127.0.0.1:1/b/k', 'CSV', 'a String')
hdfs('hdfs://127.0.0.1:1/x', 'CSV', 'a String')
azureBlobStorage('x', 'c', 'b', 'n', 'k', 'CSV', 'auto', 'a String')
remote('127.0.0.1', default, secret) | remoteSecure('127.0.0.1', 'default.secret')
remote('127.0.0.1', view(SELECT * FROM default.secret)) | cluster('default', default, secret)
clusterAllReplicas('default', default.secret) | mysql('127.0.0.1:1', 'd', 't', 'u', 'p')
postgresql('127.0.0.1:1', 'd', 't', 'u', 'p') | mongodb('127.0.0.1:1', 'd', 'c', 'u', 'p', 'a String')
redis('127.0.0.1:1', 'k', 'k String, v String') | odbc('DSN=x', 'd', 't') | jdbc('jdbc:x', 'd', 't')
sqlite('/tmp/x.db', 't') | executable('id', 'TSV', 'a String') | input('a String')
deltaLake('http://127.0.0.1:1/x') | deltaLakeLocal('/tmp/x') | hudi('http://127.0.0.1:1/x')
iceberg('http://127.0.0.1:1/x')
icebergLocal('/tmp/x') | paimonLocal('/tmp/x') | python('os') | Python(os) | arrowstream('x')
filesystem('/')
merge('default', 'secret') | merge('system', 'processes') | loop(default, secret) | loop(system.one)
dictionary('default.secret_names') | generateRandom('a String') | fuzzJSON('x', 1)
fuzzQuery('SELECT 1')
eval('SELECT 1') | viewIfPermitted(SELECT * FROM default.secret ELSE null('a String'))
numbers_mt(10) | zeros_mt(10)
viewExplain('EXPLAIN AST', '', (SELECT 1)) | mergeTreeIndex(default, secret)
mergeTreeProjection(default, secret, p)
format(CSV, '1,2') | view(SELECT * FROM default.secret) | default.secret_view(x = 'y')
secret_view(x = 'y')
timeSeriesData(default.secret) | bigquery('x', 'y', 'z') | null(file('/etc/passwd'))
values('a String', file('/etc/passwd'))
`file`('/etc/passwd') | FILE('/etc/passwd') | fIlE ('/etc/passwd')
top_countries(least = (SELECT count() FROM default.secret))
"""
SOURCES = [source.strip() for line in _SOURCES.strip().splitlines() for source in line.split("|")]


@pytest.mark.parametrize("source", SOURCES)
def test_no_source_but_the_database(server: ServerProcess, source: str) -> None:
    _refused(server.post(f"SELECT * FROM {source}", ANALYST))
    _refused(server.post(f"SELECT 1 IN {source}" if "(" in source else "", ANALYST))
    _refused(server.post(f"DESCRIBE TABLE {source}", ANALYST))
    _refused(server.post(f"EXPLAIN SELECT * FROM {source}", ANALYST))


FUNCTIONS = """
file('/etc/passwd') | getSetting('max_threads') | getSettingOrDefault('x', 1) | getServerSetting('x')
getMacro('x')
getServerPort('tcp_port') | sleep(3) | sleepEachRow(3) | hasColumnInTable('default', 'secret', 'a')
joinGet('default.secret', 'a', 1) | joinGetOrNull('default.secret', 'a', 1) | showCertificate()
getOSKernelVersion()
filesystemAvailable() | filesystemCapacity() | addressToLine(1) | demangle('x') | logTrace('x') | tid()
getClientHTTPHeader('Authorization') | currentRequestURL() | currentRoles()
encrypt('aes-128-ecb', 'a', 'b')
dictGet('default.secret_names', 'name', 'PH') | evalMLMethod(1, 2) | regionToName(1) | aiGenerate('x')
fuzzQuery('x')
parseQueryToJSON('SELECT 1') | formatQueryFromJSON('{}') | structureToProtobufSchema('a String')
getMergeTreeSetting('x') | globalVariable('x') | serverUUID() | buildId() | FQDN()
zookeeperSessionUptime()
hidden_reader('/etc/passwd') | nosuchfunction(1) | formatQuery(file('/etc/passwd')) | __getScalar('x')
arrayMap(x -> file(x), ['/etc/passwd']) | if(0, file('/etc/passwd'), 1) | tuple(file('/etc/passwd')).1
(SELECT file('/etc/passwd')) | count() OVER (ORDER BY file('/etc/passwd'))
sum(1) FILTER (WHERE file('/etc/passwd') = '')
exists(SELECT * FROM default.secret) | [file('/etc/passwd')][1] | 1 IN default.secret
1 IN system.processes
'hidden' IN (SELECT a FROM default.secret) | (SELECT max(a) FROM default.secret) | * APPLY(file)
* REPLACE (file('x') AS dummy)
COLUMNS('.') APPLY(x -> file(x)) | file('/etc/passwd')::String | CAST(file('/etc/passwd') AS String)
INTERVAL file('x') DAY
"""
CALLS = [call.strip() for line in FUNCTIONS.strip().splitlines() for call in line.split("|")]


@pytest.mark.parametrize("call", CALLS)
def test_no_function_that_reaches_out(server: ServerProcess, call: str) -> None:
    _refused(server.post(f"SELECT {call} FROM system.one", ANALYST))


STATEMENTS = {
    "insert": "INSERT INTO tagpulse.counts VALUES ('XX', 1)",
    "insert select": "INSERT INTO tagpulse.counts SELECT 'XX', 1",
    "insert into function": "INSERT INTO FUNCTION file('/tmp/x.csv') SELECT 1",
    "insert from infile": "INSERT INTO tagpulse.counts FROM INFILE '/etc/passwd' FORMAT CSV",
    "create table": "CREATE TABLE tagpulse.x (a UInt8) ENGINE = Memory",
    "create temporary": "CREATE TEMPORARY TABLE x (a UInt8)",
    "create python table": "CREATE TABLE tagpulse.x (a UInt8) ENGINE = Python('x')",
    "create dictionary": "CREATE DICTIONARY tagpulse.x (a UInt64) PRIMARY KEY a SOURCE(FILE(PATH '/etc/passwd' "
    "FORMAT 'LineAsString')) LAYOUT(FLAT()) LIFETIME(0)",
    "create view": "CREATE VIEW tagpulse.x AS SELECT * FROM default.secret",
    "create function": "CREATE FUNCTION x AS () -> 1",
    "create user": "CREATE USER x",
    "named collection": "CREATE NAMED COLLECTION x AS a = 1",
    "drop": "DROP TABLE tagpulse.counts",
    "truncate": "TRUNCATE TABLE tagpulse.counts",
    "alter": "ALTER TABLE tagpulse.counts ADD COLUMN z UInt8",
    "delete": "DELETE FROM tagpulse.counts WHERE 1",
    "update": "UPDATE tagpulse.counts SET events = 0 WHERE 1",
    "optimize": "OPTIMIZE TABLE tagpulse.counts FINAL",
    "rename": "RENAME TABLE tagpulse.counts TO tagpulse.x",
    "exchange": "EXCHANGE TABLES tagpulse.counts AND default.secret",
    "attach": "ATTACH TABLE tagpulse.x FROM '/tmp/x' (a UInt8) ENGINE = File(CSV)",
    "detach": "DETACH TABLE tagpulse.counts",
    "kill": "KILL QUERY WHERE 1",
    "system": "SYSTEM SHUTDOWN",
    "system flush": "SYSTEM FLUSH LOGS",
    "set": "SET readonly = 0",
    "set harmless": "SET max_threads = 1",
    "set role": "SET ROLE tagpulse_writer",
    "set role all": "SET ROLE ALL",
    "set default role": "SET DEFAULT ROLE tagpulse_writer TO default",
    "set parameter": "SET param_x = 1",
    "execute as": "EXECUTE AS default SELECT 1",
    "use": "USE default",
    "grant": "GRANT ALL ON *.* TO default",
    "backup": "BACKUP TABLE tagpulse.counts TO File('x')",
    "restore": "RESTORE TABLE tagpulse.counts FROM File('x')",
    "check": "CHECK TABLE tagpulse.counts",
    "begin": "BEGIN TRANSACTION",
    "move": "ALTER TABLE tagpulse.counts MOVE PARTITION tuple() TO DISK 'x'",
    "several": "SELECT 1; SELECT 2",
    "several, hidden": "SELECT 1; /* x */ SET ROLE tagpulse_writer; SELECT file('/etc/passwd')",
    "parallel with": "SELECT 1 PARALLEL WITH DROP TABLE tagpulse.counts",
    "into outfile": "SELECT 1 INTO OUTFILE '/tmp/tagpulse-test-outfile'",
    "into outfile format": "SELECT 1 INTO OUTFILE '/tmp/tagpulse-test-outfile' TRUNCATE FORMAT CSV",
    "into outfile commented": "SELECT 1 INTO/**/OUTFILE '/tmp/tagpulse-test-outfile' AND STDOUT",
    "into outfile of explain": "EXPLAIN SELECT 1 INTO OUTFILE '/tmp/tagpulse-test-outfile'",
    "into outfile of show": "SHOW TABLES INTO OUTFILE '/tmp/tagpulse-test-outfile'",
    "into outfile of describe": "DESCRIBE TABLE counts INTO OUTFILE '/tmp/tagpulse-test-outfile'",
    "into outfile in explain": "EXPLAIN AST SELECT 1 INTO OUTFILE '/tmp/tagpulse-test-outfile'",
    "file shorthand": "SELECT * FROM '/etc/passwd'",
    "file shorthand, csv": "SELECT * FROM 'x.csv'",
    "file shorthand, backquoted": "SELECT * FROM `/etc/passwd`",
    "file shorthand, double quoted": 'SELECT * FROM "x.csv"',
    "file shorthand, described": "DESCRIBE TABLE '/etc/passwd'",
    "url shorthand": "SELECT * FROM 'http://127.0.0.1:1/x.csv'",
    "other database": "SELECT * FROM default.secret",
    "other database, quoted": "SELECT * FROM `default`.`secret`",
    "other database, spaced": "SELECT * FROM default /* x */ . secret",
    "information schema": "SELECT * FROM INFORMATION_SCHEMA.TABLES",
    "processes": "SELECT * FROM system.processes",
    "query log": "SELECT * FROM system.query_log",
    "users": "SELECT * FROM system.users",
    "named collections": "SELECT * FROM system.named_collections",
    "server settings": "SELECT * FROM system.server_settings",
    "dictionaries": "SELECT * FROM system.dictionaries",
    "certificates": "SELECT * FROM system.certificates",
    "detached": "SELECT * FROM system.detached_parts",
    "stack": "SELECT * FROM system.stack_trace",
    "cte": "WITH x AS (SELECT * FROM default.secret) SELECT * FROM x",
    "scalar cte": "WITH (SELECT a FROM default.secret) AS x SELECT x",
    "recursive": "WITH RECURSIVE x AS (SELECT a FROM default.secret UNION ALL SELECT a FROM x) SELECT * FROM x",
    "join": "SELECT * FROM counts JOIN default.secret ON 1 = 1",
    "comma": "SELECT * FROM counts, default.secret",
    "prewhere": "SELECT 1 FROM counts PREWHERE country IN (SELECT a FROM default.secret)",
    "order by": "SELECT 1 FROM counts ORDER BY file('/etc/passwd')",
    "limit": "SELECT 1 LIMIT (SELECT length(file('/etc/passwd')))",
    "limit by": "SELECT 1 FROM counts LIMIT 1 BY file('/etc/passwd')",
    "window clause": "SELECT count() OVER w FROM counts WINDOW w AS (ORDER BY file('/etc/passwd'))",
    "interpolate": "SELECT number AS n, n AS m FROM numbers(1) ORDER BY n WITH FILL FROM 0 TO 2 "
    "INTERPOLATE (m AS length(file('/etc/passwd')))",
    "array join": "SELECT 1 ARRAY JOIN [file('/etc/passwd')] AS x",
    "grouping sets": "SELECT 1 FROM counts GROUP BY GROUPING SETS ((file('/etc/passwd')))",
    "qualify": "SELECT 1 FROM counts QUALIFY file('/etc/passwd') = ''",
    "settings": "SELECT 1 SETTINGS readonly = 0",
    "settings, nested": "SELECT * FROM (SELECT 1 SETTINGS readonly = 0)",
    "settings, in cte": "WITH x AS (SELECT 1 SETTINGS max_execution_time = 0) SELECT * FROM x",
    "settings of explain": "EXPLAIN SELECT 1 SETTINGS max_memory_usage = 0",
    "settings after format": "SELECT 1 FORMAT JSON SETTINGS readonly = 0",
    "explain of write": "EXPLAIN INSERT INTO tagpulse.counts SELECT 'XX', 1",
    "explain ast of write": "EXPLAIN AST DROP TABLE tagpulse.counts",
    "explain table override": "EXPLAIN TABLE OVERRIDE mysql('x', 'y', 'z', 'u', 'p') COLUMNS (a UInt8)",
    "explain of secret": "EXPLAIN ESTIMATE SELECT * FROM default.secret",
    "explain in from": "SELECT * FROM (EXPLAIN SELECT * FROM default.secret)",
    "describe secret": "DESCRIBE TABLE default.secret",
    "describe query": "DESCRIBE (SELECT file('/etc/passwd'))",
    "show create secret": "SHOW CREATE TABLE default.secret",
    "show tables elsewhere": "SHOW TABLES FROM default",
    "show columns elsewhere": "SHOW COLUMNS FROM secret FROM default",
    "show where": "SHOW TABLES WHERE name = file('/etc/passwd')",
    "show processlist": "SHOW PROCESSLIST",
    "show grants": "SHOW GRANTS",
    "show access": "SHOW ACCESS",
    "show users": "SHOW USERS",
    "show settings": "SHOW CHANGED SETTINGS LIKE '%'",
    "show indexes": "SHOW INDEXES FROM default.secret",
    "exists secret": "EXISTS TABLE default.secret",
    "dialect": "SET dialect = 'prql'",
    "implicit select": "file('/etc/passwd')",
    "pipe": "FROM default.secret |> SELECT a",
    "from first": "FROM default.secret",
    "zero byte": "SELECT 1\0; DROP TABLE tagpulse.counts",
    "open comment": "SELECT 1 /*",
    "uuid": "SELECT * FROM counts UUID '61f0c404-5cb3-11e7-907b-a6006ad3dba0'",
    "empty": "  ",
}


@pytest.mark.parametrize("sql", STATEMENTS.values(), ids=STATEMENTS.keys())
def test_nothing_but_reading(server: ServerProcess, sql: str) -> None:
    for method in ("POST", "GET"):
        answer = server.post(sql, ANALYST) if method == "POST" else server.get(sql, ANALYST)
        _refused(answer)
    assert not Path("/tmp/tagpulse-test-outfile").exists()
    assert server.value("SELECT count(), sum(events) FROM tagpulse.counts") == "2\t8"


def _refused(answer: Answer) -> None:
    assert answer.status >= 400, answer.text
    assert answer.code != 0
    # An error may quote the query; nothing that was read may come with it.
    assert answer.text.startswith("Code: ")
    assert "root:x:" not in answer.text


SETTINGS = {
    "readonly": "0",
    "max_rows_to_read": "1",
    "allow_ddl": "1",
    "allow_introspection_functions": "1",
    "output_format_schema": "/tmp/tagpulse-test-schema",
    "format_schema": "/etc/passwd",
    "log_comment": "x",
    "dialect": "kusto",
    "implicit_select": "1",
    "additional_table_filters": "{'tagpulse.counts': 'file(\\'/etc/passwd\\') = 1'}",
    "additional_result_filter": "file('/etc/passwd') = ''",
    "result_overflow_mode": "break",
    "max_query_size": "1000000000",
    "profile": "default",
    "a b": "1",
    "max_threads = 1, readonly": "0",
}


@pytest.mark.parametrize(("name", "value"), SETTINGS.items(), ids=SETTINGS.keys())
def test_refuses_settings_that_matter(server: ServerProcess, name: str, value: str) -> None:
    _refused(server.request(b"SELECT 1", ANALYST, {}, "POST", {name: value}))


@pytest.mark.parametrize("asked", ["0", "100000000000000", "-1", "nan", "inf", "1e30"])
@pytest.mark.parametrize(
    "name", ["max_execution_time", "max_memory_usage", "max_result_rows", "max_result_bytes", "max_threads"]
)
def test_a_limit_is_never_raised(server: ServerProcess, name: str, asked: str) -> None:
    limits = {
        "max_execution_time": 30,
        "max_memory_usage": 2_000_000_000,
        "max_result_bytes": 256_000_000,
        "max_result_rows": 1_000_000,
        "max_threads": 2,
    }
    shown = f"SELECT value FROM system.settings WHERE name = '{name}'".encode()
    assert float(server.request(shown, ANALYST, {}, "POST", {name: asked}).text) == limits[name]
    assert float(server.request(shown, ANALYST, {}, "POST", {name: "20"}).text) == min(20, limits[name])


def test_harmless_settings_pass(server: ServerProcess) -> None:
    answer = server.post(
        "SELECT toUInt64(1) AS a FORMAT JSONEachRow",
        ANALYST,
        output_format_json_quote_64bit_integers=1,
        readonly=1,
        send_progress_in_http_headers=1,
        wait_end_of_query=1,
    )
    assert answer.text == '{"a":"1"}\n'


def test_parameters_are_values_only(server: ServerProcess) -> None:
    read = "SELECT count() FROM counts WHERE country = {c:String}"
    assert server.post(read, ANALYST, param_c="PH").text == "1\n"
    assert server.post(read, ANALYST, param_c="' OR 1 = 1 --").text == "0\n"
    answer = server.post("SELECT * FROM {d:Identifier}.{t:Identifier}", ANALYST, param_d="default", param_t="secret")
    _refused(answer)
    _refused(server.post("SELECT 1 IN {t:Identifier}", ANALYST, param_t="secret"))
    assert server.post("SELECT country FROM top_countries(least = {n:UInt64})", ANALYST, param_n=4).text == "DE\n"


@pytest.mark.parametrize("database", ["system", "default", "information_schema", "nosuch", "tagpulse`; DROP TABLE x"])
def test_is_bound_to_its_database(server: ServerProcess, database: str) -> None:
    answer = server.post("SELECT currentDatabase()", ANALYST, database=database)
    # "default" is what clients send when nobody chose: it means the analyst's own.
    assert answer.text == "tagpulse\n" if database == "default" else answer.code == 497


def test_cannot_use_sessions(server: ServerProcess) -> None:
    server.post("CREATE TEMPORARY TABLE mine (a String)", session_id="shared")
    server.post("INSERT INTO mine VALUES ('hidden')", session_id="shared")
    assert server.post("SELECT * FROM mine", session_id="shared").text == "hidden\n"
    _refused(server.post("SELECT * FROM mine", ANALYST, session_id="shared"))
    server.post("SELECT 1", session_id="shared", close_session=1)


@pytest.mark.parametrize("format_", ["JSON", "Null", "Template", "../x", "CSV SETTINGS readonly=0", "Npy", "a.b"])
def test_formats_open_no_door(server: ServerProcess, format_: str) -> None:
    server.post("SELECT country FROM counts LIMIT 1", ANALYST, default_format=format_)
    answer = server.post("SELECT country FROM counts LIMIT 1", ANALYST, headers={"X-ClickHouse-Format": format_})
    assert answer.status in (200, 400, 404, 500)
    assert server.value("SELECT count() FROM tagpulse.counts") == "2"


RUNAWAYS = {
    "time": "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1",
    "rows": "SELECT number FROM system.numbers",
    "memory": "SELECT groupArray(number) FROM numbers(10000000000)",
    "big array": "SELECT arraySum(range(4000000000))",
    "big string": "SELECT length(repeat('x', 1000000)), repeat(repeat('x', 1000000), 1000000)",
    "cross join": "SELECT count() FROM numbers(10000000) a, numbers(10000000) b WHERE a.number + b.number = 7",
}


@pytest.mark.parametrize("sql", RUNAWAYS.values(), ids=RUNAWAYS.keys())
def test_a_runaway_query_is_stopped(server: ServerProcess, sql: str) -> None:
    answer = server.post(sql, ANALYST, max_execution_time=3, headers={"X-ClickHouse-Format": "Native"})
    assert answer.code or b"__exception__" in answer.body
    assert server.value("SELECT 1") == "1"


def test_many_runaways_leave_room_for_the_writer(server: ServerProcess) -> None:
    sql = "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1"
    answers: list[Answer] = []
    threads = [
        threading.Thread(target=lambda: answers.append(server.post(sql, ANALYST, max_execution_time=5)))
        for _ in range(12)
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    assert server.value("SELECT 1") == "1"
    assert any(thread.is_alive() for thread in threads), "the writer had to wait for them"
    for thread in threads:
        thread.join()
    assert {answer.code for answer in answers} <= {159, 202}


def test_a_large_body_is_refused(server: ServerProcess) -> None:
    answer = server.post(b"SELECT 1 " + b" " * (2 << 20), ANALYST)
    assert answer.status == 413
