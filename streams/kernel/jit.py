"""How the kernel is compiled: the one place that knows numba. Import it only where numba is installed.

Two builds come from the same source. The usual one reads bytes by pointer (`primitives`). The plain one, chosen by
`KERNEL_PLAIN_LOOPS=1` before the first import, reads them by index and checks every index, of every array: tests run
it over the same inputs to show that the usual build never reads or writes out of bounds either.

Integers: numba turns int64 mixed with uint64 into float64 without a word. So every uint64 is made by `u64` or is a
`np.uint64` constant, entries have explicit signatures, and a test looks for floats among all inferred types.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

#: numba has no type stubs that mypy could use.
numba: Any = import_module("numba")
types: Any = numba.types
u64: Any = numba.uint64
i64: Any = numba.int64

log = logging.getLogger(__name__)
F = TypeVar("F", bound=Callable[..., Any])

#: Whether this is the plain build, with bounds checks.
PLAIN = os.environ.get("KERNEL_PLAIN_LOOPS") == "1"

BYTES = types.Array(types.uint8, 1, "C", readonly=True)
U8, U64, I64 = types.uint8[::1], types.uint64[::1], types.int64[::1]
INT = types.int64
NOTHING = types.void

# Reference counting off: half of the time would go into counting references to arrays that Python holds anyway.
# Nothing compiled here may allocate, therefore.
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "boundscheck": PLAIN, "_nrt": False}

#: Every dispatcher made here, for the test that looks at their types.
compiled: list[Any] = []


def inner(function: F) -> F:
    """Compile a function that only compiled functions call. Its types come from its callers."""
    made = numba.njit(**_OPTIONS)(function)
    compiled.append(made)
    return made  # type: ignore[no-any-return]


def entry(result: Any, *arguments: Any) -> Callable[[F], F]:
    """Compile a function that Python calls, for exactly these types, at once; from numba's cache where it can."""

    def compile_(function: F) -> F:
        try:
            made = numba.njit(result(*arguments), cache=not PLAIN, **_OPTIONS)(function)
        except RuntimeError as error:  # no directory to write the cache to
            log.warning("the kernel is compiled at every start: %s", error)
            made = numba.njit(result(*arguments), **_OPTIONS)(function)
        compiled.append(made)
        return made  # type: ignore[no-any-return]

    return compile_


def fingerprint() -> str:
    """A hash of all sources of the kernel.

    numba's cache of a function sees changes in the function's own file, not in those it calls into. Entries are
    closures over this hash, and what a closure holds is part of the key of the cache.
    """
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
