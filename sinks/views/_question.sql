-- What `{question}` stands for in the views: the rows that a question is about. One hashtag, so that no event is in two of
-- them and events may be added up; any number of stickers and countries.
(
    SELECT country, hashtag, sticker, window_start, events, videos
    FROM {engagement}
    WHERE event_type = {event_type}
      AND hashtag = {hashtag:String}
      AND (empty({stickers:Array(String)}) OR sticker IN {stickers:Array(String)})
      AND (empty({countries:Array(String)}) OR country IN {countries:Array(String)})
      AND window_start >= {since:DateTime('UTC')} AND window_start < {until:DateTime('UTC')}
)
