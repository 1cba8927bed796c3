-- How much in every window of `size` seconds, one beginning every `hop` seconds? Hopping windows; sliding ones are those
-- whose hop is the grain.
-- Parameters: size and hop (seconds, multiples of the grain), and as in `series`: event, hashtag, stickers, countries,
--   since, until, grain.
-- Units: begins and ends = bounds of the window [begins, ends), UTC, begins counted from 1970; events = all in the window;
--   videos = distinct videos in it, one union (sticker_use only, within about 1 %). An event lies in size / hop windows:
--   rows must not be added up. Only windows that lie in [since, until) whole, and that have events.
SELECT
    toDateTime(start, 'UTC') AS begins,
    toDateTime(start + {size:UInt32}, 'UTC') AS ends,
    sum(grain_events) AS events,
    uniqCombined64Merge(14)(grain_videos) AS videos
FROM
(
    SELECT
        toInt64(toUInt32(window_start)) AS at,
        sum(events) AS grain_events,
        uniqCombined64MergeState(14)(videos) AS grain_videos
    FROM {question}
    WHERE NOT throwIf(
        {hop:UInt32} = 0 OR {size:UInt32} < {hop:UInt32} OR {size:UInt32} > 10000 * {hop:UInt32}
            OR ({size:UInt32} % transform({grain:String}, ['minute', 'hour', 'day'], [60, 3600, 86400], 1)) != 0
            OR ({hop:UInt32} % transform({grain:String}, ['minute', 'hour', 'day'], [60, 3600, 86400], 1)) != 0,
        'tagpulse: size and hop must be multiples of the grain, and hop <= size <= 10000 hops')
    GROUP BY window_start
)
ARRAY JOIN range(
    intDiv(greatest(at - {size:UInt32}, -toInt64({hop:UInt32})) + {hop:UInt32}, {hop:UInt32}) * toInt64({hop:UInt32}),
    at + 1,
    toInt64({hop:UInt32})) AS start
WHERE start >= toInt64(toUInt32({since:DateTime('UTC')}))
  AND start + {size:UInt32} <= toInt64(toUInt32({until:DateTime('UTC')}))
GROUP BY start
ORDER BY start
