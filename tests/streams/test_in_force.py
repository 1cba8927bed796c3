"""Campaigns change under a running worker: each delta keeps to its rules, and a recount repeats those of its claim."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from schemas.topics import EventType
from sinks.campaigns import Campaign, Campaigns
from sinks.claims import Claims
from streams import in_force
from streams.batch import RecordBatch
from streams.counters import Kernel
from streams.kernel import unsupported
from streams.rules import MAX_GROUPS, Rules
from tests.streams import handfed
from tests.streams.handfed import until

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

pytestmark = pytest.mark.timeout(900)  # the kernel may have to be compiled first

TOPIC = "video-creations"
#: 1 with love, 2 with kindness, 1 with both, 4 with joy.
TAGS = [["love"], ["kindness"], ["kindness"], ["love", "kindness"], ["joy"], ["joy"], ["joy"], ["joy"]]
OLD, NEW = ("kindness", "love"), ("joy", "love")
BY_OLD, BY_NEW = 4, 6


class Worker(handfed.Worker):
    """Counts creations in groups of eight, with the campaigns of `client`."""

    def __init__(self, client: Client, *, dies_at: str = "", kernel: Kernel = "python", rows: int = 1) -> None:
        groups = Campaigns(client).groups
        super().__init__(
            client, TOPIC, EventType.VIDEO_CREATION, dies_at=dies_at, kernel=kernel, rows=rows, groups=groups
        )

    async def begin(self) -> None:
        _, self._epoch = await self.take(0, 100)

    async def add(self, first: int, minute: int = 0) -> None:
        """Eight records from offset `first` on."""
        await self.checkpoints.add(portion(first, self._epoch, minute))


def portion(first: int, epoch: int, minute: int) -> RecordBatch:
    common = {"ts": f"2026-05-01T12:{minute:02}:00Z", "country": "PH"}
    values = [json.dumps(common | {"video_id": str(first + n), "hashtags": t}).encode() for n, t in enumerate(TAGS)]
    return RecordBatch(TOPIC, 0, epoch, first, first + len(values), range(first, first + len(values)), values)


def counted(client: Client, tag: str) -> list[int]:
    """Events of a tag at the three grains."""
    return [
        client.query(
            f"SELECT sum(events) FROM engagement_{grain} WHERE hashtag = {{t:String}}", {"t": tag}
        ).result_rows[0][0]
        for grain in ("minute", "hour", "day")
    ]


def done_claims(client: Client) -> list[tuple[int, int, tuple[str, ...]]]:
    """Finished claims: first, next, and the campaign's tags by the rules that they name."""
    claims = Claims(client)
    return [
        (c.first, c.next, Rules.parse(claims.rules_text(c.rules) or "").tag_groups.get("kind", ()))
        for c in claims.history(TOPIC)
        if c.done and not c.is_root
    ]


@pytest.mark.parametrize(("dies_at", "kernel"), [("claimed", "python"), ("inserted", "numba")])
async def test_a_claim_of_an_old_definition_is_recounted_by_it(database: Client, dies_at: str, kernel: Kernel) -> None:
    if kernel == "numba" and unsupported(Rules()):
        pytest.skip("numba is not installed")
    campaigns = Campaigns(database)
    campaigns.define(Campaign("kind", OLD), 0)
    first = Worker(database, dies_at=dies_at, kernel=kernel)
    await first.begin()
    await first.add(0)
    await until(lambda: first.last_words, "the first worker has died")
    assert done_claims(database) == []

    campaigns.define(Campaign("kind", NEW), 1)
    second = Worker(database, kernel=kernel)
    await second.begin()
    await second.add(0)
    assert done_claims(database) == [(0, 8, OLD)]
    assert counted(database, "@kind") == [BY_OLD] * 3
    await second.add(8)
    await until(lambda: len(done_claims(database)) == 2, "the next delta has landed")
    assert done_claims(database) == [(0, 8, OLD), (8, 16, NEW)]
    assert counted(database, "@kind") == [BY_OLD + BY_NEW] * 3
    assert second.last_words == []
    await first.stop()
    await second.stop()


async def test_a_delta_keeps_to_its_rules_and_the_next_takes_the_new(
    database: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_force, "REFRESH_S", 0.05)
    campaigns, worker = Campaigns(database), Worker(database, rows=8)
    worker.checkpoints.start()
    await worker.begin()
    before = worker.checkpoints.rules_version
    await worker.add(0, minute=0)  # four rows, which are too few to be written
    campaigns.define(Campaign("kind", NEW), 0)
    await until(lambda: worker.checkpoints.rules_version != before, "new rules are in force")
    await worker.add(8, minute=1)  # to the delta that began before
    await until(lambda: len(done_claims(database)) == 1, "that delta has landed")
    assert counted(database, "@kind") == [0, 0, 0]
    await worker.add(16, minute=2)
    await worker.add(24, minute=3)
    await until(lambda: len(done_claims(database)) == 2, "the next has landed")
    assert done_claims(database) == [(0, 16, ()), (16, 32, NEW)]
    assert counted(database, "@kind") == [2 * BY_NEW] * 3
    campaigns.define(Campaign("kind", NEW, removed=True), 1)
    await until(lambda: worker.checkpoints.rules_version == before, "nothing is counted for it any more")
    assert counted(database, "@kind") == [2 * BY_NEW] * 3
    assert worker.last_words == []
    await worker.stop()


async def test_while_campaigns_cannot_be_read_the_known_stay(
    database: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(in_force, "REFRESH_S", 0.05)
    Campaigns(database).define(Campaign("kind", OLD), 0)
    worker = Worker(database)
    worker.checkpoints.start()
    await worker.begin()
    database.command("RENAME TABLE campaigns TO elsewhere")
    await until(lambda: "campaigns cannot be read" in caplog.text, "a warning")
    await worker.add(0)
    await until(lambda: done_claims(database) == [(0, 8, OLD)], "counted by the definition that is known")
    assert worker.last_words == []
    await worker.stop()


def test_groups_of_the_settings_come_first_and_there_is_a_bound() -> None:
    own = Rules(tag_groups={"kind": ("love",)})
    rules, left_out = own.with_groups({"kind": ("hate",)} | {f"c{n}": ("x",) for n in range(MAX_GROUPS)})
    assert left_out == ["kind", f"c{MAX_GROUPS - 1}"]
    assert len(rules.tag_groups) == MAX_GROUPS
    assert rules.tag_groups["kind"] == ("love",)
    assert unsupported(rules) in (None, unsupported(Rules()))
    assert own.with_groups({})[0].version == own.version
