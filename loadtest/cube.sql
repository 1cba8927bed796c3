-- Synthetic rows of the cube, each from its number alone: the same for everybody.
-- Parameters: first and rows (numbers [first, first + rows)), since (first hour, UTC), hours (how many), countries (codes), tags and
--   stickers (how many). Countries, tags and stickers are log-uniform: the first is the most frequent, like on real
--   platforms. One row in ten is of all videos (hashtag ''). `ids` are the videos of a sticker use.
SELECT
    {since:DateTime('UTC')} + 3600 * toUInt32(cityHash64(number, 1) % {hours:UInt32}) AS window_start,
    ['video_view', 'video_view', 'video_view', 'video_creation', 'sticker_use'][cityHash64(number, 2) % 5 + 1] AS event_type,
    {countries:Array(String)}[toUInt32(pow(length({countries:Array(String)}) + 1, cityHash64(number, 3) / 18446744073709551616.))] AS country,
    if(cityHash64(number, 4) % 10 = 0, '',
        concat('tag', toString(toUInt32(pow({tags:UInt32} + 1, cityHash64(number, 5) / 18446744073709551616.))))) AS hashtag,
    if(event_type = 'sticker_use',
        concat('sticker', toString(toUInt32(pow({stickers:UInt32} + 1, cityHash64(number, 6) / 18446744073709551616.)))), '') AS sticker,
    1 + cityHash64(number, 7) % 20 AS events,
    if(event_type = 'sticker_use',
        arrayMap(i -> toUInt64(cityHash64(number, 8, i) % 5000000), range(1 + cityHash64(number, 9) % 3)),
        emptyArrayUInt64()) AS ids
FROM numbers({first:UInt64}, {rows:UInt64})
