-- How much has a campaign brought in total: creations, sticker uses, views?
-- Parameters: campaign (its name, without @), since and until (UTC, [since, until)), grain (auto | minute | hour | day),
--   own_period (1: only the campaign's own period, 0: also outside of it).
-- Units: at_least and at_most bound creations, uses or views; they are equal, and exact is 1, where the answer is exact.
--   videos = distinct videos (sticker_use only, within about 1 %), of the union of stickers and hashtags at any time.
SELECT
    event_type,
    sum(at_least) AS at_least,
    sum(at_most) AS at_most,
    uniqCombined64Merge(14)(videos) AS videos,
    at_least = at_most AS exact
FROM campaign_cells(campaign = {campaign:String}, since = {since:DateTime('UTC')}, until = {until:DateTime('UTC')}, grain = {grain:String}, own_period = {own_period:UInt8})
GROUP BY event_type
ORDER BY event_type
