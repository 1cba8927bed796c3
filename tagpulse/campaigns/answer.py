"""What kind of answer about a campaign one is: exact, exact since a moment, or bounds. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sinks.analytics import Period


def word_for(row: Mapping[str, Any], exact_from: datetime | None, period: Period) -> str:
    """The word for a total over `period`, with the columns at_least and at_most.

    `exact_from`: from this window on each event is counted once (UTC); None: always.
    """
    if row["at_least"] == row["at_most"]:
        return "exact"
    assert exact_from is not None
    return f"exact since {exact_from:%Y-%m-%d %H:%M}" if exact_from < period.until else "bounds"
