"""How the kernel is compiled: in bounds, without floats, and again whenever a source changes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

KERNEL = Path(__file__).parents[3] / "streams" / "kernel"

_PLAIN = """
import pytest
from streams.kernel import jit
assert jit.PLAIN
arguments = ["-q", "-p", "no:cacheprovider", "-k", "not long and not million", *{files!r}]
assert pytest.main(arguments) == 0
from streams.kernel import primitives
from tests.streams.kernel.test_reading import array
for read in (primitives.byte_at, primitives.word_at, primitives.special_bits, primitives.high_bits):
    read(array(b"x" * 40), 8)
    for beyond in (40, -1):
        with pytest.raises(IndexError):
            read(array(b"x" * 40), beyond)
floats = [
    (made.py_func.__name__, name)
    for made in jit.compiled
    for found in made.overloads.values()
    for name, kind in found.type_annotation.typemap.items()
    if "float" in str(kind)
]
assert not floats, floats
"""


@pytest.mark.skipif(
    os.environ.get("TAGPULSE_LONG_TESTS") != "1", reason="compiles everything twice: TAGPULSE_LONG_TESTS=1"
)
@pytest.mark.timeout(900)
def test_the_plain_build_stays_in_bounds_and_knows_no_floats() -> None:
    """numba makes int64 and uint64 into float64; and the usual build checks no bounds."""
    files = [str(Path(__file__).with_name(name)) for name in ("test_differential.py", "test_counts.py")]
    environment = os.environ | {"KERNEL_PLAIN_LOOPS": "1"}
    environment.pop("TAGPULSE_LONG_TESTS", None)
    done = subprocess.run(
        [sys.executable, "-c", _PLAIN.format(files=files)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


def test_the_cache_sees_a_change_in_any_file(tmp_path: Path) -> None:
    """numba looks at the file of the function alone; the entries hold a hash of all."""
    shutil.copytree(KERNEL, tmp_path / "kernel", ignore=shutil.ignore_patterns("__pycache__"))
    program = "import sys; from streams.kernel import jit; jit.__file__ = sys.argv[1]; print(jit.fingerprint())"

    def fingerprint() -> str:
        arguments = [sys.executable, "-c", program, str(tmp_path / "kernel" / "jit.py")]
        return subprocess.run(arguments, capture_output=True, text=True, check=True).stdout

    before = fingerprint()
    assert fingerprint() == before
    source = tmp_path / "kernel" / "text.py"
    source.write_bytes(source.read_bytes() + b"\n")
    assert fingerprint() != before


def test_entries_hold_the_fingerprint() -> None:
    from streams.kernel import entries, jit

    for name in ("frame", "count_records", "fold_columns", "intern_many", "move", "list_rows", "encode_strings"):
        closure = getattr(entries, name).py_func.__closure__
        assert [cell.cell_contents for cell in closure] == [jit.fingerprint()], name
