-- What `{by_hashtag}` stands for in `_ranked.sql` and `_ranked_days.sql`: whether all that is asked for is in the projection by_hashtag of the days.
({of:String} = 'hashtag' AND {chosen} = 'day' AND empty({stickers:Array(String)}) AND empty({countries:Array(String)}))
