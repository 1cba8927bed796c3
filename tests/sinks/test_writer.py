"""The writer: every row once, whatever happens on the way."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import pytest
from clickhouse_connect.driver.exceptions import OperationalError

from schemas.rejects import Reject, RejectReason
from sinks.analytics import Analytics, Period
from sinks.claims import Claim, Log
from sinks.delta import DeltaRows, VideoIds, counts_block, receipt_window
from sinks.errors import ClaimLost, DeltaExpired, NotLanded
from sinks.migrations import Retention, shipped
from sinks.native import Block
from sinks.writer import TARGETS, Writer, WriterSettings

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

LOG = Log("sticker-uses", 1, 0)
KEPT = WriterSettings(minute_days=36_500, hour_days=36_500)
Counts = dict[tuple[str, str, str, datetime], tuple[int, int]]


def minute(year: int, month: int, day: int = 1, hour: int = 0, of_hour: int = 0) -> int:
    return int(datetime(year, month, day, hour, of_hour, tzinfo=UTC).timestamp()) // 60


def rows_of(*cells: tuple[int, str, str, dict[str, int]], rejects: tuple[Reject, ...] = ()) -> DeltaRows:
    """Rows whose video ids are 1..events of each row."""
    events = [n for *_, cell in cells for n in cell.values()]
    return DeltaRows(
        "sticker_use",
        [cell[0] for cell in cells],
        [cell[1] for cell in cells],
        [cell[2] for cell in cells],
        [len(cell[3]) for cell in cells],
        [tag for *_, cell in cells for tag in cell],
        events,
        VideoIds(np.cumsum(events).astype("u8"), np.array([i for n in events for i in range(1, n + 1)], "u8")),
        rejects,
    )


def claim_of(rows: DeltaRows, first: int = 0, next_: int = 10) -> Claim:
    return Claim(LOG, first, next_, uuid4(), "w", 1.0, "r", next_ - first, len(rows.rejects), rows.months())


def counts(client: Client, table: str) -> Counts:
    found = client.query(
        f"SELECT country, hashtag, sticker, window_start, sum(events), uniqCombined64Merge(14)(videos) FROM {table}"
        " WHERE event_type = 'sticker_use' GROUP BY 1, 2, 3, 4",
        tz_mode="aware",
    ).result_rows
    return {tuple(row[:4]): (row[4], row[5]) for row in found}


def expected(rows: DeltaRows, table: str) -> Counts:
    total: dict[Any, tuple[int, int]] = {}
    cells = [i for i, size in enumerate(rows.cell_sizes) for _ in range(size)]
    for row, i in enumerate(cells):
        window = datetime.fromtimestamp(rows.cell_minutes[i] * 60, UTC)
        window = window if table.endswith("minute") else window.replace(minute=0)
        window = window.replace(hour=0) if table.endswith("day") else window
        key = (rows.cell_countries[i], rows.hashtags[row], rows.cell_stickers[i], window)
        events, videos = total.get(key, (0, 0))
        total[key] = (events + rows.events[row], max(videos, rows.events[row]))
    return total


def check(client: Client, rows: DeltaRows) -> None:
    for table in TARGETS:
        assert counts(client, table) == expected(rows, table), table


def begun(writer: Writer) -> Claim:
    return writer.chain_end(LOG, 0, "w", uuid4())


class Flaky:
    """Stands before a client; `fail` decides per raw insert what to do before and after it."""

    def __init__(self, client: Client, script: list[str]) -> None:
        self.client, self.script, self.attempts = client, script, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    def raw_insert(self, *args: Any, **kwargs: Any) -> Any:
        self.attempts += 1
        step = self.script.pop(0) if self.script else "ok"
        if step == "refused":
            raise OperationalError("connection refused")
        answer = self.client.raw_insert(*args, **kwargs)
        if step == "answer lost":
            raise OperationalError("connection reset")
        return answer


FIRST = rows_of(
    (minute(2024, 2, 29, 23, 59), "US", "heart", {"": 5, "love": 3, "ümlaut": 1}),
    (minute(2024, 3, 1), "PH", "🎉", {"": 2}),
    (minute(2024, 3, 1, 0, 1), "PH", "🎉", {"": 1, "love": 1}),
)


def test_rows_land_once_at_every_grain(database: Client) -> None:
    writer = Writer(database, KEPT)
    done = writer.write(claim_of(FIRST), begun(writer), FIRST)
    assert done.done
    check(database, FIRST)


@pytest.mark.parametrize(
    ("script", "attempts"),
    [(["refused"], 2), (["answer lost"], 1), (["refused", "refused", "answer lost", "refused"], 3)],
)
def test_repeating_an_insert_doubles_nothing(database: Client, script: list[str], attempts: int) -> None:
    """Nor is what has landed sent again: its receipts are found."""
    flaky: Any = Flaky(database, script)
    writer = Writer(flaky, KEPT)
    writer.write(claim_of(FIRST), begun(writer), FIRST)
    assert flaky.attempts == attempts
    check(database, FIRST)


def left_at(step: str, client: Client) -> None:
    """Have a worker die at `step` of its first delta."""

    def stop(reached: str) -> None:
        if reached == step:
            raise KeyboardInterrupt

    crashing = Writer(client, KEPT, stop)
    with pytest.raises(KeyboardInterrupt):
        crashing.write(claim_of(FIRST), begun(crashing), FIRST)


def test_recovery_of_what_had_landed_doubles_nothing(database: Client) -> None:
    left_at("inserted", database)
    writer = Writer(database, KEPT)
    left = begun(writer)
    assert not left.done
    assert writer.recover(left, FIRST).done
    check(database, FIRST)


def altered(client: Client) -> None:
    """A change of views after which ClickHouse makes other tokens of ours."""
    for grain in ("minute", "hour", "day"):
        query = client.query(f"SELECT as_select FROM system.tables WHERE name = 'ingest_{grain}'").result_rows[0][0]
        client.command(f"ALTER TABLE ingest_{grain} MODIFY QUERY {query}")


def test_recovery_does_not_need_the_token_of_what_had_landed(database: Client) -> None:
    left_at("inserted", database)
    altered(database)
    writer = Writer(database, KEPT)
    assert writer.recover(begun(writer), FIRST).done
    check(database, FIRST)


def test_a_repetition_does_not_need_the_token_of_what_had_landed(
    database: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, insert = Writer(database, KEPT), Writer._insert

    def lose_the_answer(self: Writer, table: str, block: Block, token: str) -> None:
        monkeypatch.setattr(Writer, "_insert", insert)
        insert(self, table, block, token)
        altered(database)
        raise OperationalError("the answer is lost")

    monkeypatch.setattr(Writer, "_insert", lose_the_answer)
    assert writer.write(claim_of(FIRST), begun(writer), FIRST).done
    check(database, FIRST)


def test_no_migration_alters_the_query_of_a_view() -> None:
    """ClickHouse would make other tokens at its next restart, in the middle of whatever is then underway."""
    assert not [migration.name for migration in shipped() if "MODIFY QUERY" in migration.sql]


def test_recovery_of_what_had_not_landed_loses_nothing(database: Client) -> None:
    left_at("before-insert", database)
    assert counts(database, "engagement_day") == {}
    writer = Writer(database, KEPT)
    writer.recover(begun(writer), FIRST)
    check(database, FIRST)


@pytest.mark.parametrize("table", TARGETS)
def test_rows_that_were_confirmed_and_lost_are_repaired(database: Client, table: str) -> None:
    """ClickHouse keeps a token a moment before the rows. Here one table lost what it had confirmed."""
    writer = Writer(database, KEPT)
    claim = claim_of(FIRST)
    with_claim = writer.claims.claim(claim, begun(writer))
    block = counts_block(FIRST, str(LOG), claim.next, claim.records, datetime.now(UTC) + timedelta(minutes=1))
    writer._insert("ingest", block, claim.token)
    database.command(f"TRUNCATE TABLE {table}")
    assert counts(database, table) == {}
    writer.recover(with_claim, FIRST)
    check(database, FIRST)


def test_one_lost_month_is_repaired_without_touching_the_other(database: Client) -> None:
    writer = Writer(database, KEPT)
    claim = writer.claims.claim(claim_of(FIRST), begun(writer))
    block = counts_block(FIRST, str(LOG), claim.next, claim.records, datetime.now(UTC) + timedelta(minutes=1))
    writer._insert("ingest", block, claim.token)
    database.command("ALTER TABLE engagement_minute DROP PARTITION 202402")
    writer.recover(claim, FIRST)
    check(database, FIRST)


def test_a_worker_that_wakes_up_late_is_refused(database: Client) -> None:
    writer = Writer(database, replace(KEPT, insert_deadline_s=0.2))

    def sleep(step: str) -> None:
        if step == "before-insert":
            database.command("SELECT sleep(0.5)")

    with pytest.raises((DeltaExpired, NotLanded)):
        Writer(database, replace(KEPT, insert_deadline_s=0.2), sleep).write(claim_of(FIRST), begun(writer), FIRST)
    assert [counts(database, table) for table in TARGETS] == [{}, {}, {}]
    Writer(database, KEPT).recover(begun(writer), FIRST)
    check(database, FIRST)


def test_a_zombie_lands_nothing_after_its_delta_was_recovered(database: Client) -> None:
    writer = Writer(database, KEPT)
    zombie = writer.claims.claim(claim_of(FIRST), begun(writer))
    writer.recover(begun(writer), FIRST)
    block = counts_block(FIRST, str(LOG), zombie.next, zombie.records, datetime.now(UTC) + timedelta(minutes=1))
    writer._insert("ingest", block, zombie.token)
    check(database, FIRST)
    with pytest.raises(ClaimLost):
        writer.write(claim_of(FIRST), zombie_tail(zombie), FIRST)
    check(database, FIRST)


def zombie_tail(claim: Claim) -> Claim:
    return replace(claim, next=claim.first)


def forget_tokens(client: Client, writer: Writer) -> None:
    """Make every table forget the tokens it has seen, as it does after enough inserts."""
    for table in TARGETS:
        client.command(f"ALTER TABLE {table} MODIFY SETTING non_replicated_deduplication_window = 1")
    other = Log("sticker-uses", 1, 99)
    tail = writer.chain_end(other, 0, "w", uuid4())
    cells = [(minute(2024, month), "ZZ", "other", {"": 1}) for month in (2, 3)]
    for first in (0, 10, 20):
        tail = writer.write(replace(claim_of(rows_of(*cells), first, first + 10), log=other), tail, rows_of(*cells))


def of_log(client: Client, table: str) -> Counts:
    return {key: value for key, value in counts(client, table).items() if key[2] != "other"}


@pytest.mark.parametrize("lost", [None, *TARGETS])
def test_an_old_claim_is_recovered_by_its_receipts(database: Client, lost: str | None) -> None:
    """Its token is forgotten, so repeating the insert would double what had landed."""
    settings = replace(KEPT, insert_deadline_s=1.0, insert_timeout_s=1.0)
    writer = Writer(database, KEPT)
    claim = writer.claims.claim(claim_of(FIRST), begun(writer))
    block = counts_block(FIRST, str(LOG), claim.next, claim.records, datetime.now(UTC) + timedelta(minutes=1))
    writer._insert("ingest", block, claim.token)
    if lost:
        database.command(f"TRUNCATE TABLE {lost}")
    forget_tokens(database, writer)
    assert claim.claimed_at is not None
    old = replace(claim, claimed_at=claim.claimed_at - timedelta(seconds=2))
    assert Writer(database, settings).recover(old, FIRST).done
    for table in TARGETS:
        assert of_log(database, table) == expected(FIRST, table), table


def test_what_others_still_bring_is_waited_for(database: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever recovers an old claim repairs nothing before no insert by its token can land any more."""
    settings = replace(KEPT, insert_deadline_s=20.0, insert_timeout_s=3.0)
    writer = Writer(database, settings)
    claim = writer.claims.claim(claim_of(FIRST), begun(writer))
    assert claim.claimed_at is not None
    old = replace(claim, claimed_at=claim.claimed_at - timedelta(seconds=21))
    assert old.claimed_at is not None
    ends = []

    def while_waiting(self: Writer, moment: datetime, now: datetime) -> None:
        ends.append(moment)
        block = counts_block(FIRST, str(LOG), claim.next, claim.records, datetime.now(UTC) + timedelta(minutes=1))
        self._insert("ingest", block, claim.token)

    monkeypatch.setattr(Writer, "_sleep_until", while_waiting)
    assert writer.recover(old, FIRST).done
    assert ends == [old.claimed_at + timedelta(seconds=2 * (20 + 3))]
    check(database, FIRST)


