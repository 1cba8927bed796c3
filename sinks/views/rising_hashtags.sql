-- Which hashtags are on the rise: in the last hour far more often used than at this hour of the days before?
-- Parameters: event (video_creation | sticker_use | video_view), country ('' = the world, '*' = each country by itself),
--   at (UTC, end of the hour; a window of the grain begins there), days (how many days before to compare with, at least 2),
--   minimum (events that a tag must have in the hour), z (how sure: standard deviations of the bound), grain (minute | hour),
--   limit (rows; with '*', rows per country).
-- Units: events = in the last hour; usual = what the days before let expect; ratio = events / usual; score = lower bound of
--   that ratio. Only tags with score > 1 are listed, highest first.
-- Score: tag and days before are taken as Poisson counts, and compared by the rate ratio with its Wald interval on the log
--   scale, as epidemiology does (Rothman, Greenland & Lash, Modern Epidemiology, 3rd ed., ch. 14: the variance of the
--   log of a rate ratio is 1/a + 1/b). Expected is the tag's share of all events at that hour of the days before times all
--   events now, so a busy hour, or one that is not counted to its end, lifts no tag. One event is added to the days before: a
--   tag that was never seen is no division by zero, and few events prove little. Where the days before vary
--   more than Poisson counts do, the variance is multiplied by their dispersion (McCullagh & Nelder, Generalized Linear
--   Models, 2nd ed., section 6.2.3). A day without any events is no day to compare with.
WITH
    by_day AS
    (
        SELECT
            if({country:String} = '*', country, {country:String}) AS place,
            hashtag,
            intDiv(dateDiff('second', window_start, {at:DateTime('UTC')}) - 1, 86400) AS day,
            sum(events) AS n
        FROM {engagement}
        WHERE event_type = {event:String}
          AND NOT startsWith(hashtag, '@')
          AND ({country:String} IN ('', '*') OR country = {country:String})
          AND window_start < {at:DateTime('UTC')}
          AND window_start >= {at:DateTime('UTC')} - toIntervalDay({days:UInt16}) - toIntervalHour(1)
          AND (dateDiff('second', window_start, {at:DateTime('UTC')}) - 1) % 86400 < 3600
        GROUP BY place, hashtag, day
    ),
    everything AS
    (
        SELECT place, sumIf(n, day = 0) AS all_now, sumIf(n, day > 0) AS all_before, countIf(day > 0) AS days_before
        FROM by_day
        WHERE hashtag = ''
        GROUP BY place
        HAVING days_before >= 2 AND all_now > 0
    ),
    scored AS
    (
        SELECT
            tags.place AS place,
            tags.hashtag AS hashtag,
            tags.now AS events,
            everything.all_now / everything.all_before AS expected_per_event,
            (tags.before + 1) * expected_per_event AS usual,
            tags.before / everything.days_before AS mean,
            (tags.squares - everything.days_before * mean * mean) / (everything.days_before - 1) AS variance,
            greatest(1, if(mean > 0, variance / mean, 1)) AS dispersion,
            tags.now / usual AS ratio,
            exp(log(ratio) - {z:Float64} * sqrt(dispersion * (1 / tags.now + 1 / (tags.before + 1)))) AS score
        FROM
        (
            SELECT
                place, hashtag, sumIf(n, day = 0) AS now, sumIf(n, day > 0) AS before,
                sumIf(toFloat64(n) * n, day > 0) AS squares
            FROM by_day
            WHERE hashtag != ''
            GROUP BY place, hashtag
            HAVING now >= greatest({minimum:UInt64}, 1)
        ) AS tags
        INNER JOIN everything ON everything.place = tags.place
    )
SELECT
    leading.place AS country,
    leading.hashtag AS hashtag,
    if(names.display = '', concat('#', leading.hashtag), names.display) AS display,
    leading.events AS events,
    leading.usual AS usual,
    leading.ratio AS ratio,
    leading.score AS score
FROM hashtag_names AS names
RIGHT ANY JOIN
(
    SELECT * FROM scored WHERE score > 1 ORDER BY place, score DESC, hashtag LIMIT {limit:UInt32} BY place
) AS leading ON names.hashtag = leading.hashtag
ORDER BY country, score DESC, hashtag
