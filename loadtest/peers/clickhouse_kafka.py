"""ClickHouse alone, at its most favourable: a materialized view into one summing table of events per minute."""

from __future__ import annotations

from loadtest.peers.clickhouse_engine import Engine

_COLUMNS = (
    "type LowCardinality(String), ts DateTime64(3, 'UTC'), country LowCardinality(String), hashtags Array(String),"
    " sticker LowCardinality(String)"
)
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
_COUNTED = "SELECT sum(events) FROM counts WHERE hashtag = ''"
_COUNTS = "SELECT type, country, hashtag, sticker, intDiv(toUnixTimestamp(minute), 60), events FROM counts"


def main() -> None:
    engine = Engine()
    engine.create_source(_COLUMNS)
    engine.do(_TARGET)
    engine.do(_VIEW)
    engine.run(_COUNTED, _COUNTS)


if __name__ == "__main__":
    main()
