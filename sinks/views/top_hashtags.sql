-- Which hashtags lead, for one event type, and optionally in one country and on one sticker?
-- Parameters: event (video_creation | sticker_use | video_view), country ('' = all), sticker ('' = any),
--   since and until (UTC, [since, until)), grain (auto | minute | hour | day, see docs/queries.md), limit.
-- Units: events = uses, creations or views; videos = distinct videos (sticker_use only, within about 1 %).
-- First the leaders by their events alone, then their videos: sketches of all hashtags would not fit into memory.
-- The few rows of the answer are on the right of the join: the names, of which there are many, are only read.
-- A video with several tags stands in the row of each: the rows must not be added up.
SELECT
    counts.hashtag AS hashtag,
    if(names.display = '', concat('#', counts.hashtag), names.display) AS display,
    counts.events AS events,
    counts.videos AS videos
FROM hashtag_names AS names
RIGHT ANY JOIN
(
    SELECT hashtag, sum(events) AS events, uniqCombined64Merge(14)(videos) AS videos
    FROM {engagement}
    WHERE hashtag IN
    (
        SELECT hashtag
        FROM {engagement}
        WHERE event_type = {event_type}
          AND hashtag != '' AND NOT startsWith(hashtag, '@')
          AND ({country:String} = '' OR country = {country:String})
          AND ({sticker:String} = '' OR sticker = {sticker:String})
          AND window_start >= {since:DateTime('UTC')} AND window_start < {until:DateTime('UTC')}
        GROUP BY hashtag
        ORDER BY sum(events) DESC, hashtag
        LIMIT {limit:UInt32}
    )
      AND event_type = {event_type}
      AND hashtag != '' AND NOT startsWith(hashtag, '@')
      AND ({country:String} = '' OR country = {country:String})
      AND ({sticker:String} = '' OR sticker = {sticker:String})
      AND window_start >= {since:DateTime('UTC')} AND window_start < {until:DateTime('UTC')}
    GROUP BY hashtag
    ORDER BY events DESC, hashtag
    LIMIT {limit:UInt32}
) AS counts ON names.hashtag = counts.hashtag
ORDER BY events DESC, hashtag
