"""The normal form of a hashtag or a sticker name: equal normal forms are counted as one.

A normal form never begins with `#`, `@` or white space, so that `@name` is free for groups of tags.
It depends on the Unicode version of Python's `unicodedata` only for characters newer than Unicode 14.
"""

from __future__ import annotations

import re
from itertools import groupby
from unicodedata import combining, normalize

#: Zero-width space, byte order mark and the marks of writing direction: invisible, and often pasted along.
_INVISIBLE = "\u200b\ufeff\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_WITHOUT_INVISIBLE = str.maketrans("", "", _INVISIBLE)

#: Every character for which str.isspace() holds; the same in all versions of Python we run on (tested).
_WHITE_SPACE = (
    "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008"
    "\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
_LEADING = "#@" + _WHITE_SPACE
#: What NFKC turns into `#` or `@`.
_LOOK_ALIKES = "\ufe5f\uff03\ufe6b\uff20"

_PLAIN = re.compile(r"[0-9a-z_]+")

#: At most this many characters compose into one (tested over all of Unicode).
_MAX_COMPOSED = 4


def normalise_tag(text: str) -> str:
    """The fixed point of: delete invisible characters, NFKC, casefold, NFKC, strip.

    Strips the leading run of `#`, `@` and white space and the trailing white space. Takes any str, a lone
    surrogate included; the result may be "". Quadratic in the longest run of combining marks, as NFKC is:
    for text from strangers use `bounded_form`.
    """
    if _PLAIN.fullmatch(text) is not None:
        return text
    before = None
    while text != before:
        before = text
        text = _step(text)
    return text


def _step(text: str) -> str:
    if text.isascii():
        # NFKC leaves ASCII alone and casefold is lower().
        text = text.lower()
    else:
        text = normalize("NFKC", normalize("NFKC", text.translate(_WITHOUT_INVISIBLE)).casefold())
    return text.lstrip(_LEADING).rstrip(_WHITE_SPACE)


def bounded_form(text: str, max_bytes: int) -> str | None:
    """`normalise_tag(text)`, or None where that takes more than `max_bytes` of UTF-8.

    The time is linear in the length of `text`: one that is hopelessly long is refused unnormalised.
    """
    if len(text) > max_bytes // _MAX_COMPOSED:
        text = _trim(text)
        if len(text) > max_bytes * _MAX_COMPOSED or _longest_mark_run(text) > max_bytes:
            return None
    form = normalise_tag(text)
    size = len(form) if form.isascii() else len(form.encode("utf-8", "surrogatepass"))
    return form if size <= max_bytes else None


def display_form(text: str) -> str:
    """`text` as a person would see it: one leading `#`, nothing invisible, the rest as written."""
    return "#" + _trim(text)


def _trim(text: str) -> str:
    """What normalising would delete from both ends or as invisible, deleted; the rest as it was."""
    visible = text.translate(_WITHOUT_INVISIBLE)
    return visible.lstrip(_LEADING + _LOOK_ALIKES).rstrip(_WHITE_SPACE)


def _longest_mark_run(text: str) -> int:
    """The most combining marks in a row: a base takes in a few of them, each of the rest stays."""
    if text.isascii():
        return 0
    runs = groupby(text, lambda character: combining(character) > 0)
    return max((sum(1 for _ in run) for marks, run in runs if marks), default=0)
