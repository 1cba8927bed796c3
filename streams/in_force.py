"""The rules in force: the settings' own, with the campaigns of the moment, and the counters that count by them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import msgspec

from schemas.topics import EventType
from sinks.claims import Claim, Judged, Log
from sinks.errors import QueryError, SinkError
from sinks.writer import Writer
from streams.counters import Kernel, TopicCounter, counters
from streams.duplicates import Past, Verdicts
from streams.errors import UnknownRulesError
from streams.rules import MAX_GROUPS, Rules
from streams.settings import Settings

log = logging.getLogger(__name__)

#: How often campaigns are asked for.
REFRESH_S = 10.0
_ATTEMPTS = 10


class Blocking(Protocol):
    """Runs a function that blocks outside the event loop."""

    def __call__(self, function: Callable[..., Any], *arguments: object) -> Awaitable[Any]: ...


class RulesInForce:
    """What new deltas are counted by. For the event loop; what blocks goes through a `Blocking`.

    A delta keeps to the rules it began with. Rules are in force only once their text is in ClickHouse, so that
    whoever finds a claim that names them can repeat them.
    """

    def __init__(
        self,
        settings: Settings,
        event_types: Mapping[str, EventType],
        topic_counters: Mapping[str, TopicCounter],
        writer: Writer,
        groups: Callable[[], Mapping[str, tuple[str, ...]]] | None,
    ) -> None:
        self._settings = settings
        self._event_types = event_types
        self._writer = writer
        self._groups = groups
        self._own = self._rules = settings.rules()
        self._counters = topic_counters
        self._left_out: list[str] = []

    @property
    def version(self) -> str:
        """The version of the rules in force."""
        return self._rules.version

    def of(self, topic: str) -> tuple[str, TopicCounter]:
        """The version of the rules in force, and the counter of `topic` that counts by them."""
        return self._rules.version, self._counters[topic]

    async def begin(self, blocking: Blocking) -> None:
        """Before anything is counted: ask for the campaigns. Raises SinkError."""
        await blocking(self._writer.keep_rules, self._rules.version, self._rules.text)
        attempt = 1
        while self._groups is not None:
            try:
                await self._refresh(self._groups, blocking)
                break
            except QueryError as error:
                if attempt == _ATTEMPTS:
                    raise
                log.warning("campaigns cannot be read, trying again: %s", error)
                attempt += 1
                await asyncio.sleep(1)

    async def follow(self, blocking: Blocking) -> None:
        """Ask for the campaigns again and again. While ClickHouse does not answer, the rules stay as they are."""
        while self._groups is not None:
            await asyncio.sleep(REFRESH_S)
            try:
                await self._refresh(self._groups, blocking)
            except SinkError as error:
                log.warning("campaigns cannot be read, those known stay in force: %s", error)

    async def _refresh(self, groups: Callable[[], Mapping[str, tuple[str, ...]]], blocking: Blocking) -> None:
        rules, left_out = self._own.with_groups(await blocking(groups))
        if left_out and left_out != self._left_out:
            log.error(
                "campaigns %s are not counted: a group of TAGPULSE_TAG_GROUPS has the name, or there are more than %d",
                ", ".join(left_out),
                MAX_GROUPS,
            )
        self._left_out = left_out
        if rules.version == self._rules.version:
            return
        await blocking(self._writer.keep_rules, rules.version, rules.text)
        found = await blocking(counters, self._event_types, rules, self._settings.kernel)
        # No await between the two: a delta must not get the counter of one and the name of the other.
        self._rules, self._counters = rules, found
        log.info("new deltas are counted by rules %s: groups %s", rules.version, ", ".join(rules.tag_groups) or "none")

    async def counter_of(self, claim: Claim, blocking: Blocking) -> TopicCounter:
        """A counter by the rules of `claim`. Raises UnknownRulesError where this build cannot repeat them."""
        topic = claim.log.topic
        if claim.rules == self._rules.version:
            return self._counters[topic]
        text = await blocking(self._writer.rules_text, claim.rules)
        rules = self._repeatable(text)
        if rules is None:
            raise UnknownRulesError(
                f"{claim.token} was claimed by {claim.worker} under rules {claim.rules}, which this build cannot "
                f"repeat ({text or 'their text is not in ClickHouse'}): let a worker of the former version finish it"
            )
        # Loading is quick here: where it is compiled code, that has been loaded for the rules of today.
        kernel: Kernel = "python" if self._settings.kernel == "python" else "auto"
        return counters({topic: self._event_types[topic]}, rules, kernel)[topic]

    async def past(self, log_: Log, first: int, next_: int, blocking: Blocking) -> list[Past]:
        """How the offsets of a log in [first, next) that were counted were judged, as far as this build can repeat it.

        Raises SinkError.
        """
        judged: list[Judged] = await blocking(self._writer.judged, log_, first, next_)
        verdicts: dict[str, Verdicts | None] = {}
        for version in {one.rules for one in judged}:
            rules = self._repeatable(await blocking(self._writer.rules_text, version))
            verdicts[version] = None if rules is None else Verdicts(self._event_types[log_.topic], rules)
        return [
            Past(one.first, one.next, one.clock, known) for one in judged if (known := verdicts[one.rules]) is not None
        ]

    def _repeatable(self, text: str | None) -> Rules | None:
        try:
            rules = Rules.parse(text or "")
        except msgspec.DecodeError:
            return None
        return rules if (rules.decoding, rules.unicode) == (self._own.decoding, self._own.unicode) else None
