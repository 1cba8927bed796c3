-- What ranks all hashtags, read from fewer rows and smaller columns (docs/queries.md, what a question reads).

-- Counts are mostly small: T64 leaves out their upper bits, and they are read in a third of the time. Parts change when they
-- are merged the next time.
ALTER TABLE engagement_minute MODIFY COLUMN events SimpleAggregateFunction(sum, UInt64) CODEC(T64, LZ4);

ALTER TABLE engagement_hour MODIFY COLUMN events SimpleAggregateFunction(sum, UInt64) CODEC(T64, LZ4);

ALTER TABLE engagement_day MODIFY COLUMN events SimpleAggregateFunction(sum, UInt64) CODEC(T64, LZ4);

-- Days by hashtag alone, all countries and stickers together. A projection is part of its table's parts: an insert that
-- lands has it, a part that is dropped takes it along, and what is merged or deleted is summed up again ('rebuild').
-- Granules are half as long as the table's, for a few hashtags lie in few granules; not shorter, for of two ways to the same
-- answer ClickHouse takes the one with fewer granules.
ALTER TABLE engagement_day
MODIFY SETTING deduplicate_merge_projection_mode = 'rebuild', lightweight_mutation_projection_mode = 'rebuild';

ALTER TABLE engagement_day ADD PROJECTION IF NOT EXISTS by_hashtag
(
    SELECT event_type, hashtag, window_start, sum(events), uniqCombined64Merge(14)(videos)
    GROUP BY event_type, hashtag, window_start
)
WITH SETTINGS (index_granularity = 4096);

-- In the background; a part that has none yet is read itself.
ALTER TABLE engagement_day MATERIALIZE PROJECTION by_hashtag SETTINGS mutations_sync = 0;
