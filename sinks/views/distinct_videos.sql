-- On how many videos, over a group of stickers and hashtags together? One union, not a sum: a video with two of them is one.
-- Parameters: stickers, hashtags and countries (arrays, [] = any): videos that got one of the stickers while they carried one of
--   the hashtags, in one of the countries; since and until (UTC, [since, until)), grain (auto | minute | hour | day).
-- Units: videos = distinct videos, estimated; videos_low and videos_high = three standard errors (0.81 % each) around it.
--   uses_at_least and uses_at_most: uses of the stickers on them; the same number unless there are several hashtags, since
--   a use on a video with two of them stands in the row of each.
SELECT
    uniqCombined64Merge(14)(videos) AS videos,
    toUInt64(round(videos * (1 - 3 * 1.04 / sqrt(pow(2, 14))))) AS videos_low,
    toUInt64(round(videos * (1 + 3 * 1.04 / sqrt(pow(2, 14))))) AS videos_high,
    max(tag_events) AS uses_at_least,
    sum(tag_events) AS uses_at_most
FROM
(
    SELECT hashtag, sum(events) AS tag_events, uniqCombined64MergeState(14)(videos) AS videos
    FROM {engagement}
    WHERE event_type = 'sticker_use'
      AND hashtag IN if(empty({hashtags:Array(String)}), [''], {hashtags:Array(String)})
      AND (empty({stickers:Array(String)}) OR sticker IN {stickers:Array(String)})
      AND (empty({countries:Array(String)}) OR country IN {countries:Array(String)})
      AND window_start >= {since:DateTime('UTC')} AND window_start < {until:DateTime('UTC')}
    GROUP BY hashtag
)
