"""What producers write is text to terminals and spreadsheets, and nothing more."""

from __future__ import annotations

import csv

import pytest

from schemas.tags import normalise_tag
from sinks.analytics import FOREVER, Grain, Period
from tagpulse.cli.render import Format, show

TAGS = ("\x1b]0;title\x07", "\x1b[2J", "\x9b2J", "=1+2", "+1", "-1", "@sum", "[bold]")
COLUMNS = {"hashtag": "tag", "events": "events"}
ROWS = [{"hashtag": tag, "events": -5} for tag in TAGS]
PERIOD = Period(*FOREVER, Grain.DAY)


def test_control_characters_are_a_part_of_tags() -> None:
    assert "\x1b" in normalise_tag("#\x1b[2J")


def test_no_control_character_reaches_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show(ROWS, COLUMNS, TAGS[0], PERIOD, Format.TABLE)
    said = capsys.readouterr().out
    assert not {c for c in said if c < " " or "\x7f" <= c < "\xa0"} - {"\n"}
    assert "\ufffd[2J" in said
    assert "[bold]" in said


def test_no_text_is_a_formula(capsys: pytest.CaptureFixture[str]) -> None:
    show(ROWS, COLUMNS, "tags", PERIOD, Format.CSV)
    _, *rows = csv.reader(capsys.readouterr().out.splitlines())
    assert [tag for tag, _ in rows] == [*TAGS[:3], "'=1+2", "'+1", "'-1", "'@sum", "[bold]"]
    assert {events for _, events in rows} == {"-5"}
