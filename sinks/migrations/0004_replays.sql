-- Which rejected records were sent again, and what became of them: so that nobody does it twice unaware.

-- A batch is marked 'sending' before anything of it is sent, and each record 'sent' or 'refused' after. A record
-- with neither may or may not be in Kafka. Batches are numbered; who wants the next number must have read all before.
CREATE TABLE replayed_events
(
    topic LowCardinality(String),
    incarnation UInt32,
    partition UInt32,
    offset UInt64 COMMENT 'with the three before: the place of the reject',
    batch UInt64,
    state LowCardinality(String) COMMENT 'sending, sent or refused',
    replay_id UUID COMMENT 'random per batch',
    repaired UInt8 COMMENT 'whether another value than the rejected one was sent',
    length UInt64 COMMENT 'bytes of the value that was sent',
    sha256 String COMMENT 'hex, of the value that was sent',
    to_partition Int64 COMMENT 'where the broker put it; -1: not known',
    to_offset Int64,
    operator String,
    at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = MergeTree
ORDER BY (topic, incarnation, partition, offset, batch, state)
SETTINGS non_replicated_deduplication_window = 10000;
