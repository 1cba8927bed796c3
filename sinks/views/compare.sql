-- How do two sides compare: two periods, two tags or groups, two sets of stickers or countries?
-- Parameters: event; for each side a and b: hashtag_a ('' = all videos, '@name' = a group of tags), stickers_a and countries_a
--   (arrays, [] = any), since_a and until_a (UTC, [since, until)), and the same with _b; grain (auto | minute | hour | day).
-- Units: events_a, events_b; difference = a - b; ratio = a / b, NULL where b is 0; videos_a, videos_b = distinct videos
--   (sticker_use only, within about 1 %); videos_either = distinct videos of both together, one union. What both have is
--   videos_a + videos_b - videos_either, with the errors of all three.
SELECT
    sumIf(events, in_a) AS events_a,
    sumIf(events, in_b) AS events_b,
    toInt64(events_a) - toInt64(events_b) AS difference,
    if(events_b = 0, NULL, events_a / events_b) AS ratio,
    uniqCombined64MergeIf(14)(videos, in_a) AS videos_a,
    uniqCombined64MergeIf(14)(videos, in_b) AS videos_b,
    uniqCombined64Merge(14)(videos) AS videos_either
FROM
(
    SELECT
        events, videos,
        hashtag = {hashtag_a:String}
            AND (empty({stickers_a:Array(String)}) OR sticker IN {stickers_a:Array(String)})
            AND (empty({countries_a:Array(String)}) OR country IN {countries_a:Array(String)})
            AND window_start >= {since_a:DateTime('UTC')} AND window_start < {until_a:DateTime('UTC')} AS in_a,
        hashtag = {hashtag_b:String}
            AND (empty({stickers_b:Array(String)}) OR sticker IN {stickers_b:Array(String)})
            AND (empty({countries_b:Array(String)}) OR country IN {countries_b:Array(String)})
            AND window_start >= {since_b:DateTime('UTC')} AND window_start < {until_b:DateTime('UTC')} AS in_b
    FROM {engagement}
    WHERE event_type = {event_type}
      AND hashtag IN [{hashtag_a:String}, {hashtag_b:String}]
      AND (empty({stickers_a:Array(String)}) OR empty({stickers_b:Array(String)})
        OR sticker IN arrayConcat({stickers_a:Array(String)}, {stickers_b:Array(String)}))
      AND (window_start >= {since_a:DateTime('UTC')} AND window_start < {until_a:DateTime('UTC')}
        OR window_start >= {since_b:DateTime('UTC')} AND window_start < {until_b:DateTime('UTC')})
)
WHERE in_a OR in_b
