-- Which hashtags of a campaign brought most? Each for itself: an event with two of them stands in both rows.
-- Parameters: campaign (its name, without @), since and until (UTC, [since, until)), grain (auto | minute | hour | day), limit,
--   own_period (1: only the campaign's own period, 0: also outside of it).
-- Units: creations and views, exact at any time.
WITH
    (SELECT argMax((since, until, countries), version) FROM campaigns WHERE name = {campaign:String}) AS defined,
    if({own_period:UInt8}, defined.1, toDateTime('1970-01-01', 'UTC')) AS begins,
    if({own_period:UInt8}, defined.2, toDateTime('2106-01-01', 'UTC')) AS ends,
    defined.3 AS only_in
SELECT
    counts.hashtag AS hashtag,
    if(names.display = '', concat('#', counts.hashtag), names.display) AS display,
    counts.creations AS creations,
    counts.views AS views
FROM hashtag_names AS names
RIGHT ANY JOIN
(
    SELECT
        hashtag,
        sumIf(events, event_type = 'video_creation') AS creations,
        sumIf(events, event_type = 'video_view') AS views
    FROM {engagement}
    WHERE event_type IN ('video_creation', 'video_view')
      AND hashtag IN (
          SELECT arrayJoin(hashtags) FROM
          (SELECT * FROM campaigns WHERE name = {campaign:String} ORDER BY version DESC LIMIT 1) WHERE NOT removed)
      AND (empty(only_in) OR has(only_in, country))
      AND window_start >= greatest({since:DateTime('UTC')}, begins)
      AND window_start < least({until:DateTime('UTC')}, ends)
    GROUP BY hashtag
    ORDER BY views DESC, creations DESC, hashtag
    LIMIT {limit:UInt32}
) AS counts ON names.hashtag = counts.hashtag
ORDER BY views DESC, creations DESC, hashtag
