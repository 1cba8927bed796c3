-- What `{chosen}` stands for in `_engagement.sql`: the grain that the parameter `grain` names. With 'auto' it is the coarsest
-- whose windows begin and end at all bounds and steps of the view, which sinks/migrations.py puts in as `{lengths}`, in
-- seconds; where that one is not kept since the first bound there is no exact answer.
-- The enum refuses a word that is no grain, which would else find nothing; throwIf would only do so where rows are read.
toString(CAST(
    multiIf(
        {grain:String} != 'auto', {grain:String},
        arrayAll(s -> s % 86400 = 0, {lengths}), 'day',
        arrayAll(s -> s % 3600 = 0, {lengths}),
        if(dateDiff('day', {first}, now('UTC')) > {hour_days}, 'auto (hours are not kept since then)', 'hour'),
        if(dateDiff('day', {first}, now('UTC')) > {minute_days}, 'auto (minutes are not kept since then)', 'minute')),
    'Enum8(''minute'' = 1, ''hour'' = 2, ''day'' = 3)'))
