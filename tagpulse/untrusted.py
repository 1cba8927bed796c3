"""Text that producers chose, such as hashtags, on its way to a terminal or a spreadsheet."""

from __future__ import annotations

import unicodedata

#: What a spreadsheet would take for the begin of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def for_terminal(text: str) -> str:
    """Control characters as U+FFFD: an escape sequence in a hashtag must not reach a terminal."""
    return "".join("\ufffd" if unicodedata.category(c) == "Cc" else c for c in text)


def for_spreadsheet(value: object) -> object:
    """A text that a spreadsheet would take for a formula, quoted; anything else as it is."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
