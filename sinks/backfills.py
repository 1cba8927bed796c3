"""Backfills: a campaign counted again, for the time before it was defined (protocol: docs/protocol.md).

The backfill of a log is a log of its own, with a chain of claims and receipts like any other. Its claims lie in a
table of their own, and each covers claims of the log it reads, from one end of a claim to another.
"""

from __future__ import annotations

from typing import NamedTuple

from sinks.campaigns import Campaign
from sinks.claims import Claim, Claims, Log

#: The rules of a claim over offsets that could not be counted again. Its clock is the latest time of their events.
LOST = ""


class Backfilled(NamedTuple):
    """What a log that is a backfill counts: the log it reads, and the definition as `name.version`."""

    source: Log
    definition: str


def definition_of(campaign: Campaign, history: list[Campaign]) -> str:
    """`name.version`, where version is the first in `history` with the same hashtags: other edits change no count."""
    first = next(c for c in history if c.hashtags == campaign.hashtags)
    return f"{campaign.name}.{first.version}"


def backfill_log(source: Log, definition: str) -> Log:
    """The log that a backfill of `source` writes as. No topic of Kafka has an @ in its name."""
    return Log(f"{source.topic}@{definition}", source.incarnation, source.partition)


def backfilled(log: Log) -> Backfilled | None:
    """What `log` is a backfill of; None for a log of Kafka."""
    topic, at, definition = log.topic.partition("@")
    return Backfilled(Log(topic, log.incarnation, log.partition), definition) if at else None


def is_lost(claim: Claim) -> bool:
    """Whether `claim` is of a backfill, and over offsets that it could not count."""
    return backfilled(claim.log) is not None and claim.rules == LOST and not claim.is_root


class BackfillClaims(Claims):
    """The claims of backfills. Methods block; errors of the client pass through."""

    table = "backfill_claims"

    def of_topic(self, topic: str) -> list[Claim]:
        """Every row of every backfill of `topic`."""
        return self._claims_where("startsWith(topic, {t:String})", t=f"{topic}@")

    def counted_otherwise(self, source: Log, definition: str) -> int:
        """The offset of `source` below which other hashtags may be counted under the same name; 0: none."""
        name = definition.rpartition(".")[0]
        ends = [
            claim.next
            for claim in self.of_topic(source.topic)
            if (of := backfilled(claim.log))
            and of.source == source
            and of.definition != definition
            and of.definition.rpartition(".")[0] == name
            and claim.rules != LOST
        ]
        return max(ends, default=0)
