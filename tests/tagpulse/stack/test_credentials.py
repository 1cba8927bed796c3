from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tagpulse.stack.credentials import generate, load_or_create
from tagpulse.stack.errors import DataDirectoryError


def test_they_are_kept_and_private(tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    first = load_or_create(path)
    assert load_or_create(path) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_passwords_differ_and_are_not_shown() -> None:
    one, other = generate(), generate()
    passwords = {one.password, one.analyst_password, other.password, other.analyst_password}
    assert len(passwords) == 4
    assert not any(password in repr(one) for password in passwords)


@pytest.mark.parametrize("text", ["", "{}", '{"user": 1}', "[]"])
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "credentials.json"
    path.write_text(text)
    with pytest.raises(DataDirectoryError, match=r"credentials\.json.*Remove the file"):
        load_or_create(path)
