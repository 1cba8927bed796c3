-- What `{engagement}` stands for in the views: the counts at the grain that the parameter `grain` names. The other two
-- conditions are false before anything is read. The enum refuses a word that is no grain, which would else find nothing.
(
    SELECT event_type, country, hashtag, sticker, window_start, events, videos FROM engagement_minute
    WHERE CAST({grain:String}, 'Enum8(''minute'' = 1, ''hour'' = 2, ''day'' = 3)') = 'minute'
    UNION ALL
    SELECT event_type, country, hashtag, sticker, window_start, events, videos FROM engagement_hour
    WHERE CAST({grain:String}, 'Enum8(''minute'' = 1, ''hour'' = 2, ''day'' = 3)') = 'hour'
    UNION ALL
    SELECT event_type, country, hashtag, sticker, window_start, events, videos FROM engagement_day
    WHERE CAST({grain:String}, 'Enum8(''minute'' = 1, ''hour'' = 2, ''day'' = 3)') = 'day'
)
