"""The compiled functions, loaded when they are first asked for: without numba, or before that, nothing is compiled."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from streams.errors import StreamError
from streams.rules import MAX_GROUPS, Rules

#: An interned string's length takes two bytes of a varint.
_MAX_FORM_BYTES = 2**14 - 1


class KernelUnavailable(StreamError):
    """The kernel cannot be used here; the message says why, and what to do."""


def unsupported(rules: Rules) -> str | None:
    """Why the kernel cannot count by `rules` on this machine; None where it can."""
    if find_spec("numba") is None:
        return "numba is not installed: pip install 'tagpulse[kernel]'"
    if len(rules.tag_groups) > MAX_GROUPS:
        return f"there are {len(rules.tag_groups)} tag groups; the kernel knows {MAX_GROUPS}"
    longest = max([rules.max_tag_bytes, *(len(name.encode()) + 1 for name in rules.tag_groups)])
    if longest > _MAX_FORM_BYTES:
        return f"max_tag_bytes, or the name of a group, is {longest} bytes; the kernel knows {_MAX_FORM_BYTES}"
    return None


@cache
def functions() -> Any:
    """The module of compiled functions. The first call on a machine compiles them, which takes some 20 s of CPU."""
    return import_module("streams.kernel.entries")
