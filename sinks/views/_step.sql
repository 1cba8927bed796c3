-- What `{step}` stands for in the views: the begin of the step that a window lies in, UTC. Weeks begin on Monday.
toDateTime(dateTrunc(toString(CAST({step:String}, 'Enum8(''minute'' = 1, ''hour'' = 2, ''day'' = 3, ''week'' = 4, ''month'' = 5)')), window_start, 'UTC'), 'UTC')
