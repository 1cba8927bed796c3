-- How much was it up to the end of each step since the begin: year to date, month to date, a campaign so far?
-- Parameters: step (minute | hour | day | week | month, UTC), and as in `series`: event, hashtag, stickers, countries,
--   since (where the sum begins) and until, grain.
-- Units: begins = begin of the step; events and videos = of the step; events_so_far = since the begin;
--   videos_so_far = distinct videos since the begin, one union (sticker_use only, within about 1 %).
SELECT
    begins,
    step_events AS events,
    finalizeAggregation(step_videos) AS videos,
    sum(step_events) OVER (ORDER BY begins) AS events_so_far,
    uniqCombined64Merge(14)(step_videos) OVER (ORDER BY begins) AS videos_so_far
FROM
(
    SELECT
        {step} AS begins,
        sum(events) AS step_events,
        uniqCombined64MergeState(14)(videos) AS step_videos
    FROM {question}
    WHERE NOT throwIf(
        indexOf(['minute', 'hour', 'day'], {grain:String}) > indexOf(['minute', 'hour', 'day', 'week', 'month'], {step:String}),
        'tagpulse: grain must not be coarser than step')
    GROUP BY begins
)
ORDER BY begins
