"""A log on a real broker that is counted as a worker counts it, at clocks and by rules that the test chooses."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from schemas.topics import EventType, topic_for
from sinks.backfills import BackfillClaims, definition_of
from sinks.campaigns import Campaigns
from sinks.claims import Claims, Log
from sinks.migrations import Retention
from sinks.writer import Writer, WriterSettings
from streams.batch import RecordBatch
from streams.counters import PythonCounter
from streams.partition import Delta
from streams.rules import Rules
from tagpulse.backfill.run import Backfill, LogReport
from tagpulse.stack.topics import create_topics
from tagpulse.verify.log import LogReader
from tagpulse.verify.report import exit_code
from tagpulse.verify.run import Scope, verify_topic
from tagpulse.verify.tables import Tables

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

Event = dict[str, Any]
KEPT = 36_500
DAY_1 = datetime(2026, 5, 1, tzinfo=UTC)
TAGS, COUNTRIES, STICKERS = ["love", "kindness", "joy", "cats", "fyp"], ["PH", "US", "BR"], ["heart", "hat"]
MEMBERS = ("kindness", "love")
#: Two of the three are enough: one with distinct videos, one without.
TOPICS = [topic_for(EventType.STICKER_USE), topic_for(EventType.VIDEO_VIEW)]
PARTITIONS = 1
GRAINS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}


def made(seed: int, number: int, since: datetime, until: datetime) -> list[Event]:
    """Events of both types, some of which cannot be counted; videos come again."""
    dice = random.Random(seed)
    events = []
    for _ in range(number):
        kind = dice.choice(TOPICS).event_type
        ts = since + timedelta(seconds=dice.randrange(int((until - since).total_seconds())))
        tags = [tag.upper() for tag in dice.sample(TAGS, dice.randrange(4))]
        event: Event = {"type": kind.value, "ts": ts.isoformat(), "country": dice.choice(COUNTRIES), "hashtags": tags}
        event["video_id"] = "none" if dice.random() < 0.02 else str(dice.randrange(50))
        event |= {"sticker": dice.choice(STICKERS)} if kind is EventType.STICKER_USE else {}
        event |= {"count": dice.randrange(1, 9)} if kind is EventType.VIDEO_VIEW else {}
        events.append(event)
    return events


class World:
    """A broker, a database and the events that were counted."""

    def __init__(self, client: Client, bootstrap: str) -> None:
        self.client, self.bootstrap = client, bootstrap
        self.events: list[Event] = []
        self.tables, self.claims = Tables(client), Claims(client)
        self._settings = WriterSettings(minute_days=KEPT, hour_days=KEPT)

    async def count(self, events: Sequence[Event], clock: datetime, rules: Rules, claims: int = 1) -> None:
        """Send `events`, and count them in so many claims for each partition."""
        self.events += events
        writer = Writer(self.client, self._settings)
        writer.keep_rules(rules.version, rules.text)
        async with AIOKafkaProducer(bootstrap_servers=self.bootstrap, enable_idempotence=False) as producer:
            for topic in TOPICS:
                values = [json.dumps(event).encode() for event in events if event["type"] == topic.event_type.value]
                for partition in range(PARTITIONS):
                    log = Log(topic.name, self.claims.incarnation(topic.name), partition)
                    own = values[partition::PARTITIONS]
                    for number in range(claims):
                        some = own[number::claims]
                        batch = producer.create_batch()
                        for value in some:
                            batch.append(key=None, value=value, timestamp=None)
                        sent = await (await producer.send_batch(batch, topic.name, partition=partition))
                        tail = writer.chain_end(log, 0, "test", uuid4())
                        assert tail.next == sent.offset
                        delta = Delta(tail.next, clock.timestamp(), PythonCounter(topic.event_type, rules))
                        offsets = range(tail.next, tail.next + len(some))
                        delta.add(RecordBatch(topic.name, partition, 1, tail.next, offsets.stop, offsets, some))
                        rows = delta.counts.rows()
                        writer.write(delta.claim(log, "test", rules.version, rows.months()), tail, rows)

    async def reborn(self) -> None:
        """Delete the topics and make them again: new lives, whose offsets begin at 0."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        await admin.delete_topics([topic.name for topic in TOPICS])
        await admin.close()
        await create_topics(self.bootstrap, {topic.name: PARTITIONS for topic in TOPICS})
        for topic in TOPICS:
            self.claims.start_incarnation(topic.name, "made again")

    async def backfill(
        self,
        name: str = "kind",
        at: Callable[[str], None] = lambda _: None,
        reader: type[LogReader] = LogReader,
        since: datetime | None = None,
    ) -> list[LogReport]:
        """`tagpulse campaign backfill`, in small inserts; `at` hears of each step."""
        history = Campaigns(self.client).history(name)
        writer = Writer(self.client, replace(self._settings, trust_s=0.0), at, BackfillClaims(self.client))
        async with reader(self.bootstrap) as log:
            work = Backfill(
                log, Tables(self.client), writer, definition_of(history[-1], history), history[-1].hashtags,
                since_s=since.timestamp() if since else 0.0, records=30,
            )  # fmt: skip
            return [report for topic in TOPICS for report in await work.topic(topic)]

    async def verified(self) -> int:
        """The exit code of `tagpulse verify`."""
        async with LogReader(self.bootstrap) as log:
            return exit_code(
                [
                    await verify_topic(log, Tables(self.client), topic, Scope(), Retention(KEPT, KEPT), _Silence())
                    for topic in TOPICS
                ]
            )

    def truth(self, grain: str, events: Sequence[Event] | None = None) -> dict[tuple[Any, ...], tuple[int, int]]:
        """What @kind must hold: type, country, sticker, window -> events and distinct videos."""
        counts: Counter[tuple[Any, ...]] = Counter()
        videos: defaultdict[tuple[Any, ...], set[str]] = defaultdict(set)
        for event in self.events if events is None else events:
            if tagged(event):
                ts = datetime.fromisoformat(event["ts"])
                window = ts - (ts - DAY_1) % GRAINS[grain]
                key = (event["type"], event["country"], event.get("sticker", ""), window)
                counts[key] += event.get("count", 1)
                videos[key] |= {event["video_id"]} if "sticker" in event else set()
        return {key: (number, len(videos[key])) for key, number in counts.items()}

    def found(self, grain: str) -> dict[tuple[Any, ...], tuple[int, int]]:
        """What it holds."""
        rows = self.client.query(
            "SELECT event_type, country, sticker, window_start, sum(events), uniqCombined64Merge(14)(videos)"
            f" FROM engagement_{grain} WHERE hashtag = '@kind' AND event_type != '__receipt' GROUP BY 1, 2, 3, 4"
        ).result_rows
        return {(*row[:3], row[3].replace(tzinfo=UTC)): (row[4], row[5]) for row in rows}

    def check(self) -> None:
        """@kind is as it must be, at all grains."""
        for grain in GRAINS:
            assert self.found(grain) == self.truth(grain), grain


def tagged(event: Mapping[str, Any]) -> bool:
    """Whether the event counts for the campaign."""
    return event["video_id"] != "none" and bool({tag.lower() for tag in event["hashtags"]} & set(MEMBERS))


class _Silence:
    def say(self, what: str) -> None: ...
    def expect(self, records: int) -> None: ...
    def did(self, records: int) -> None: ...