def test_two_that_repair_at_once_land_the_rows_once(database: Client) -> None:
    settings = replace(KEPT, insert_deadline_s=30.0, insert_timeout_s=1.0)
    writer = Writer(database, settings)
    rows = rows_of(*((minute(2024, month), "US", "heart", {"": month, "t": 1}) for month in range(1, 13)))
    claim = writer.claims.claim(claim_of(rows), begun(writer))
    assert claim.claimed_at is not None
    old = replace(claim, claimed_at=claim.claimed_at - timedelta(hours=1))
    with ThreadPoolExecutor(3) as pool:
        assert all(done.done for done in pool.map(lambda _: Writer(database, settings).recover(old, rows), range(3)))
    check(database, rows)


def test_events_of_many_years_fit_into_one_delta(database: Client) -> None:
    cells = [(minute(1990 + n // 12, n % 12 + 1), "US", "heart", {"": n + 1, "t": 1}) for n in range(40 * 12)]
    rows = rows_of(*cells)
    writer = Writer(database, KEPT)
    writer.write(claim_of(rows), begun(writer), rows)
    check(database, rows)
    assert len(rows.months()) == 480


def test_a_view_that_fails_half_way_is_completed(database: Client) -> None:
    query = str(
        database.query(
            "SELECT as_select FROM system.tables WHERE name = 'ingest_hour' AND database = currentDatabase()"
        ).result_rows[0][0]
    )
    database.command(f"ALTER TABLE ingest_hour MODIFY QUERY {query} AND throwIf(country = 'PH') = 0")
    writer = Writer(database, replace(KEPT, insert_deadline_s=0.5))
    with pytest.raises((NotLanded, DeltaExpired)):
        writer.write(claim_of(FIRST), begun(writer), FIRST)
    assert counts(database, "engagement_hour") == {}
    database.command(f"ALTER TABLE ingest_hour MODIFY QUERY {query}")
    writer = Writer(database, KEPT)
    writer.recover(begun(writer), FIRST)
    check(database, FIRST)


def test_another_error_of_a_view_is_not_taken_for_the_deadline(database: Client) -> None:
    """It quotes the whole condition of the view, the message about the deadline included."""
    query = str(
        database.query(
            "SELECT as_select FROM system.tables WHERE name = 'ingest_hour' AND database = currentDatabase()"
        ).result_rows[0][0]
    )
    database.command(f"ALTER TABLE ingest_hour MODIFY QUERY {query} AND throwIf(kind < 9, 'another error') = 0")
    flaky: Any = Flaky(database, [])
    writer = Writer(flaky, KEPT)
    with pytest.raises(ClaimLost, match="was given back"):
        writer.write(claim_of(FIRST), begun(writer), FIRST, held=lambda: flaky.attempts < 3)
    assert flaky.attempts == 3


def test_rejects_travel_with_the_counts(database: Client) -> None:
    rejects = tuple(Reject.of(n, RejectReason.NOT_JSON, "", bytes([n, 255, 0]) * 40_000) for n in range(3))
    for number, rows in enumerate([rows_of(rejects=rejects), replace(FIRST, rejects=rejects)]):
        writer = Writer(database, KEPT)
        claim = claim_of(rows, number * 10, number * 10 + 10)
        rows = replace(rows, rejects=tuple(replace(r, offset=r.offset + number * 10) for r in rejects))
        writer.write(claim, begun(writer), rows)
    check(database, FIRST)
    found = database.query(
        "SELECT offset, reason, length,"
        " sha256 = lower(hex(SHA256(unhex(repeat(concat(leftPad(hex(offset % 10), 2, '0'), 'FF00'), 40000))))),"
        " length(raw), topic, incarnation, partition FROM rejected_events FINAL ORDER BY offset"
    ).result_rows
    offsets = [0, 1, 2, 10, 11, 12]
    assert [tuple(row) for row in found] == [(n, "not_json", 120_000, 1, 65_536, "sticker-uses", 1, 0) for n in offsets]


def test_lost_rejects_are_written_again(database: Client) -> None:
    rows = replace(FIRST, rejects=(Reject.of(4, RejectReason.EMPTY, "", None),))
    flaky: Any = Flaky(database, ["answer lost"])

    def lose(step: str) -> None:
        if step == "inserted":
            database.command("TRUNCATE TABLE rejected_events")

    writer = Writer(flaky, KEPT, lose)
    writer.write(claim_of(rows), begun(writer), rows)
    assert database.query("SELECT count() FROM rejected_events FINAL").result_rows[0][0] == 1
    check(database, rows)


def test_gaps_need_no_insert(database: Client) -> None:
    flaky: Any = Flaky(database, [])
    writer = Writer(flaky, KEPT)
    rows = rows_of()
    assert writer.write(claim_of(rows), begun(writer), rows).done
    assert flaky.attempts == 0


def test_an_unreachable_server_ends_in_not_landed(database: Client) -> None:
    flaky: Any = Flaky(database, ["refused"] * 1000)
    writer = Writer(flaky, replace(KEPT, insert_deadline_s=0.5))
    with pytest.raises(NotLanded, match="connection refused"):
        writer.write(claim_of(FIRST), begun(writer), FIRST)
    assert not begun(Writer(database, KEPT)).done


def test_receipts_vouch_for_every_month(database: Client) -> None:
    writer = Writer(database, KEPT)
    tail = begun(writer)
    for first in (0, 10, 20):
        tail = writer.write(claim_of(FIRST, first, first + 10), tail, FIRST)
    for table, windows in {
        "engagement_minute": [receipt_window(202402), receipt_window(202403)],
        "engagement_day": [receipt_window(m) // 86400 * 86400 for m in (202402, 202403)],
    }.items():
        found = database.query(
            f"SELECT toUnixTimestamp(window_start), hashtag, max(landed), sum(events) FROM {table}"
            " WHERE event_type = '__receipt' GROUP BY 1, 2 ORDER BY 1"
        ).result_rows
        assert [tuple(row) for row in found] == [(window, str(LOG), 30, 30) for window in windows]


@pytest.mark.parametrize(
    ("minutes", "months"),
    [
        ([minute(2024, 12, 31, 23, 59)], (202412,)),
        ([minute(2025, 1)], (202501,)),
        ([minute(1969, 12, 31, 23, 59), minute(2000, 2, 29)], (196912, 200002)),
        ([], ()),
    ],
)
def test_months(minutes: list[int], months: tuple[int, ...]) -> None:
    rows = rows_of(*((m, "US", "heart", {"": 1}) for m in minutes))
    assert rows.months() == months
    for month in months:
        assert rows.of_month(month).months() == (month,)


def test_steps_are_announced_in_order(database: Client) -> None:
    steps: list[str] = []
    note: Callable[[str], None] = steps.append
    writer = Writer(database, KEPT, note)
    writer.write(claim_of(FIRST), begun(writer), FIRST)
    assert steps == ["before-claim", "claimed", "before-insert", "inserted", "before-done", "done"]


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kathmandu"])
def test_the_zone_of_the_workers_machine_does_not_matter(
    database: Client, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        flaky: Any = Flaky(database, ["answer lost"])
        writer = Writer(flaky, replace(KEPT, insert_deadline_s=20))
        tail = writer.write(claim_of(FIRST), begun(writer), FIRST)
        assert tail.claimed_at is not None
        assert abs(tail.claimed_at - datetime.now(UTC)) < timedelta(seconds=60)
        check(database, FIRST)
        period = Period.of(datetime(2024, 3, 1, tzinfo=UTC), None, datetime.now(UTC), Retention())
        rows = Analytics(database).totals(period, sticker="🎉")
        assert [(row["event_type"], row["events"]) for row in rows] == [("sticker_use", 3)]
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_late_first_answer_is_not_trusted(database: Client) -> None:
    """Somebody else used the token meanwhile, and ClickHouse lost what it had confirmed to them."""
    claim = claim_of(FIRST)

    def lose(step: str) -> None:
        if step == "before-insert":
            block = counts_block(FIRST, str(LOG), claim.next, claim.records, datetime.now(UTC) + timedelta(minutes=1))
            Writer(database, KEPT)._insert("ingest", block, claim.token)
            for table in TARGETS:
                database.command(f"TRUNCATE TABLE {table}")

    writer = Writer(database, replace(KEPT, trust_s=0.0), lose)
    assert writer.write(claim, begun(writer), FIRST).done
    check(database, FIRST)


def test_nothing_is_claimed_for_a_partition_that_was_given_back(database: Client) -> None:
    writer = Writer(database, KEPT)
    tail = begun(writer)
    with pytest.raises(ClaimLost, match="given back"):
        writer.write(claim_of(FIRST), tail, FIRST, held=lambda: False)
    assert writer.claims.last(LOG) == tail


def test_rejects_that_are_lost_twice_are_written_again(database: Client) -> None:
    rows = replace(rows_of(), rejects=(Reject.of(4, RejectReason.EMPTY, "", None),))
    writer = Writer(database, KEPT)
    claim = writer.claims.claim(claim_of(rows), begun(writer))
    losses = 2

    class Losing(Flaky):
        def raw_insert(self, *args: Any, **kwargs: Any) -> Any:
            nonlocal losses
            answer = super().raw_insert(*args, **kwargs)
            if losses:
                losses -= 1
                database.command("TRUNCATE TABLE rejected_events")
            return answer

    losing: Any = Losing(database, [])
    assert Writer(losing, KEPT).recover(claim, rows).done
    assert database.query("SELECT offset FROM rejected_events FINAL").result_rows == [(4,)]
