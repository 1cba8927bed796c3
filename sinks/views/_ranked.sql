-- What `{ranked}` stands for in `_ranking.sql`: the rows that are ranked, each with the name that it counts for.
(
    SELECT
        if(CAST({of:String}, 'Enum8(''hashtag'' = 1, ''sticker'' = 2, ''country'' = 3)') = 'hashtag', hashtag,
           if({of:String} = 'sticker', toString(sticker), toString(country))) AS name,
        events,
        videos
    FROM {engagement}
    WHERE NOT throwIf(
        {of:String} != 'hashtag' AND length({hashtags:Array(String)}) > 1,
        'tagpulse: hashtags must be one at most, unless hashtags are ranked')
      AND NOT {by_hashtag}
      AND event_type = {event_type}
      AND if(notEmpty({hashtags:Array(String)}), hashtag IN {hashtags:Array(String)},
             if({of:String} = 'hashtag', hashtag != '' AND NOT startsWith(hashtag, '@'), hashtag = ''))
      AND ({of:String} != 'sticker' OR sticker != '')
      AND (empty({stickers:Array(String)}) OR sticker IN {stickers:Array(String)})
      AND (empty({countries:Array(String)}) OR country IN {countries:Array(String)})
      AND window_start >= {since:DateTime('UTC')} AND window_start < {until:DateTime('UTC')}
)
