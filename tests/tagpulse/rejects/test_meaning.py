"""What a reject looks like to a person."""

from __future__ import annotations

import pytest

from schemas.rejects import RejectReason
from tagpulse.rejects.meaning import as_text, hex_dump, meanings
from tagpulse.rejects.replay import key_of


def test_every_reason_has_a_meaning() -> None:
    found = meanings()
    assert found.keys() == {reason.value for reason in RejectReason}
    assert found["missing"] == "A required field is absent or null."
    assert all(text.endswith(".") for text in found.values())


def test_text_is_shown_as_text() -> None:
    assert as_text('{"a": "é👍"}\n'.encode(), truncated=False) == '{"a": "é👍"}\n'


@pytest.mark.parametrize("raw", [b"\xff", "é".encode()[:1], b"\x1b[2J", b"a\x00"])
def test_what_is_no_text_or_would_steer_a_terminal_is_not(raw: bytes) -> None:
    assert as_text(raw, truncated=False) is None


def test_half_a_character_at_the_cut_is_left_out() -> None:
    assert as_text("aé".encode()[:-1], truncated=True) == "a"
    assert as_text(b"\xffa", truncated=True) is None


def test_a_dump_shows_offsets_bytes_and_characters() -> None:
    lines = hex_dump(bytes(range(0x30, 0x44))).splitlines()
    assert lines[0].split("  ")[1:3] == ["00000000", "30 31 32 33 34 35 36 37 38 39 3a 3b 3c 3d 3e 3f"]
    assert lines[0].endswith("|0123456789:;<=>?|")
    assert "00000010" in lines[1]
    assert lines[1].endswith("|@ABC|")
    assert hex_dump(b"x" * 5_000).endswith("904 more bytes")


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (b'{"video_id": "0077"}', b"77"),
        (b'{"video_id": "7", "ts": 5}', b"7"),
        (b'{"video_id": 7}', None),
        (b'{"video_id": "7a"}', None),
        (b'{"video_id": ""}', None),
        (b"{}", None),
        (b"[]", None),
        (b"[1]", None),
        (b"7", None),
        (b"hello", None),
        (b"", None),
        (b"\xff", None),
    ],
)
def test_the_key_is_the_video_where_it_can_be_read(value: bytes, key: bytes | None) -> None:
    assert key_of(value) == key
