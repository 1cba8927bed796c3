-- What the other views of a campaign are added up from: per event type, country and window, how much at least, at most?
-- Parameters: campaign (its name, without @), since and until (UTC, [since, until)), grain (auto | minute | hour | day),
--   own_period (1: only the campaign's own period, 0: also outside of it).
-- Units: at_least, at_most = creations, uses or views; videos = state of the distinct videos (sticker_use only).
-- Creations and views: of events with any of the campaign's hashtags. Windows from exact_from on are read from the
--   pseudo-tag, where each event counts once: at_least = at_most. For windows before, an event with two of the hashtags
--   stands in both: at_least is the greatest of them, at_most their sum.
-- Sticker uses: of the campaign's stickers, on any video, an event has one; without stickers, of any sticker on videos
--   with its hashtags, like the others. States of videos are merged, so they are those of the union at any time.
-- Countries, and with own_period the period of the campaign, are applied here, on top of the parameters.
WITH
    -- Once: it reads all claims.
    (SELECT any(exact_from) FROM campaign_states WHERE name = {campaign:String}) AS exact_from,
    (
        SELECT argMax((since, until, countries, notEmpty(stickers)), version) FROM campaigns WHERE name = {campaign:String}
    ) AS defined,
    if({own_period:UInt8}, defined.1, toDateTime('1970-01-01', 'UTC')) AS begins,
    if({own_period:UInt8}, defined.2, toDateTime('2106-01-01', 'UTC')) AS ends,
    defined.3 AS only_in,
    defined.4 AS by_sticker
-- Creations and views have no states, and most rows: none is made for them.
SELECT
    event_type, country, window_start, max(of_tag) AS at_least, sum(of_tag) AS at_most,
    arrayReduce('uniqCombined64State(14)', emptyArrayUInt64()) AS videos
FROM
(
    SELECT event_type, country, window_start, hashtag, sum(events) AS of_tag
    FROM {engagement}
    WHERE event_type IN ('video_creation', 'video_view') AND sticker = ''
      AND hashtag IN (
          SELECT arrayJoin(arrayPushBack(hashtags, concat('@', name))) FROM
          (SELECT * FROM campaigns WHERE name = {campaign:String} ORDER BY version DESC LIMIT 1) WHERE NOT removed)
      AND startsWith(hashtag, '@') = (window_start >= exact_from)
      AND (empty(only_in) OR has(only_in, country))
      AND window_start >= greatest({since:DateTime('UTC')}, begins)
      AND window_start < least({until:DateTime('UTC')}, ends)
    GROUP BY event_type, country, window_start, hashtag
)
GROUP BY event_type, country, window_start
UNION ALL
SELECT
    'sticker_use' AS event_type, country, window_start, sum(least) AS at_least, sum(most) AS at_most,
    uniqCombined64MergeState(14)(videos_on_sticker) AS videos
FROM
(
    SELECT
        country, sticker, window_start, max(of_tag) AS least, sum(of_tag) AS most,
        uniqCombined64MergeState(14)(videos_of_tag) AS videos_on_sticker
    FROM
    (
        SELECT
            country, sticker, window_start, hashtag,
            sum(events) AS of_tag, uniqCombined64MergeState(14)(videos) AS videos_of_tag
        FROM {engagement}
        WHERE event_type = 'sticker_use' AND NOT by_sticker
          AND hashtag IN (
              SELECT arrayJoin(arrayPushBack(hashtags, concat('@', name))) FROM
              (SELECT * FROM campaigns WHERE name = {campaign:String} ORDER BY version DESC LIMIT 1) WHERE NOT removed)
          AND startsWith(hashtag, '@') = (window_start >= exact_from)
          AND (empty(only_in) OR has(only_in, country))
          AND window_start >= greatest({since:DateTime('UTC')}, begins)
          AND window_start < least({until:DateTime('UTC')}, ends)
        GROUP BY country, sticker, window_start, hashtag
    )
    GROUP BY country, sticker, window_start
)
GROUP BY country, window_start
UNION ALL
SELECT
    'sticker_use' AS event_type, country, window_start, sum(events) AS at_least, at_least AS at_most,
    uniqCombined64MergeState(14)(videos) AS videos
FROM {engagement}
WHERE event_type = 'sticker_use' AND hashtag = ''
  AND sticker IN (
      SELECT arrayJoin(stickers) FROM
      (SELECT * FROM campaigns WHERE name = {campaign:String} ORDER BY version DESC LIMIT 1) WHERE NOT removed)
  AND (empty(only_in) OR has(only_in, country))
  AND window_start >= greatest({since:DateTime('UTC')}, begins)
  AND window_start < least({until:DateTime('UTC')}, ends)
GROUP BY country, window_start
