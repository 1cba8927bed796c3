-- How much in total, per event type, for one hashtag or group of tags, optionally in one country, on one sticker?
-- Parameters: hashtag ('' = all videos, '@name' = a group of tags), country ('' = all), sticker ('' = any),
--   since and until (UTC, [since, until)), grain (auto | minute | hour | day, see docs/queries.md).
-- Units: events = creations, uses or views; videos = distinct videos (sticker_use only, within about 1 %).
SELECT
    event_type,
    sum(events) AS events,
    uniqCombined64Merge(14)(videos) AS videos
FROM {engagement}
WHERE event_type IN ('video_creation', 'sticker_use', 'video_view')
  AND hashtag = {hashtag:String}
  AND ({country:String} = '' OR country = {country:String})
  AND ({sticker:String} = '' OR sticker = {sticker:String})
  AND window_start >= {since:DateTime('UTC')} AND window_start < {until:DateTime('UTC')}
GROUP BY event_type
ORDER BY event_type
