-- Which countries lead, for one event type, and optionally for one hashtag and one sticker?
-- Parameters: event (video_creation | sticker_use | video_view), hashtag ('' = all videos), sticker ('' = any),
--   since and until (UTC, [since, until)), grain (auto | minute | hour | day, see docs/queries.md), limit.
-- Units: events = uses, creations or views; videos = distinct videos (sticker_use only, within about 1 %).
SELECT
    counts.country AS country,
    if(names.name = '', counts.country, names.name) AS country_name,
    counts.events AS events,
    counts.videos AS videos
FROM
(
    SELECT country, sum(events) AS events, uniqCombined64Merge(14)(videos) AS videos
    FROM {engagement}
    WHERE event_type = {event_type}
      AND hashtag = {hashtag:String}
      AND ({sticker:String} = '' OR sticker = {sticker:String})
      AND window_start >= {since:DateTime('UTC')} AND window_start < {until:DateTime('UTC')}
    GROUP BY country
    ORDER BY events DESC, country
    LIMIT {limit:UInt32}
) AS counts
LEFT ANY JOIN countries AS names ON names.code = counts.country
ORDER BY events DESC, country
