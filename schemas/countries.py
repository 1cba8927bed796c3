"""The normal form of a country: two upper-case ASCII letters, `ZZ` where it is not known."""

from __future__ import annotations

import re

#: The country of an event that names none (ISO 3166 leaves ZZ to users).
UNKNOWN_COUNTRY = "ZZ"

# Not str.isalpha() and str.upper(): "ſ" (U+017F) is a letter whose upper case is the ASCII "S".
_TWO_LETTERS = re.compile(r"[A-Za-z]{2}")


def normalise_country(value: str | None) -> str:
    """Upper-case a two-letter code; `UK` means `GB`; None and "" mean `ZZ`.

    Raises ValueError for anything else. Whether a country has that code is not asked.
    """
    if not value:
        return UNKNOWN_COUNTRY
    if _TWO_LETTERS.fullmatch(value) is None:
        raise ValueError("a country is two ASCII letters, such as PH")
    code = value.upper()
    return "GB" if code == "UK" else code
