"""Damages counts in ClickHouse on purpose, and mends them again.

Counts are sums, so a row with a negative number (modulo 2^64) takes away, as if rows had never landed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from loadtest.events import Event
from tagpulse.demo.truth import Key, compute
from tests.e2e.harness import Stack

TABLES = ("engagement_minute", "engagement_hour", "engagement_day")
_COLUMNS = ("event_type", "country", "hashtag", "sticker", "window_start", "events")


def minute_rows(stack: Stack, events: Sequence[Event]) -> dict[Key, int]:
    """What `events` count for on `stack`, at the grain minute."""
    return dict(compute(events, stack.ledger.groups, datetime.now(UTC)).events["minute"])


@contextmanager
def added(stack: Stack, table: str, rows: dict[Key, int], times: int) -> Iterator[None]:
    """While the body runs, `rows` stand in `table` so many times more (-1: once less) than they should."""
    add(stack, table, rows, times)
    try:
        yield
    finally:
        add(stack, table, rows, -times)


def at(table: str, rows: dict[Key, int]) -> dict[Key, int]:
    """Rows of minutes as rows of `table`."""
    cut = {"engagement_minute": {}, "engagement_hour": {"minute": 0}, "engagement_day": {"minute": 0, "hour": 0}}[table]
    found: dict[Key, int] = {}
    for key, number in rows.items():
        window = (*key[:4], key[4].replace(**cut))  # type: ignore[arg-type]
        found[window] = found.get(window, 0) + number
    return found


def insert_again(stack: Stack, rows: dict[Key, int], token: str) -> None:
    """The rows once more on the worker's way in, as a delta whose token was forgotten would come."""
    expires = datetime.now(UTC) + timedelta(minutes=5)
    stack.client.insert(
        "ingest",
        [[0, *key, number, expires] for key, number in rows.items()],
        column_names=["kind", *_COLUMNS, "expires"],
        settings={"insert_deduplication_token": token, "async_insert": 0},
    )


def add(stack: Stack, table: str, rows: dict[Key, int], times: int) -> None:
    """Put `rows` into `table` so many times more; negative: take them away."""
    stack.client.insert(
        table,
        [[*key, times * number % 2**64] for key, number in rows.items()],
        column_names=list(_COLUMNS),
        # Without a token ClickHouse would make one from the content, and drop the same rows the second time.
        settings={"deduplicate_insert": "disable", "async_insert": 0},
    )
