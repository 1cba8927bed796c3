-- What `{ranking_of_days}` stands for in `top.sql`: the same as `{ranking}`, from the projection by_hashtag of the days. It is small
-- enough for a second step of a ranking by videos: a hashtag has no more videos than events, so of the first only those may
-- lead whose events are as many as the videos of the last leader by events. A tenth of margin is twelve standard errors of the
-- sketches. The others' sketches, of which there may be millions, are not read.
(
    SELECT name, sum(events) AS events, uniqCombined64Merge(14)(videos) AS videos
    FROM {ranked_days}
    WHERE name IN
    (
        SELECT name
        FROM {ranked_days}
        GROUP BY name
        HAVING {measure:String} != 'videos'
            OR 1.1 * sum(events) >=
               (
                   SELECT min(videos)
                   FROM
                   (
                       SELECT uniqCombined64Merge(14)(videos) AS videos
                       FROM {ranked_days}
                       WHERE {measure:String} = 'videos'
                         AND name IN
                             (
                                 SELECT name FROM {ranked_days} WHERE {measure:String} = 'videos'
                                 GROUP BY name ORDER BY sum(events) DESC, name LIMIT {limit:UInt32}
                             )
                       GROUP BY name
                   )
               )
        ORDER BY sum(events) DESC, name
        LIMIT if({measure:String} = 'videos', 4294967295, {limit:UInt32})
    )
    GROUP BY name
)
