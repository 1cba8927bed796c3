-- How did it go over time, by minute, hour, day, week or month?
-- Parameters: step (minute | hour | day | week | month; weeks begin on Monday, as in ISO 8601, all in UTC),
--   event (video_creation | sticker_use | video_view), hashtag ('' = all videos, '@name' = a group of tags),
--   stickers and countries (arrays, [] = any), since and until (UTC, [since, until)),
--   grain (auto | minute | hour | day, see docs/queries.md; not coarser than the step).
-- Units: begins = begin of the step, UTC; events = uses, creations or views; videos = distinct videos within the step
--   (sticker_use only, within about 1 %): not to be added up over steps.
-- Steps without events have no row. A week or month that [since, until) cuts holds what lies inside of it.
SELECT
    {step} AS begins,
    sum(events) AS events,
    uniqCombined64Merge(14)(videos) AS videos
FROM {question}
WHERE NOT throwIf(
    indexOf(['minute', 'hour', 'day'], {grain:String}) > indexOf(['minute', 'hour', 'day', 'week', 'month'], {step:String}),
    'tagpulse: grain must not be coarser than step')
GROUP BY begins
ORDER BY begins
