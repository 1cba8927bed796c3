"""Whether the C library does as it is told, seen in the page faults of a process of its own."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

_PROGRAM = """
import resource, sys, threading
from streams.allocator import keep_freed_memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def fetch():
    for _ in range(10):
        bytes(bytearray(8_000_000))

if sys.argv[1] == "kept":
    assert keep_freed_memory()
fetch()
before = faults()
thread = threading.Thread(target=fetch)
thread.start()
thread.join()
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library has other ways")
def test_freed_memory_is_used_again() -> None:
    found = {
        how: int(subprocess.run([sys.executable, "-c", _PROGRAM, how], check=True, capture_output=True).stdout)
        for how in ("kept", "given back")
    }
    # Two buffers of 8 MB are 3,900 pages, which another thread had just used.
    assert found["kept"] < 500 < 3_000 < found["given back"], found
