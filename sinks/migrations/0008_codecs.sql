-- LZ4 instead of ZSTD: what ranks all hashtags reads these columns whole, and spent most of its time on unpacking them.
-- Tags are sorted, so that LZ4 needs little more space for them, or less; with the times it is 3 to 5 % of a table
-- (docs/queries.md). Parts change when they are merged the next time.
ALTER TABLE engagement_minute
MODIFY COLUMN window_start DateTime('UTC') CODEC(Delta, LZ4), MODIFY COLUMN hashtag String CODEC(LZ4);

ALTER TABLE engagement_hour
MODIFY COLUMN window_start DateTime('UTC') CODEC(Delta, LZ4), MODIFY COLUMN hashtag String CODEC(LZ4);

ALTER TABLE engagement_day
MODIFY COLUMN window_start DateTime('UTC') CODEC(Delta, LZ4), MODIFY COLUMN hashtag String CODEC(LZ4);
