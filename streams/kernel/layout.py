"""What Python and the compiled code agree on: the meaning of array elements. No numba here."""

from __future__ import annotations

from streams.rules import MAX_GROUPS

# ---- state of a call (int64) --------------------------------------------------------------------------
AT = 0
"""Index into `todo` of the record to go on with."""
MISSES = 1
"""Strings that were not known, in `misses`: start, length, kind."""
LATER = 2
"""Records put off, in `later`: record * 2 + (1 if only a string was not known)."""
DROPPED_EMPTY = 3
DROPPED_LONG = 4
STATE_SIZE = 5

# ---- state of a delta (int64) -------------------------------------------------------------------------
ROWS = 0
CELLS = 1
VIDEOS = 2
PENDING = 3
TOTALS_SIZE = 4

# ---- what to count (int64), fixed for a call ----------------------------------------------------------
OLDEST = 0
LATEST = 1
MAX_RECORD_BYTES = 2
MAX_TAGS = 3
HAS_STICKER = 4
HAS_COUNT = 5
GROUPS = 6
TYPE_LENGTH = 7
RULES_SIZE = 8

# ---- secrets and names (uint64), fixed for a process or a topic ---------------------------------------
SECRET_A = 0
SECRET_B = 1
SECRET_C = 2
TYPE_HEAD = 3
TYPE_TAIL = 4
WORDS_SIZE = 5

# ---- what a call answers ------------------------------------------------------------------------------
FINISHED = 0
TABLE_FULL = 1
CELLS_FULL = 2
VIDEOS_FULL = 3

# ---- interned strings ---------------------------------------------------------------------------------
ENTRY_WORDS = 4
"""Words of an entry: its first and second eight bytes, start << 16 | length, value."""
EMPTY_TAG = -1
LONG_TAG = -2
ODD = -3
"""Values of raw strings that are no form: dropped tags, a sticker that its record is rejected for."""
MAX_RAW_BYTES = 512
"""Raw strings longer than this are never interned; their records take the slow way."""
TAG, STICKER = 0, 1
"""Kinds of misses."""

# ---- bounds -------------------------------------------------------------------------------------------
MAX_TAGS_FAST = 64
"""Distinct tags up to which a record is counted here. They are compared one by one."""
STRINGS_AT_ONCE = 16
"""Tags that are looked up together."""
STRING_WORDS = 3
"""Words that describe one of them: start, length, hash."""
MAX_KEYS_OF_RECORD = 1 + MAX_TAGS_FAST + MAX_GROUPS
PENDING_SIZE = 512
"""Additions that wait until the memory they go to has come."""
MISSES_SIZE = 1 << 14
MISS_WORDS = 3
STICKER_BITS = 21
COUNTRY_BITS = 10
MAX_STICKERS = 1 << STICKER_BITS
