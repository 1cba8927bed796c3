-- In which countries did a campaign do best, for one event type?
-- Parameters: campaign (its name, without @), event (video_creation | sticker_use | video_view), since and until (UTC,
--   [since, until)), grain (auto | minute | hour | day), limit,
--   own_period (1: only the campaign's own period, 0: also outside of it).
-- Units: as in campaign_totals; share = at_most of the country in that of all countries, 0 to 1.
SELECT
    counts.country AS country,
    if(names.name = '', counts.country, names.name) AS country_name,
    counts.at_least AS at_least,
    counts.at_most AS at_most,
    counts.videos AS videos,
    counts.at_least = counts.at_most AS exact,
    counts.share AS share
FROM
(
    SELECT
        country,
        sum(at_least) AS at_least,
        sum(at_most) AS at_most,
        uniqCombined64Merge(14)(videos) AS videos,
        at_most / sum(at_most) OVER () AS share
    FROM campaign_cells(campaign = {campaign:String}, since = {since:DateTime('UTC')}, until = {until:DateTime('UTC')}, grain = {grain:String}, own_period = {own_period:UInt8})
    WHERE event_type = {event_type}
    GROUP BY country
    ORDER BY at_most DESC, country
    LIMIT {limit:UInt32}
) AS counts
LEFT ANY JOIN countries AS names ON names.code = counts.country
ORDER BY at_most DESC, country
