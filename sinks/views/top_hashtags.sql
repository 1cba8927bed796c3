-- Which hashtags lead, for one event type, and optionally in one country and on one sticker?
-- Parameters: event (video_creation | sticker_use | video_view), country ('' = all), sticker ('' = any),
--   since and until (UTC, [since, until)), grain (auto | minute | hour | day, see docs/queries.md), limit.
-- Units: events = uses, creations or views; videos = distinct videos (sticker_use only, within about 1 %).
-- A video with several tags stands in the row of each: the rows must not be added up.
SELECT name AS hashtag, display, events, videos
FROM top(
    of = 'hashtag',
    measure = 'events',
    event = {event:String},
    hashtags = [],
    stickers = if({sticker:String} = '', [], [{sticker:String}]),
    countries = if({country:String} = '', [], [{country:String}]),
    since = {since:DateTime('UTC')},
    until = {until:DateTime('UTC')},
    grain = {grain:String},
    limit = {limit:UInt32})
ORDER BY events DESC, hashtag
