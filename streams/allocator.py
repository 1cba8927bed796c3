"""Memory that was freed is kept for the next fetch, instead of being given back and asked for again.

Every fetch brings buffers of megabytes. By default glibc gives much of that back when it is freed, and the kernel fills
every page with zeros when it is touched again: a good part of a busy worker's system time. What is kept is no more than
the worker needed before.
"""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_LARGEST_KEPT = 32 << 20
_KEPT_BYTES = 256 << 20


def keep_freed_memory() -> bool:
    """Tell glibc so, for this process; before threads are started. False where there is another C library."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    options = {_M_MMAP_THRESHOLD: _LARGEST_KEPT, _M_TRIM_THRESHOLD: _KEPT_BYTES, _M_ARENA_MAX: 1}
    taken = [mallopt(option, value) == 1 for option, value in options.items()]
    return all(taken)
