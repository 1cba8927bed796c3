-- What `{ranked_days}` stands for in `_ranking_of_days.sql`: the same as `{ranked}`, where days by hashtag are enough. No country and no
-- sticker may be named here, not even in a condition that is always true: the projection has neither.
(
    SELECT hashtag AS name, events, videos
    FROM engagement_day
    WHERE {by_hashtag}
      AND event_type = {event_type}
      AND if(notEmpty({hashtags:Array(String)}), hashtag IN {hashtags:Array(String)}, hashtag != '' AND NOT startsWith(hashtag, '@'))
      AND window_start >= {since:DateTime('UTC')} AND window_start < {until:DateTime('UTC')}
)
