-- Campaigns: what a group of hashtags and stickers is called, and since when its hashtags are counted as one.

-- Definitions are added and never changed: the greatest version of a name is in force. The worker counts `hashtags`
-- as the pseudo-tag '@name'; everything else is applied to the counts when they are read.
CREATE TABLE campaigns
(
    name String COMMENT 'normal form; the pseudo-tag is this with a leading @',
    version UInt32,
    definition_id UUID COMMENT 'random per attempt: of two editors one wins, and both see who',
    hashtags Array(String) COMMENT 'normal forms, sorted',
    stickers Array(String) COMMENT 'normal forms, sorted',
    since DateTime('UTC') COMMENT 'begin of the campaign; 1970-01-01 is open',
    until DateTime('UTC') COMMENT 'its end, exclusive; 2106-01-01 is open',
    countries Array(String) COMMENT 'empty: all',
    removed UInt8 COMMENT '1: no longer counted',
    defined_by String,
    defined_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = MergeTree
ORDER BY (name, version)
SETTINGS non_replicated_deduplication_window = 10000;

-- Which rules each log was counted with, from which clock to which: what is left of claims when they are forgotten.
CREATE TABLE rules_used
(
    topic LowCardinality(String),
    incarnation UInt32,
    partition UInt32,
    rules LowCardinality(String),
    first_clock SimpleAggregateFunction(min, Float64),
    last_clock SimpleAggregateFunction(max, Float64),
    first_offset SimpleAggregateFunction(min, UInt64),
    next_offset SimpleAggregateFunction(max, UInt64)
)
ENGINE = AggregatingMergeTree
ORDER BY (topic, incarnation, partition, rules);
