-- What `{ranking}` stands for in `top.sql`: names with their events and distinct videos. Of hashtags by events, first the leaders by
-- their events alone, then their videos: sketches of all need memory and time.
(
    SELECT name, sum(events) AS events, uniqCombined64Merge(14)(videos) AS videos
    FROM {ranked}
    WHERE {of:String} != 'hashtag'
       OR {measure:String} = 'videos'
       OR name IN
          (
              SELECT name FROM {ranked} WHERE {of:String} = 'hashtag' AND {measure:String} = 'events'
              GROUP BY name ORDER BY sum(events) DESC, name LIMIT {limit:UInt32}
          )
    GROUP BY name
)
