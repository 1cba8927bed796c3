"""Moments as people write them on the command line."""

from __future__ import annotations

from datetime import UTC, datetime

import typer


def moment(text: str, option: str) -> datetime | None:
    """`text` as a moment, UTC unless it says otherwise; None for "". Names `option` where it is none."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r}: write 2026-05-01 or 2026-05-01T12:30", param_hint=option) from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
