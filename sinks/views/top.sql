-- Which hashtags, stickers or countries lead, by events or by distinct videos?
-- Parameters: of (hashtag | sticker | country), measure (events | videos), event (video_creation | sticker_use | video_view),
--   hashtags, stickers and countries (arrays, [] = no filter), since and until (UTC, [since, until)), grain
--   (auto | minute | hour | day, see docs/queries.md), limit.
-- Units: display = how people write it; events = uses, creations or views; videos = distinct videos (sticker_use only, within about 1 %).
-- Of hashtags, `hashtags` are the ones to compare, and a video with several stands in the row of each: the rows must not be
-- added up. Of stickers and countries, `hashtags` may hold one (which stickers go with a tag?): more would count a
-- video with two of them twice, and are refused.
SELECT
    counts.name AS name,
    if(names.display = '', concat(if({of:String} = 'hashtag', '#', ''), counts.name), names.display) AS display,
    counts.events AS events,
    counts.videos AS videos
FROM
(
    SELECT hashtag AS name, display FROM hashtag_names WHERE {of:String} = 'hashtag'
    UNION ALL
    SELECT code AS name, countries.name AS display FROM countries WHERE {of:String} = 'country'
) AS names
RIGHT ANY JOIN
(
    SELECT name, events, videos
    FROM ({ranking_of_days} UNION ALL {ranking})
    ORDER BY if(CAST({measure:String}, 'Enum8(''events'' = 1, ''videos'' = 2)') = 'videos', videos, events) DESC, events DESC, name
    LIMIT {limit:UInt32}
) AS counts ON names.name = counts.name
ORDER BY if({measure:String} = 'videos', videos, events) DESC, events DESC, name
