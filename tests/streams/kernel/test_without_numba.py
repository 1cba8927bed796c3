"""numba is optional: without it everything imports, and who asks for the kernel is told what to install."""

from __future__ import annotations

import subprocess
import sys

_PROGRAM = """
import sys
sys.modules["numba"] = None
import importlib.util
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "numba" else find_spec(name, *rest)
import streams.kernel
from schemas.topics import EventType
from streams.rules import Rules
try:
    streams.kernel.KernelCounter(EventType.VIDEO_VIEW, Rules())
except streams.kernel.KernelUnavailable as error:
    print(error)
"""


def test_without_numba() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout == "numba is not installed: pip install 'tagpulse[kernel]'\n"
