"""The counting path beside what people would use instead: every contestant is a module of its own process.

A contestant reads the same topics and counts the same cube: rows per (event type, country, hashtag, sticker,
minute), where hashtag "" stands for all events and sticker is "" for events without one. So every event adds
to one row more than it has hashtags; "events of a type, country and hashtag" and "stickers of a country" are
both read off it. `registry` lists the contestants, `job` is what each is told and has to deliver.
"""
