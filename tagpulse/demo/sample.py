"""The events of the demo: real creations and views, and sticker uses made up with a fixed seed."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

#: Made-up popularity of made-up sticker uses.
_STICKERS = {"heart": 40, "sparkles": 20, "birthday cake": 10, "🎉": 10, "Heart ": 5, "fire": 15}
_USES_PER_VIDEO = {0: 50, 1: 35, 2: 10, 3: 5}
_SEED = 20260501


def videos() -> Iterator[dict[str, Any]]:
    """The rows of the sample: source_id (16 hex digits), created, country, hashtags, views."""
    with gzip.open(str(files("tagpulse.demo").joinpath("data/videos.ndjson.gz")), "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def events() -> Iterator[dict[str, Any]]:
    """All events of the demo as JSON-ready mappings, `type` included: per video a creation, its views summed
    into one view event, and synthetic sticker uses."""
    dice = random.Random(_SEED)  # noqa: S311 - reproducible, not secret
    for video in videos():
        common = {
            "schema": 1,
            "ts": video["created"],
            "video_id": str(int(video["source_id"], 16)),
            "country": video["country"],
            "hashtags": video["hashtags"],
        }
        yield {"type": "video_creation", **common}
        yield {"type": "video_view", **common, **({"count": video["views"]} if video["views"] else {})}
        for _ in range(_pick(dice, _USES_PER_VIDEO)):
            yield {"type": "sticker_use", **common, "sticker": _pick(dice, _STICKERS)}


def _pick(dice: random.Random, weights: dict[Any, int]) -> Any:
    return dice.choices(list(weights), list(weights.values()))[0]
