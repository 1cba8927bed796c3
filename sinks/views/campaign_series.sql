-- How did a campaign go, window by window? Windows without events are absent.
-- Parameters: campaign (its name, without @), since and until (UTC, [since, until)), grain (auto | minute | hour | day),
--   own_period (1: only the campaign's own period, 0: also outside of it).
-- Units: as in campaign_totals, per window of the grain.
SELECT
    window_start,
    event_type,
    sum(at_least) AS at_least,
    sum(at_most) AS at_most,
    uniqCombined64Merge(14)(videos) AS videos,
    at_least = at_most AS exact
FROM campaign_cells(campaign = {campaign:String}, since = {since:DateTime('UTC')}, until = {until:DateTime('UTC')}, grain = {grain:String}, own_period = {own_period:UInt8})
GROUP BY window_start, event_type
ORDER BY window_start, event_type
