-- How much in each region of the world (APAC, Europe, LATAM, MENA, North America, Africa)?
-- Parameters: as in `series`: event, hashtag, stickers, countries, since, until, grain.
-- Units: countries = countries with events; events = uses, creations or views; share = percent of all events;
--   videos = distinct videos, one union over the countries of the region (sticker_use only, within about 1 %).
-- 'Unknown' is ZZ (the event named no country), 'Unassigned' a code that stands for no country, 'Other' places that belong to none.
SELECT
    if(names.region = '', 'Unassigned', names.region) AS region,
    uniqExact(counts.country) AS countries,
    sum(counts.country_events) AS events,
    100 * events / greatest(sum(events) OVER (), 1) AS share,
    uniqCombined64Merge(14)(counts.country_videos) AS videos
FROM
(
    SELECT country, sum(events) AS country_events, uniqCombined64MergeState(14)(videos) AS country_videos
    FROM {question}
    GROUP BY country
) AS counts
LEFT ANY JOIN countries AS names ON names.code = counts.country
GROUP BY region
ORDER BY events DESC, region
