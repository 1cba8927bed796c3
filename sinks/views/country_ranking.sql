-- How do countries rank, with what share of the whole, and how did that change against the period before?
-- Parameters: measure (events | videos), and as in `series`: event, hashtag, stickers, since, until, grain; before_since and
--   before_until: the period to compare with, usually as long and ending at since; limit.
-- Units: share = percent of all events (of all countries, whatever the limit); rank_change = places climbed, NULL for a country
--   that had nothing before; growth = events / events_before, NULL then.
SELECT
    rank, ranked.country AS country,
    if(names.name = '', ranked.country, names.name) AS country_name,
    multiIf(names.region != '', names.region, 'Unassigned') AS region,
    events, videos, share, events_before, videos_before,
    if(events_before = 0, NULL, rank_before) AS rank_before,
    if(events_before = 0, NULL, toInt64(rank_before) - toInt64(rank)) AS rank_change,
    if(events_before = 0, NULL, events / events_before) AS growth
FROM
(
    SELECT
        *,
        row_number() OVER (ORDER BY if(CAST({measure:String}, 'Enum8(''events'' = 1, ''videos'' = 2)') = 'videos', videos, events) DESC, events DESC, country) AS rank,
        row_number() OVER (ORDER BY if({measure:String} = 'videos', videos_before, events_before) DESC, events_before DESC, country) AS rank_before,
        100 * events / greatest(sum(events) OVER (), 1) AS share
    FROM
    (
        SELECT
            country,
            sumIf(counts.events, in_now) AS events,
            uniqCombined64MergeIf(14)(counts.videos, in_now) AS videos,
            sumIf(counts.events, in_before) AS events_before,
            uniqCombined64MergeIf(14)(counts.videos, in_before) AS videos_before
        FROM
        (
            SELECT
                country,
                window_start >= {since:DateTime('UTC')} AND window_start < {until:DateTime('UTC')} AS in_now,
                window_start >= {before_since:DateTime('UTC')} AND window_start < {before_until:DateTime('UTC')} AS in_before,
                events, videos
            FROM {engagement}
            WHERE event_type = {event_type}
              AND hashtag = {hashtag:String}
              AND (empty({stickers:Array(String)}) OR sticker IN {stickers:Array(String)})
              AND (window_start >= {since:DateTime('UTC')} AND window_start < {until:DateTime('UTC')}
                OR window_start >= {before_since:DateTime('UTC')} AND window_start < {before_until:DateTime('UTC')})
        ) AS counts
        GROUP BY country
    )
) AS ranked
LEFT ANY JOIN countries AS names ON names.code = ranked.country
WHERE events > 0
ORDER BY rank
LIMIT {limit:UInt32}
