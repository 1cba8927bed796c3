-- What `{chosen}` stands for in `_engagement.sql`: the grain that the parameter `grain` names. With 'auto' it is the coarsest
-- whose windows begin and end at all bounds and steps of the view: sinks/migrations.py puts in the seconds by which these
-- exceed whole hours and days. Where that grain is not kept since the first bound there is no exact answer.
-- The enum refuses a word that is no grain, which would else find nothing; throwIf would only do so where rows are read.
toString(CAST(
    multiIf(
        {grain:String} != 'auto', {grain:String},
        {odd_seconds_of_86400} = 0, 'day',
        {odd_seconds_of_3600} = 0,
        if(dateDiff('day', {first}, now('UTC')) > {hour_days}, 'auto (hours are not kept since then)', 'hour'),
        if(dateDiff('day', {first}, now('UTC')) > {minute_days}, 'auto (minutes are not kept since then)', 'minute')),
    'Enum8(''minute'' = 1, ''hour'' = 2, ''day'' = 3)'))
