"""Which events a question is about, in the normal forms that the tables hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from schemas.countries import normalise_country
from schemas.tags import normalise_tag


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events a question is about. One hashtag or "@group" ("": all videos), any number of stickers and countries.

    Tags and stickers are brought into normal form, countries into upper case. Raises ValueError for a sticker that
    is empty in normal form and for what is no country code.
    """

    hashtag: str = ""
    stickers: Sequence[str] = field(default=())
    countries: Sequence[str] = field(default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "hashtag", hashtag_form(self.hashtag) if self.hashtag else "")
        object.__setattr__(self, "stickers", [_sticker_form(sticker) for sticker in self.stickers])
        object.__setattr__(self, "countries", [normalise_country(country) for country in self.countries])

    def parameters(self) -> dict[str, object]:
        return {"hashtag": self.hashtag, "stickers": self.stickers, "countries": self.countries}


def hashtag_form(hashtag: str) -> str:
    """The normal form of a tag, or a group's name with its @. Raises ValueError where nothing is left of it."""
    form = normalise_tag(hashtag)
    if not form:
        raise ValueError(f"{hashtag!r} is no hashtag: nothing is left of it in normal form")
    return "@" + form if hashtag.startswith("@") else form


def _sticker_form(sticker: str) -> str:
    form = normalise_tag(sticker)
    if not form:
        raise ValueError(f"{sticker!r} is no sticker: nothing is left of it in normal form")
    return form
