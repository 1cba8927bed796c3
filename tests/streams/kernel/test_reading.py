"""The parts of the scan, each against what defines it. What one accepts, the judge must accept too."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, date, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.countries import normalise_country
from schemas.timestamps import parse_timestamp
from streams.kernel.compiled import functions
from streams.kernel.rows import _country

pytest.importorskip("numba", reason="numba is not installed (pip install 'tagpulse[kernel]')")
from streams.kernel import fields, text


def array(raw: bytes) -> npt.NDArray[np.uint8]:
    buffer = np.frombuffer(raw, np.uint8)
    buffer.flags.writeable = False
    return buffer


def spans(raw: bytes) -> list[tuple[npt.NDArray[np.uint8], int, int]]:
    """The same bytes at the end of a buffer (read one by one) and far from it (read by vectors and words)."""
    return [(array(raw), 0, len(raw)), (array(b'"' * 7 + raw + b'"\\\x00\xff' * 20), 7, 7 + len(raw))]


# ---- UTF-8 --------------------------------------------------------------------------------------------


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_utf8_at_all_borders() -> None:
    borders = [0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xEC, 0xED, 0xEE,
               0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF]  # fmt: skip
    for length in range(1, 5):
        for parts in itertools.product(borders, repeat=length):
            raw = bytes(parts)
            buffer = array(b"x" + raw)
            assert text.is_utf8(buffer, 1, length + 1) == _is_utf8(raw), raw


@settings(deadline=None)
@given(st.binary(max_size=12), st.text(max_size=60), st.integers(0, 60))
def test_utf8_among_other_text(damage: bytes, around: str, at: int) -> None:
    whole = around.encode("utf-8", "surrogatepass")
    raw = whole[:at] + damage + whole[at:]
    for buffer, begin, end in spans(raw):
        assert text.is_utf8(buffer, begin, end) == _is_utf8(raw)


# ---- JSON ---------------------------------------------------------------------------------------------

_json_tokens = st.lists(
    st.sampled_from(
        [
            *'{}[],:"\\ \t\n0123456789-+.eE\x01é',
            *(
                "true",
                "false",
                "null",
                "NaN",
                '"a"',
                '"a":',
                "\\u0041",
                "\\ud83d\\ude00",
                "\\ud83d",
                "\\ude00",
                "\\q",
                "\\/",
            ),
        ]
    ),
    max_size=12,
)
_json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=40), inner, max_size=4),
)


def _no_constant(name: str) -> None:
    raise ValueError(name)


@settings(max_examples=1000, deadline=None)
@given(_json_tokens)
def test_what_is_skipped_is_json(tokens: list[str]) -> None:
    raw = "".join(tokens).encode()
    for buffer, begin, end in spans(raw):
        if begin < end and raw[0] not in b" \t\n" and text.skip_value(buffer, begin, end) == end:
            json.loads(raw, parse_constant=_no_constant).__class__  # noqa: B018 - it must not raise
            assert b"\\ud83d" not in raw.replace(b"\\ud83d\\ude00", b"")


@settings(deadline=None)
@given(_json_values, st.booleans(), st.sampled_from([None, 1]))
def test_json_is_skipped(value: object, ascii_only: bool, indent: int | None) -> None:
    try:
        raw = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
    except UnicodeEncodeError:
        return
    for buffer, begin, end in spans(raw):
        assert text.skip_value(buffer, begin, end) == end


@pytest.mark.parametrize("levels", [text.MAX_NESTING, text.MAX_NESTING + 1])
def test_nesting(levels: int) -> None:
    for opening, closing in (("[", "]"), ('{"a":[', "]}")):
        times = levels // len(closing)
        raw = (opening * times + "1" + closing * times).encode()
        skipped = text.skip_value(array(raw), 0, len(raw))
        assert skipped == (len(raw) if times * len(closing) <= text.MAX_NESTING else -1)


# ---- fields -------------------------------------------------------------------------------------------


def _second(written: str) -> int | None:
    try:
        return parse_timestamp(written)
    except ValueError:
        return None


def _kernel_second(written: str) -> int | None:
    found = {int(fields.second_of(*span)) for span in spans(written.encode())}
    assert len(found) == 1
    second = found.pop()
    return None if second == fields.NO_SECOND else second


def test_every_day_of_four_centuries() -> None:
    day = date(1969, 12, 30)
    while day.year < 2402:
        word = np.frombuffer(day.isoformat()[:8].encode(), "<u8")[0]
        assert fields.days_of(word, day.day) == max((day - date(1970, 1, 1)).days, -1)
        day += timedelta(days=1)
    for year, month in itertools.product((1972, 1999, 2000, 2100, 9999), range(14)):
        word = np.frombuffer(f"{year}-{month:02}-".encode(), "<u8")[0]
        for number in (-1, 0, 28, 29, 30, 31, 32):
            expected = _second(f"{year}-{month:02}-{number:02}T00:00:00Z")
            assert fields.days_of(word, number) == (-1 if expected is None else expected // 86400)


@settings(deadline=None)
@given(
    st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30)),  # noqa: DTZ001
    st.sampled_from(["", ".0", ".123456789012"]),
    st.sampled_from(["Z", "z", "+00:00", "-00:00", "+05:30", "-23:59"]),
    st.sampled_from("Tt"),
)
def test_usual_timestamps_are_read(moment: datetime, fraction: str, zone: str, separator: str) -> None:
    written = moment.replace(microsecond=0, tzinfo=None).isoformat(separator) + fraction + zone
    assert _kernel_second(written) == _second(written) is not None


@settings(deadline=None)
@given(st.data())
def test_damaged_timestamps_are_not_misread(data: st.DataObject) -> None:
    written = list(data.draw(st.sampled_from(["2026-03-01T12:00:00.123Z", "2024-02-29T23:59:59+23:59"])))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(written) - 1))
        written[at] = data.draw(st.sampled_from([*"0123456789:/;-+.TtZz \x00\x7fé", ""]))
    found = _kernel_second("".join(written))
    assert found is None or found == _second("".join(written))


def test_every_country_of_two_bytes() -> None:
    for pair in itertools.product(range(0x80), repeat=2):
        raw = bytes(pair)
        code = fields.country_of(array(raw), 0, 2)
        try:
            assert _country(code) == normalise_country(raw.decode())
        except ValueError:
            assert code == -1
    assert [fields.country_of(array(b"PHX"), 0, length) for length in (0, 1, 3)] == [676, -1, -1]


@settings(deadline=None)
@given(st.from_regex(rb"[0-9]{0,22}", fullmatch=True) | st.binary(max_size=21))
def test_video_ids(raw: bytes) -> None:
    usual = 0 < len(raw) <= 20 and raw.isdigit() and int(raw) < 2**64
    for buffer, begin, end in spans(raw):
        assert fields.is_number(buffer, begin, end) == usual
        assert not usual or int(fields.video_id_of(buffer, begin, end)) == int(raw)


@pytest.mark.parametrize("number", [2**64 - 1, 2**64, 2**64 + 9, 10**19, 99999999999999999999, 18446744073709551609])
def test_the_largest_video_ids(number: int) -> None:
    raw = str(number).encode()
    assert fields.is_number(array(raw), 0, len(raw)) == (number < 2**64)


@settings(deadline=None)
@given(
    st.integers(0, 2**36) | st.sampled_from([1, 2**32 - 1, 2**32, 10**10, 10**11, 10**30]), st.sampled_from(",.e} 0")
)
def test_counts(number: int, after: str) -> None:
    raw = (str(number) + after).encode()
    packed = fields.count_of(array(raw), 0, len(raw))
    digits = str(number) + ("0" if after == "0" else "")
    if 1 <= int(digits) < 2**32 and not digits.startswith("0"):
        assert packed == int(digits) << 8 | len(digits)
    else:
        assert packed == -1


def test_the_functions_are_there() -> None:
    assert functions().count_records is not None


def test_now_is_a_usual_timestamp() -> None:
    assert _kernel_second(datetime.now(UTC).isoformat()) is not None
