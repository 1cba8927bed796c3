"""Event time on the wire: RFC 3339 date-time, read to the second.

Accepted is what the grammar of RFC 3339, section 5.6, accepts, and nothing else:
- `t` and `z` may be lower case; a space in place of `T` is not in the grammar and is refused;
- an offset (`+hh:mm`, hours to 23) or `Z` is required; `-00:00` is UTC;
- the fraction of a second has any number of digits, and is cut off;
- second 60 only where a leap second can be: 23:59:60 UTC on the last day of a month. It counts as 23:59:59.
"""

from __future__ import annotations

import re
from datetime import date

_DATE_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.[0-9]+)?"
    r"(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_DAY = 86_400
#: The calendar repeats every 400 years, which is how year 0000, in RFC 3339 but not in Python, is computed.
_CYCLE_YEARS, _CYCLE_DAYS = 400, 146_097


def parse_timestamp(text: str) -> int:
    """Unix time in whole seconds, rounded down; negative before 1970.

    Raises ValueError where `text` is not an RFC 3339 date-time or the calendar or clock has no such time.
    """
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        raise ValueError("not an RFC 3339 date-time, such as 2026-03-01T12:00:00Z")
    year, month, day, hour, minute, second = map(int, match.group(1, 2, 3, 4, 5, 6))
    sign, offset_hour, offset_minute = match.group(7, 8, 9)
    if hour > 23 or minute > 59 or second > 60:
        raise ValueError("the clock has no such time")
    days = _days(year, month, day)
    offset = 0
    if sign is not None:
        if int(offset_hour) > 23 or int(offset_minute) > 59:
            raise ValueError("no such offset from UTC")
        offset = (int(offset_hour) * 60 + int(offset_minute)) * (60 if sign == "+" else -60)
    unix = days * _DAY + hour * 3600 + minute * 60 + second - offset
    if second == 60:
        # `unix` is now the first second of the next month, if this is a leap second at all.
        if unix % _DAY != 0 or not _is_first_of_month(unix // _DAY):
            raise ValueError("no leap second is ever inserted here")
        unix -= 1
    return unix


def _days(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01. Raises ValueError where the calendar has no such day."""
    if year == 0:
        return date(_CYCLE_YEARS, month, day).toordinal() - _CYCLE_DAYS - _EPOCH_DAY
    return date(year, month, day).toordinal() - _EPOCH_DAY


def _is_first_of_month(days: int) -> bool:
    # Folded into one cycle of the calendar, so that times next to year 0 and year 9999 do not overflow.
    return date.fromordinal((days + _EPOCH_DAY - 1) % _CYCLE_DAYS + 1).day == 1
