"""How complete the counts of a period are, as far as ClickHouse knows. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sinks.analytics import Period


@dataclass(frozen=True, slots=True)
class Completeness:
    """Of the view `completeness`. `behind`: partitions without a count made after the period; `open`: half written."""

    ended: bool
    counted_at: datetime | None
    changed_at: datetime | None
    behind: Sequence[str]
    open: Sequence[str]

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Any]], period: Period, now: datetime) -> Completeness:
        """From rows of the view, of `period`."""

        def place(row: Mapping[str, Any]) -> str:
            return f"{row['topic']}/{row['partition']}"

        return cls(
            period.until <= now,
            max((row["counted_at"] for row in rows), default=None),
            max((row["changed_at"] for row in rows if row["changed_at"]), default=None),
            [place(row) for row in rows if row["counted_at"] < period.until],
            [place(row) for row in rows if row["open"]],
        )

    @property
    def settled(self) -> bool:
        """Whether every partition was counted after the end of the period, and none is half written.

        Where Kafka's log ends is not known here: only `tagpulse status` can say that a period is final.
        """
        return self.ended and self.counted_at is not None and not self.behind and not self.open

    def sentences(self) -> list[str]:
        """What a reader must know before quoting."""
        if self.counted_at is None:
            return ["Nothing has been counted yet."]
        found = []
        newest = f"the newest count is of {self.counted_at:%Y-%m-%d %H:%M} UTC"
        if not self.ended:
            found.append(f"Not final: the period has not ended; {newest}.")
        elif self.settled:
            found.append(f"All partitions were counted after the end of the period; {newest}.")
        else:
            found.append(f"Not known to be final: {newest}; `tagpulse status` compares with the end of Kafka's log.")
        if self.ended and self.behind:
            found.append(f"Without a count since the end of the period: {_few(self.behind)}.")
        if self.open:
            found.append(f"Still being written: {_few(self.open)}.")
        if self.changed_at:
            found.append(f"The months of the period last got events at {self.changed_at:%Y-%m-%d %H:%M} UTC.")
        return found

    def document(self) -> dict[str, Any]:
        """As JSON knows it."""
        return {
            "settled": self.settled, "counted_at": self.counted_at, "changed_at": self.changed_at,
            "behind": list(self.behind), "open": list(self.open),
        }  # fmt: skip


def _few(places: Sequence[str], limit: int = 6) -> str:
    shown = ", ".join(places[:limit])
    return f"{shown} and {len(places) - limit} more" if len(places) > limit else shown
