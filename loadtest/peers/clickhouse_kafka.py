"""ClickHouse alone: a table of engine Kafka and a materialized view into a summing table, in chDB."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import chdb
import orjson
from chdb import session

from loadtest.peers.job import Entry, Key

_POLL_S, _JOIN_POLL_S = 0.2, 0.05
_DUMP_BYTES = 1 << 20

_SOURCE = """
CREATE TABLE source
(
    type LowCardinality(String), ts DateTime64(3, 'UTC'), country LowCardinality(String), hashtags Array(String),
    sticker LowCardinality(String)
)
ENGINE = Kafka SETTINGS kafka_broker_list = '{kafka}', kafka_topic_list = '{topics}', kafka_group_name = '{group}',
    kafka_format = 'JSONEachRow', input_format_skip_unknown_fields = 1, date_time_input_format = 'best_effort'
"""

_TARGET = """
CREATE TABLE counts
(
    minute DateTime('UTC'), type LowCardinality(String), country LowCardinality(String), hashtag String,
    sticker LowCardinality(String), events UInt64
)
ENGINE = SummingMergeTree ORDER BY (hashtag, type, sticker, country, minute)
"""

_VIEW = """
CREATE MATERIALIZED VIEW source_to_counts TO counts AS
SELECT toStartOfMinute(ts) AS minute, type, country, arrayJoin(arrayConcat([''], hashtags)) AS hashtag, sticker,
    count() AS events
FROM source GROUP BY minute, type, country, hashtag, sticker
"""

_DUMP = """
SELECT type, country, hashtag, sticker, intDiv(toUnixTimestamp(minute), 60), events FROM counts
INTO OUTFILE '{path}' FORMAT JSONCompactEachRow SETTINGS output_format_json_quote_64bit_integers = 0
"""


def main() -> None:
    entry = Entry("chdb")
    job = entry.job
    release = str(chdb.query("SELECT version()", "TabSeparated")).strip()
    entry.version = f"chdb {chdb.__version__}, ClickHouse {release}"
    database: Any = session.Session(f"{job.folder}/chdb")
    database.query("CREATE DATABASE bench ENGINE = Atomic")
    database.query("USE bench")
    try:
        database.query(_SOURCE.format(kafka=job.kafka, topics=",".join(job.topics), group=job.group))
    except RuntimeError as error:
        if "Shutdown was called" not in str(error):  # chDB says so, and yet the table is there and consumes
            raise
    database.query(_TARGET)
    database.query(_VIEW)
    while not _number(database, "SELECT countIf(notEmpty(assignments.topic)) FROM system.kafka_consumers"):
        time.sleep(_JOIN_POLL_S)
    entry.begin()
    while _number(database, "SELECT sum(events) FROM counts WHERE hashtag = ''") < job.events:
        time.sleep(_POLL_S)
    entry.end()
    path = Path(job.folder) / "dump.ndjson"
    database.query(_DUMP.format(path=path))
    entry.deliver(_rows(path))


def _number(database: Any, query: str) -> int:
    return int(database.query(query, "TabSeparated").data())


def _rows(path: Path) -> Iterator[tuple[Key, int]]:
    with path.open("rb", _DUMP_BYTES) as lines:
        for line in lines:
            *key, number = orjson.loads(line)
            yield tuple(key), number


if __name__ == "__main__":
    main()
