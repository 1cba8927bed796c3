-- What `{engagement}` stands for in the views: the counts at the grain that is chosen. The other two conditions are false
-- before anything is read.
(
    SELECT event_type, country, hashtag, sticker, window_start, events, videos FROM engagement_minute
    WHERE {chosen} = 'minute'
    UNION ALL
    SELECT event_type, country, hashtag, sticker, window_start, events, videos FROM engagement_hour
    WHERE {chosen} = 'hour'
    UNION ALL
    SELECT event_type, country, hashtag, sticker, window_start, events, videos FROM engagement_day
    WHERE {chosen} = 'day'
)
