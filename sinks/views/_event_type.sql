-- What `{event_type}` stands for in the views: the parameter `event`, one of the three.
toString(CAST({event:String}, 'Enum8(''video_creation'' = 1, ''sticker_use'' = 2, ''video_view'' = 3)'))
