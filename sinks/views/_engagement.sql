-- What `{engagement}` stands for in the views: the counts at the grain that the parameter `grain` names. The other two
-- conditions are false before anything is read.
(
    SELECT event_type, country, hashtag, sticker, window_start, events, videos FROM engagement_minute
    WHERE {grain:String} = 'minute'
    UNION ALL
    SELECT event_type, country, hashtag, sticker, window_start, events, videos FROM engagement_hour
    WHERE {grain:String} = 'hour'
    UNION ALL
    SELECT event_type, country, hashtag, sticker, window_start, events, videos FROM engagement_day
    WHERE {grain:String} = 'day'
)
