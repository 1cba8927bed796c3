"""Normal forms: the odd captions of real videos, and properties over every string there is."""

from __future__ import annotations

import sys
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import tags
from schemas.tags import bounded_form, display_form, normalise_tag

#: Text rich in what normalising touches; lone surrogates included.
any_text = st.text() | st.text(
    alphabet=st.sampled_from(list("#@＃﹟＠﹫ \t\u3000\u200b\ufeff\u202e\u2069aAſßİıΣς\u0345\u0301\u1e9e¨ΐ\ud800ﷺ"))
)


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        pytest.param("love", "love", id="plain"),
        pytest.param("#Love", "love", id="hash-and-case"),
        pytest.param(" ##  #@LOVE \n", "love", id="leading-run-and-trailing-space"),
        pytest.param("＃love", "love", id="full-width-hash"),
        pytest.param("﹟love", "love", id="small-hash"),
        pytest.param("＠summer", "summer", id="at-is-kept-free"),
        pytest.param("rock@night #1", "rock@night #1", id="inside-is-kept"),
        pytest.param("𝖺𝖽", "ad", id="math-bold"),
        pytest.param("FYPシ", "fypシ", id="kana"),
        pytest.param("ﾌﾟﾛ", "プロ", id="half-width-kana"),
        pytest.param("viral\u200b", "viral", id="zero-width-space-at-the-end"),
        pytest.param("\u200b#\ufeffviral", "viral", id="invisible-around-the-hash"),
        pytest.param("İstanbul", "i̇stanbul", id="turkish-dotted-i"),
        pytest.param("STRASSE", "strasse", id="upper-strasse"),
        pytest.param("straße", "strasse", id="sharp-s"),
        pytest.param("❤️\u200d🔥", "❤️\u200d🔥", id="emoji-keep-joiner-and-variation"),
        pytest.param("", "", id="empty"),
        pytest.param("# @\u3000", "", id="nothing-but-marks"),
        pytest.param("x" * 159, "x" * 159, id="159-characters"),
    ],
)
def test_normal_forms(written: str, normal: str) -> None:
    assert normalise_tag(written) == normal


def test_six_spellings_of_one_tag_are_one() -> None:
    spellings = [
        "#SpeakYourMind",
        "speakyourmind",
        "SPEAKYOURMIND",
        "＃speakYourMind",
        "𝗦peakYourMind ",
        "\u200bSpeakyourmind",
    ]
    assert {normalise_tag(s) for s in spellings} == {"speakyourmind"}


@given(any_text)
def test_normalising_twice_changes_nothing(text: str) -> None:
    form = normalise_tag(text)
    assert normalise_tag(form) == form
    assert not form.startswith(("#", "@"))
    assert form == form.strip()


@given(any_text, st.integers(1, 64))
def test_the_bounded_form_is_the_normal_form_or_none(text: str, max_bytes: int) -> None:
    form = normalise_tag(text)
    fits = len(form.encode("utf-8", "surrogatepass")) <= max_bytes
    assert bounded_form(text, max_bytes) == (form if fits else None)


@pytest.mark.parametrize(
    "text", ["a" + "\u0301\u0316" * 60_000, "\u200b" * 120_000 + "\u0301" * 60_000, "#" * 250_000 + "é" * 9_000]
)
def test_a_hostile_tag_takes_no_time(text: str) -> None:
    """NFKC of the first one takes half a minute: one record must not stop a partition."""
    began = time.process_time()
    assert bounded_form(text, 512) is None
    assert time.process_time() - began < 2


def test_any_length_of_what_is_stripped_still_leaves_the_tag() -> None:
    assert bounded_form("＃\u200b " * 50_000 + "Love" + "\u3000" * 50_000, 4) == "love"


def test_the_character_lists_hold_for_this_unicode() -> None:
    characters = [chr(c) for c in range(sys.maxunicode + 1) if not 0xD800 <= c <= 0xDFFF]
    assert "".join(filter(str.isspace, characters)) == tags._WHITE_SPACE
    stripped = {c for c in characters if set(unicodedata.normalize("NFKC", c)) <= set(tags._LEADING)}
    assert stripped == set(tags._LEADING + tags._LOOK_ALIKES)
    composed = (unicodedata.normalize("NFD", c) for c in characters if unicodedata.is_normalized("NFC", c))
    assert max(map(len, composed)) == tags._MAX_COMPOSED


@pytest.mark.parametrize(
    ("written", "shown"),
    [("SpeakYourMind", "#SpeakYourMind"), ("##Love ", "#Love"), ("＃Lo\u202eve", "#Love"), ("𝖺𝖽", "#𝖺𝖽")],
)
def test_display_form(written: str, shown: str) -> None:
    assert display_form(written) == shown
