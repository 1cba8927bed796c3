"""The two logins of the embedded ClickHouse: one that writes, one for analysts that only reads."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import msgspec

from tagpulse.stack.errors import DataDirectoryError


class Credentials(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    user: str
    password: str
    analyst_user: str
    analyst_password: str

    def __repr__(self) -> str:
        return f"Credentials(user={self.user!r}, analyst_user={self.analyst_user!r})"


def generate() -> Credentials:
    return Credentials(
        user="tagpulse",
        password=secrets.token_urlsafe(24),
        analyst_user="analyst",
        analyst_password=secrets.token_urlsafe(24),
    )


def load_or_create(path: Path) -> Credentials:
    """The credentials kept in `path`, or new ones, then kept there, readable by their owner only.

    Raises DataDirectoryError where the file is there but cannot be read.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Credentials)
    except FileNotFoundError:
        pass
    except (OSError, msgspec.MsgspecError) as error:
        raise DataDirectoryError(path, str(error), "Remove the file to have new passwords made.") from error
    credentials = generate()
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode(credentials))
    partial.replace(path)
    return credentials
