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
    SELECT
        name,
        sum(events) AS events,
        uniqCombined64Merge(14)(videos) AS videos
    FROM
    (
        SELECT
            multiIf(
                CAST({of:String}, 'Enum8(''hashtag'' = 1, ''sticker'' = 2, ''country'' = 3)') = 'hashtag', hashtag,
                {of:String} = 'sticker', toString(sticker),
                toString(country)) AS name,
            events,
            videos
        FROM {engagement}
        WHERE NOT throwIf(
            {of:String} != 'hashtag' AND length({hashtags:Array(String)}) > 1,
            'tagpulse: hashtags must be one at most, unless hashtags are ranked')
          AND event_type = {event_type}
          AND multiIf(
              notEmpty({hashtags:Array(String)}), hashtag IN {hashtags:Array(String)},
              {of:String} = 'hashtag', hashtag != '' AND NOT startsWith(hashtag, '@'),
              hashtag = '')
          AND ({of:String} != 'sticker' OR sticker != '')
          AND (empty({stickers:Array(String)}) OR sticker IN {stickers:Array(String)})
          AND (empty({countries:Array(String)}) OR country IN {countries:Array(String)})
          AND window_start >= {since:DateTime('UTC')} AND window_start < {until:DateTime('UTC')}
    )
    GROUP BY name
    ORDER BY if(CAST({measure:String}, 'Enum8(''events'' = 1, ''videos'' = 2)') = 'videos', videos, events) DESC, events DESC, name
    LIMIT {limit:UInt32}
) AS counts ON names.name = counts.name
ORDER BY if({measure:String} = 'videos', videos, events) DESC, events DESC, name
