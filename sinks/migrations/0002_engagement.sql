-- The cube: events and distinct videos per event type, country, hashtag, sticker and window, at three grains.
-- Retention is a setting: `tagpulse migrate` puts the TTLs on these tables.

CREATE TABLE engagement_minute
(
    window_start DateTime('UTC') CODEC(Delta, ZSTD),
    event_type LowCardinality(String),
    country LowCardinality(String),
    hashtag String CODEC(ZSTD),
    sticker LowCardinality(String),
    events SimpleAggregateFunction(sum, UInt64),
    videos AggregateFunction(uniqCombined64(14), UInt64),
    landed SimpleAggregateFunction(max, UInt64)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(window_start)
ORDER BY (event_type, sticker, hashtag, country, window_start)
SETTINGS non_replicated_deduplication_window = 100000;

CREATE TABLE engagement_hour
(
    window_start DateTime('UTC') CODEC(Delta, ZSTD),
    event_type LowCardinality(String),
    country LowCardinality(String),
    hashtag String CODEC(ZSTD),
    sticker LowCardinality(String),
    events SimpleAggregateFunction(sum, UInt64),
    videos AggregateFunction(uniqCombined64(14), UInt64),
    landed SimpleAggregateFunction(max, UInt64)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(window_start)
ORDER BY (event_type, sticker, hashtag, country, window_start)
SETTINGS non_replicated_deduplication_window = 100000;

CREATE TABLE engagement_day
(
    window_start DateTime('UTC') CODEC(Delta, ZSTD),
    event_type LowCardinality(String),
    country LowCardinality(String),
    hashtag String CODEC(ZSTD),
    sticker LowCardinality(String),
    events SimpleAggregateFunction(sum, UInt64),
    videos AggregateFunction(uniqCombined64(14), UInt64),
    landed SimpleAggregateFunction(max, UInt64)
)
ENGINE = AggregatingMergeTree
PARTITION BY toYear(window_start)
ORDER BY (event_type, sticker, hashtag, country, window_start)
SETTINGS non_replicated_deduplication_window = 100000;

-- Records that could not be counted. Replacing: the same record written twice is one row.
CREATE TABLE rejected_events
(
    topic LowCardinality(String),
    incarnation UInt32,
    partition UInt32,
    offset UInt64,
    reason LowCardinality(String),
    field LowCardinality(String),
    raw String CODEC(ZSTD),
    length UInt64 COMMENT 'bytes of the whole record; raw holds the first 64 KiB',
    sha256 String COMMENT 'hex, of the whole record',
    rejected_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(rejected_at)
ORDER BY (topic, incarnation, partition, offset)
SETTINGS non_replicated_deduplication_window = 100000;

-- Normal form of a tag -> the way people write it. Best effort, outside the protocol.
CREATE TABLE hashtag_names
(
    hashtag String CODEC(ZSTD),
    display String CODEC(ZSTD),
    seen DateTime('UTC') DEFAULT now()
)
ENGINE = ReplacingMergeTree(seen)
ORDER BY hashtag;

-- What the worker inserts: one block per delta. kind 0: a count, 1: a receipt, 2: a reject.
CREATE TABLE ingest
(
    kind UInt8,
    window_start DateTime('UTC'),
    event_type LowCardinality(String),
    country LowCardinality(String),
    hashtag String,
    sticker LowCardinality(String),
    events UInt64,
    video_ids Array(UInt64),
    landed UInt64,
    expires DateTime64(3, 'UTC'),
    topic String,
    incarnation UInt32,
    partition UInt32,
    offset UInt64,
    reason String,
    field String,
    raw String,
    length UInt64,
    sha256 String
)
ENGINE = Null;

-- A delta carries each minute key once, and the coarser tables merge in the background: no GROUP BY here.
-- nowInBlock64, not now64: the clock is read when the rows arrive, not when the request began.
CREATE MATERIALIZED VIEW ingest_minute TO engagement_minute AS
SELECT
    toStartOfMinute(window_start) AS window_start, event_type, country, hashtag, sticker, events,
    arrayReduce('uniqCombined64State(14)', video_ids) AS videos, landed
FROM ingest
WHERE kind < 2 AND throwIf(expires < nowInBlock64(3), 'tagpulse: this delta has expired') = 0;

CREATE MATERIALIZED VIEW ingest_hour TO engagement_hour AS
SELECT
    toStartOfHour(window_start) AS window_start, event_type, country, hashtag, sticker, events,
    arrayReduce('uniqCombined64State(14)', video_ids) AS videos, landed
FROM ingest
WHERE kind < 2 AND throwIf(expires < nowInBlock64(3), 'tagpulse: this delta has expired') = 0;

CREATE MATERIALIZED VIEW ingest_day TO engagement_day AS
SELECT
    toDateTime(toStartOfDay(window_start), 'UTC') AS window_start, event_type, country, hashtag, sticker, events,
    arrayReduce('uniqCombined64State(14)', video_ids) AS videos, landed
FROM ingest
WHERE kind < 2 AND throwIf(expires < nowInBlock64(3), 'tagpulse: this delta has expired') = 0;

CREATE MATERIALIZED VIEW ingest_rejects TO rejected_events AS
SELECT topic, incarnation, partition, offset, reason, field, raw, length, sha256
FROM ingest
WHERE kind = 2 AND throwIf(expires < nowInBlock64(3), 'tagpulse: this delta has expired') = 0;

-- The same ways in, one for each table: for rows that one table confirmed and lost (docs/protocol.md, receipts).
CREATE TABLE repair_minute AS ingest;
CREATE TABLE repair_hour AS ingest;
CREATE TABLE repair_day AS ingest;

CREATE MATERIALIZED VIEW repair_minute_view TO engagement_minute AS
SELECT
    toStartOfMinute(window_start) AS window_start, event_type, country, hashtag, sticker, events,
    arrayReduce('uniqCombined64State(14)', video_ids) AS videos, landed
FROM repair_minute
WHERE kind < 2 AND throwIf(expires < nowInBlock64(3), 'tagpulse: this delta has expired') = 0;

CREATE MATERIALIZED VIEW repair_hour_view TO engagement_hour AS
SELECT
    toStartOfHour(window_start) AS window_start, event_type, country, hashtag, sticker, events,
    arrayReduce('uniqCombined64State(14)', video_ids) AS videos, landed
FROM repair_hour
WHERE kind < 2 AND throwIf(expires < nowInBlock64(3), 'tagpulse: this delta has expired') = 0;

CREATE MATERIALIZED VIEW repair_day_view TO engagement_day AS
SELECT
    toDateTime(toStartOfDay(window_start), 'UTC') AS window_start, event_type, country, hashtag, sticker, events,
    arrayReduce('uniqCombined64State(14)', video_ids) AS videos, landed
FROM repair_day
WHERE kind < 2 AND throwIf(expires < nowInBlock64(3), 'tagpulse: this delta has expired') = 0;
