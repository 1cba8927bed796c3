-- Which hashtags are on the rise: in the last hour far more often used than at this hour of the days before?
-- Parameters: event (video_creation | sticker_use | video_view), country ('' = the world, '*' = each country by itself),
--   at (UTC, end of the hour; a window of the grain begins there), days (how many days before to compare with, at least 2),
--   minimum (events that a tag must have in the hour), z (how sure: standard deviations of the bound), grain (auto | minute | hour),
--   limit (rows; with '*', rows per country).
-- Units: events = in the last hour; usual = what the days before let expect; ratio = events / usual; score = lower bound of
--   the ratio, shrunk towards 1. Only tags with score > 1 are listed, highest first.
-- Score: the Gamma-Poisson shrinker of DuMouchel (Bayesian Data Mining in Large Frequency Tables, The American Statistician
--   53, 1999), made for finding what is too frequent among very many cells, most of them small. Given the usual count u, the
--   ratio of a tag has a Gamma prior of mean 1 that weighs as much as 5 usual events, so the posterior of n events is
--   Gamma(n + 5, u + 5): few events prove little, and a tag that was never seen is no division by zero. The score is a low
--   quantile of it, z standard deviations down on the scale of Wilson and Hilferty, on which a Gamma variable is normal.
-- Usual is the tag's share of all events at that hour of the days before times all events now, so a busy hour, or one that
--   is not counted to its end, lifts no tag. One event is added to the days before.
-- Counts vary more from day to day than Poisson's do: the variance is multiplied by the tag's dispersion (McCullagh & Nelder,
--   Generalized Linear Models, 2nd ed., section 6.2.3). A few days say little about it, so it is at least what tags with 20
--   events and more have for their size (upper quartile of the excess over Poisson's variance, relative to the mean squared).
-- A day without any events is no day to compare with. Where traffic moves from one country to another, tags of the world move
--   with it: ask by country.
WITH
    by_day AS
    (
        SELECT
            if({country:String} = '*', country, {country:String}) AS place,
            hashtag,
            intDiv(dateDiff('second', window_start, {at:DateTime('UTC')}) - 1, 86400) AS day,
            sum(events) AS n
        FROM {engagement}
        WHERE event_type = {event_type}
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
    tags AS
    (
        SELECT
            counted.place AS place, hashtag, latest, before, all_now / all_before AS scale,
            before / days_before AS mean,
            (squares - days_before * mean * mean) / (days_before - 1) AS variance,
            (before + 1) * scale AS usual
        FROM
        (
            SELECT
                place, hashtag, sumIf(n, day = 0) AS latest, sumIf(n, day > 0) AS before,
                sumIf(toFloat64(n) * n, day > 0) AS squares
            FROM by_day
            WHERE hashtag != ''
            GROUP BY place, hashtag
        ) AS counted
        INNER JOIN everything ON everything.place = counted.place
    ),
    excess AS
    (
        SELECT place, greatest(0, quantileExactIf(0.75)((variance - mean) / (mean * mean), mean >= 20)) AS relative
        FROM tags
        GROUP BY place
    ),
    scored AS
    (
        SELECT
            tags.place AS place, hashtag, latest AS events, usual, latest / usual AS ratio,
            greatest(1, if(mean > 0, variance / mean, 1), 1 + usual * if(isFinite(relative), relative, 0)) AS dispersion,
            1 / (dispersion * (1 / (latest + 5) + scale * usual / pow(usual + 5, 2))) AS shape,
            (latest + 5) / (usual + 5) * pow(greatest(0, 1 - 1 / (9 * shape) - {z:Float64} / (3 * sqrt(shape))), 3) AS score
        FROM tags
        INNER JOIN excess ON excess.place = tags.place
        WHERE latest >= {minimum:UInt64}
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
