"""Cutting batches."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.batch import RecordBatch


def batch(first: int, offsets: list[int], next_offset: int) -> RecordBatch:
    return RecordBatch("video-views", 0, 1, first, next_offset, offsets, [str(o).encode() for o in offsets])


@given(st.sets(st.integers(5, 30)), st.integers(5, 31))
def test_the_parts_of_a_split_make_up_the_whole(offsets: set[int], at: int) -> None:
    whole = batch(5, sorted(offsets), 31)
    left, right = whole.split(at)
    assert (left.first, left.next_offset, right.first, right.next_offset) == (5, at, at, 31)
    assert [*left.offsets, *right.offsets] == list(whole.offsets)
    assert [*left.values, *right.values] == list(whole.values)
    assert all(o < at for o in left.offsets)
    assert all(o >= at for o in right.offsets)


@pytest.mark.parametrize("at", [4, 32])
def test_a_cut_outside_is_refused(at: int) -> None:
    with pytest.raises(ValueError, match=r"outside \[5, 31\]"):
        batch(5, [6], 31).split(at)
