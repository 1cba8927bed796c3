"""The rows of a recount, as the writer takes them. Pure."""

from __future__ import annotations

import numpy as np

from schemas.topics import EventType
from sinks.delta import DeltaRows, VideoIds
from tagpulse.verify.recount import Tally


def rows_of(tally: Tally, event_type: EventType) -> DeltaRows:
    """The counts of `tally` by minute; the same rows in the same order whoever counts them."""
    keys = sorted(tally.events, key=lambda key: (key.window, key.country, key.sticker, key.hashtag))
    ids = [sorted(tally.videos.get(key, ())) for key in keys]
    flat = np.array([video_id for of_key in ids for video_id in of_key], "u8")
    return DeltaRows(
        event_type.value,
        [key.window // 60 for key in keys],
        [key.country for key in keys],
        [key.sticker for key in keys],
        [1] * len(keys),
        [key.hashtag for key in keys],
        [tally.events[key] for key in keys],
        VideoIds(np.cumsum([len(of_key) for of_key in ids]).astype("u8"), flat)
        if event_type is EventType.STICKER_USE
        else None,
    )
