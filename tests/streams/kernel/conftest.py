"""Where numba is not installed, there is no kernel to test: only that this is said well (test_without_numba)."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

NEEDS_NO_NUMBA = "test_without_numba.py"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if find_spec("numba") is not None:
        return
    for item in items:
        if item.path.is_relative_to(__file__.rsplit("/", 1)[0]) and item.path.name != NEEDS_NO_NUMBA:
            item.add_marker(pytest.mark.skip(reason="numba is not installed (pip install 'tagpulse[kernel]')"))
