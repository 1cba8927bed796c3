from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.countries import normalise_country


@pytest.mark.parametrize(
    ("written", "code"),
    [("PH", "PH"), ("ph", "PH"), ("uK", "GB"), ("GB", "GB"), (None, "ZZ"), ("", "ZZ"), ("zz", "ZZ")],
)
def test_codes(written: str | None, code: str) -> None:
    assert normalise_country(written) == code


@pytest.mark.parametrize("written", ["P", "PHL", "P1", " ", "PH ", "PH\n", "ſa", "ßa", "ﬁ", "ＰＨ", "İT"])
def test_anything_else_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="two ASCII letters"):
        normalise_country(written)


@given(st.text())
def test_a_code_is_two_upper_case_ascii_letters(written: str) -> None:
    try:
        code = normalise_country(written)
    except ValueError:
        return
    assert len(code) == 2
    assert all("A" <= letter <= "Z" for letter in code)
