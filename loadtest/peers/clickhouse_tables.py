"""ClickHouse alone into the tables of tagpulse: our migrations as they are, fed by its Kafka engine.

A view on the topics groups each block and inserts into `ingest`, as the worker does; from there on the views of the
migrations do what they do for the worker. No claims, receipts or rejects.
"""

from __future__ import annotations

from loadtest.peers.clickhouse_engine import Engine
from sinks.migrations import Retention, shipped

_COLUMNS = (
    "type LowCardinality(String), ts DateTime64(3, 'UTC'), video_id UInt64, country LowCardinality(String),"
    " hashtags Array(String), sticker LowCardinality(String)"
)
#: `expires` lies ahead, as it does in what the worker inserts: the views check it.
_VIEW = """
CREATE MATERIALIZED VIEW source_to_ingest TO ingest AS
SELECT 0 AS kind, toStartOfMinute(ts) AS window_start, type AS event_type, country,
    arrayJoin(arrayConcat([''], hashtags)) AS hashtag, sticker, count() AS events,
    groupArrayIf(video_id, type = 'sticker_use') AS video_ids, now64(3) + INTERVAL 1 DAY AS expires
FROM source GROUP BY window_start, event_type, country, hashtag, sticker
"""
_COUNTED = "SELECT sum(events) FROM engagement_minute WHERE hashtag = ''"
_COUNTS = (
    "SELECT event_type, country, hashtag, sticker, intDiv(toUnixTimestamp(window_start), 60), events"
    " FROM engagement_minute"
)


def main() -> None:
    engine = Engine()
    for migration in shipped():
        for statement in migration.statements():
            engine.do(statement)
    for table, ttl in Retention().ttls().items():
        engine.do(f"ALTER TABLE {table} MODIFY TTL {ttl}")
    engine.create_source(_COLUMNS)
    engine.do(_VIEW)
    engine.run(_COUNTED, _COUNTS)


if __name__ == "__main__":
    main()
