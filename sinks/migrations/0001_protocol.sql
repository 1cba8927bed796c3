-- The exactly-once protocol: which log, which rules, and who counted which offsets (docs/protocol.md).

-- A topic that was deleted and made again, or an in-memory log that was lost, begins again at offset 0.
-- Each such life of a topic is an incarnation; the greatest one is in force, none means 0.
CREATE TABLE incarnations
(
    topic LowCardinality(String),
    incarnation UInt32,
    reason String,
    started_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = MergeTree
ORDER BY (topic, incarnation)
SETTINGS non_replicated_deduplication_window = 1000;

-- The text of every set of rules that a claim was counted with, so that a recount can repeat it.
CREATE TABLE rules
(
    version String,
    text String CODEC(ZSTD),
    first_used DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
ORDER BY version;

-- The claims of a partition form a chain: `first` of a claim is `next` of the one before. A claim is a row
-- with done = 0; the same row with done = 1 follows once its rows have landed. A chain begins with a root:
-- first = next = the start offset, done.
CREATE TABLE claims
(
    topic LowCardinality(String),
    incarnation UInt32,
    partition UInt32,
    first UInt64,
    next UInt64,
    done UInt8,
    claim_id UUID,
    worker String,
    claimed_at DateTime64(3, 'UTC') DEFAULT now64(3),
    clock Float64 COMMENT 'unix seconds; the clock of max_future_s for this delta',
    rules LowCardinality(String),
    records UInt64 COMMENT 'records covered, rejects included',
    rejects UInt64,
    months Array(UInt32) COMMENT 'months (YYYYMM) in which the delta has rows',
    last_offset Int64 COMMENT 'offset of the last record, -1 where there is none',
    last_checksum UInt32 COMMENT 'CRC-32 of the value of that record'
)
ENGINE = MergeTree
ORDER BY (topic, incarnation, partition, first, next, done)
SETTINGS non_replicated_deduplication_window = 100000;
