"""Sends rejected records to their topic again, original or repaired, and marks them.

At least once, by the operator: a batch is marked 'sending', sent, and marked 'sent'. Who dies in between leaves
records that may or may not be in Kafka ('unknown'); these are sent again only where that is asked for.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka import errors as kafka_errors

from schemas.rejects import RejectReason
from schemas.topics import event_type_of
from sinks.rejected import KeptReject, Place, RejectedEvents
from sinks.replays import Batch, Mark, Outcome, Replays
from streams.judge import Fault, judge
from streams.rules import Rules
from tagpulse.rejects.errors import NoSuchReject, RepairsError, ReplayError
from tagpulse.rejects.files import Repair

HEADER = "tagpulse-replay"
_BATCH = 500
_MAX_REQUEST_BYTES = 16 * 1024 * 1024
#: The broker did certainly not write the record.
_REFUSALS = (
    kafka_errors.MessageSizeTooLargeError,
    kafka_errors.RecordListTooLargeError,
    kafka_errors.UnknownTopicOrPartitionError,
    kafka_errors.InvalidTopicError,
    kafka_errors.TopicAuthorizationFailedError,
)


@dataclass(frozen=True, slots=True)
class Item:
    """A rejected record and the value to send in its place."""

    reject: KeptReject
    value: bytes
    repaired: bool

    @property
    def mark(self) -> Mark:
        return Mark(self.reject.place, self.repaired, len(self.value), hashlib.sha256(self.value).hexdigest())


@dataclass(slots=True)
class Plan:
    """What can be sent, and what is left out: place -> why."""

    items: list[Item] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Result:
    """What became of a plan. `unknown` may or may not be in Kafka."""

    sent: list[Outcome] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def originals(rejects: Iterable[KeptReject]) -> list[tuple[KeptReject, bytes | None]]:
    """Each reject with its own bytes; None where they are not all kept."""
    return [(reject, None if reject.truncated else reject.raw) for reject in rejects]


def repaired(table: RejectedEvents, repairs: Iterable[Repair]) -> list[tuple[KeptReject, bytes | None]]:
    """Each reject that a file names with the value it gives. Raises NoSuchReject, which names the line."""
    found: list[tuple[KeptReject, bytes | None]] = []
    for repair in repairs:
        reject = table.at(repair.topic, repair.partition, repair.offset, repair.incarnation)
        if reject is None:
            raise NoSuchReject(
                f"line {repair.line}: nothing is kept that was rejected at "
                f"{repair.topic}/{repair.partition}/{repair.offset}: correct the place"
            )
        found.append((reject, repair.value))
    return found


def plan(
    wanted: Sequence[tuple[KeptReject, bytes | None]], rules: Rules, clock_s: float, *, again: bool, unchecked: bool
) -> Plan:
    """Sort out what cannot or should not be sent. `unchecked`: also what would be rejected once more.

    Raises RepairsError where two are for one record.
    """
    result, named = Plan(), set[Place]()
    for reject, value in wanted:
        if reject.place in named:
            raise RepairsError(f"{reject.place} is named twice, with and without its incarnation: leave one")
        named.add(reject.place)
        why = _hindrance(reject, value, rules, clock_s, again=again, unchecked=unchecked)
        if why or value is None:
            result.left_out[str(reject.place)] = why
        else:
            changed = hashlib.sha256(value).hexdigest() != reject.sha256
            result.items.append(Item(reject, value, repaired=changed))
    return result


def _hindrance(
    reject: KeptReject, value: bytes | None, rules: Rules, clock_s: float, *, again: bool, unchecked: bool
) -> str:
    if value is None:
        return (
            f"only the first {len(reject.raw):,} of its {reject.length:,} bytes are kept: "
            "give the whole record with --file"
        )
    if reject.reason == RejectReason.DUPLICATE and hashlib.sha256(value).hexdigest() == reject.sha256:
        return "its event was counted before, and might be counted twice; another one needs another event_id (--file)"
    if not again and (taken := _taken(reject.replay)):
        return taken
    verdict = judge(event_type_of(reject.place.topic), rules, value, clock_s)
    if isinstance(verdict, Fault) and not unchecked:
        where = f" ({verdict.field})" if verdict.field else ""
        return f"would be rejected again: {verdict.reason.value}{where}; repair it with --file"
    return ""


def _taken(state: str) -> str:
    if state == "sent":
        return "was replayed before: --again sends it once more"
    if state == "unknown":
        return "was being replayed and may be in Kafka: look for it there; --again sends it once more"
    return ""


def key_of(value: bytes) -> bytes | None:
    """The key of a record: its video id, where that can be read."""
    try:
        video = orjson.loads(value)["video_id"]
    except (orjson.JSONDecodeError, KeyError, TypeError, IndexError):
        return None
    readable = isinstance(video, str) and video.isascii() and video.isdigit() and len(video) <= 20
    return str(int(video)).encode() if readable else None


async def replay(
    items: Sequence[Item],
    replays: Replays,
    operator: str,
    bootstrap_servers: str,
    options: Mapping[str, Any],
    *,
    again: bool,
    at: Callable[[str], None] = lambda _: None,
) -> Result:
    """Send `items` batch by batch. `options` go to aiokafka's producer; `at` hears of each step, for tests.

    Raises ReplayError where no broker answers, QueryError where marks cannot be written: nothing is sent then that
    is not marked.
    """
    result = Result()
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap_servers, acks="all", max_request_size=_MAX_REQUEST_BYTES, **options
    )
    try:
        await producer.start()
    except (kafka_errors.KafkaError, OSError) as error:
        await producer.stop()
        raise ReplayError(
            f"no Kafka broker at {bootstrap_servers} takes records ({error!r}): start it, or correct "
            "kafka_bootstrap_servers; the embedded one needs kafka_idempotent_producer=false"
        ) from error
    try:
        for begin in range(0, len(items), _BATCH):
            some = items[begin : begin + _BATCH]
            batch, taken = await asyncio.to_thread(replays.begin, [item.mark for item in some], operator, again)
            result.left_out |= {str(place): _taken(state) for place, state in taken.items()}
            at("marked")
            free = {mark.place: mark for mark in batch.marks}
            await _send(producer, [(item, free[item.reject.place]) for item in some if item.reject.place in free],
                        batch, replays, result, at)  # fmt: skip
    finally:
        await producer.stop()
    return result


async def _send(
    producer: Any,
    marked: Sequence[tuple[Item, Mark]],
    batch: Batch,
    replays: Replays,
    result: Result,
    at: Callable[[str], None],
) -> None:
    answers = await asyncio.gather(*(_send_one(producer, item) for item, _ in marked), return_exceptions=True)
    at("sent")
    outcomes = []
    for (item, mark), answer in zip(marked, answers, strict=True):
        place = str(item.reject.place)
        if isinstance(answer, _REFUSALS):
            outcomes.append(Outcome(mark, "refused"))
            result.refused[place] = f"the broker refused it: {type(answer).__name__}"
        elif isinstance(answer, kafka_errors.KafkaError | OSError):
            result.unknown[place] = f"the broker did not confirm it ({answer!r}): it may be in Kafka"
        elif isinstance(answer, BaseException):
            raise answer
        else:
            outcomes.append(Outcome(mark, "sent", answer.partition, answer.offset))
    result.sent += [outcome for outcome in outcomes if outcome.state == "sent"]
    await asyncio.to_thread(replays.conclude, batch, outcomes)


async def _send_one(producer: Any, item: Item) -> Any:
    place: Place = item.reject.place
    headers = [(HEADER, str(place).encode())]
    return await producer.send_and_wait(place.topic, item.value, key=key_of(item.value), headers=headers)
