"""Every count in ClickHouse against what was sent, minute by minute, in the memory of a minute."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from loadtest.load.ledger import Sent
from loadtest.load.templates import Cell
from sinks.delta import RECEIPT

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_SHOWN = 10
_MINUTE = """
SELECT event_type, country, hashtag, sticker, sum(events) AS events FROM engagement_minute
WHERE window_start = toDateTime({minute:UInt32} * 60) AND event_type != {receipt:String} GROUP BY ALL
"""
_MINUTES = """
SELECT DISTINCT intDiv(toUnixTimestamp(window_start), 60) FROM engagement_minute WHERE event_type != {receipt:String}
"""
_REJECTS = "SELECT reason, uniqExact(topic, incarnation, partition, offset) FROM rejected_events GROUP BY reason"
#: Windows of the coarse table that are not the sum of their minutes.
_GRAIN = """
SELECT count() FROM
(
    SELECT 1 FROM
    (
        SELECT event_type, country, hashtag, sticker, {start} AS start, toInt64(events) AS signed FROM engagement_minute
        WHERE event_type != {{receipt:String}}
        UNION ALL
        SELECT event_type, country, hashtag, sticker, window_start, -toInt64(events) FROM {table}
        WHERE event_type != {{receipt:String}}
    )
    GROUP BY event_type, country, hashtag, sticker, start HAVING sum(signed) != 0
)
"""
_STARTS = {
    "engagement_hour": "toStartOfHour(window_start)",
    "engagement_day": "toDateTime(toStartOfDay(window_start), 'UTC')",
}


@dataclass
class Verdict:
    """What is wrong with the counts. Events are those of the rows for all hashtags, where each counts once.

    `missing`: sent and not counted. `doubled`: counted more often than sent, in keys that were sent. `extra`: in keys
    that were not. `wrong_keys`: rows of the minute grain that differ, of `keys`. `grains`: coarse table -> windows
    that are not the sum of their minutes. `rejects`: reason -> [sent, found], where they differ.
    """

    keys: int = 0
    events: int = 0
    wrong_keys: int = 0
    missing: int = 0
    doubled: int = 0
    extra: int = 0
    rejected: int = 0
    rejects: dict[str, tuple[int, int]] = field(default_factory=dict)
    grains: dict[str, int] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)

    @property
    def right(self) -> bool:
        """Whether all is as it must be."""
        return not (self.wrong_keys or self.rejects or any(self.grains.values()))

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self) | {"right": self.right}


def judge(sent: Sent, client: Client) -> Verdict:
    """Compare all. The database must hold nothing that was not sent by this run."""
    verdict, names = Verdict(), {"receipt": RECEIPT}
    found_minutes = {int(row[0]) for row in client.query(_MINUTES, parameters=names).result_rows}
    for minute in sorted(found_minutes.union(sent.minutes())):
        fold(verdict, minute, sent.counts(minute), counted(client, minute))
    wanted = sent.rejects()
    found: dict[str, int] = {str(row[0]): int(row[1]) for row in client.query(_REJECTS).result_rows}
    verdict.rejected = sum(wanted.values())
    for reason in {*wanted, *found}:
        if wanted[reason] != found.get(reason, 0):
            verdict.rejects[reason] = (wanted[reason], found.get(reason, 0))
    for table, start in _STARTS.items():
        verdict.grains[table] = client.query(_GRAIN.format(table=table, start=start), parameters=names).result_rows[0][
            0
        ]
    return verdict


def counted(client: Client, minute: int) -> Counter[Cell]:
    """What ClickHouse holds for a unix minute."""
    lines = client.raw_query(
        _MINUTE,
        parameters={"minute": minute, "receipt": RECEIPT},
        fmt="JSONCompactEachRow",
        settings={"output_format_json_quote_64bit_integers": 0},
    )
    return Counter({tuple(cell): events for *cell, events in map(orjson.loads, lines.splitlines())})


def fold(verdict: Verdict, minute: int, wanted: Mapping[Cell, int], found: Mapping[Cell, int]) -> None:
    """Add what a minute has to `verdict`."""
    verdict.keys += len(wanted)
    for cell in wanted.keys() | found.keys():
        want, have = wanted.get(cell, 0), found.get(cell, 0)
        once = cell[2] == ""
        verdict.events += want if once else 0
        if want == have:
            continue
        verdict.wrong_keys += 1
        if len(verdict.examples) < _SHOWN:
            verdict.examples.append(f"minute {minute}, {' / '.join(cell)}: {have} counted, {want} sent")
        if once:
            verdict.missing += max(0, want - have)
            verdict.doubled += max(0, have - want) if want else 0
            verdict.extra += have if not want else 0
