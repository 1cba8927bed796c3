"""Errors of the ClickHouse side.

SinkError
├── ConnectError          ClickHouse cannot be reached, or refuses the login
├── MigrationError        the schema in ClickHouse and the migration files disagree
├── ClaimLost             another worker claimed these offsets: drop the partition
├── DeltaExpired          the insert came after its deadline: drop the partition
├── NotLanded             rows could not be brought to land before the deadline
├── QueryError            ClickHouse refused a query
├── CampaignError         a campaign cannot be defined so
└── RebuildError          a grain cannot be rebuilt so, or not now
"""

from __future__ import annotations


class SinkError(Exception):
    """Base of all errors that sinks raises. The message names the remedy."""


class ConnectError(SinkError):
    """ClickHouse cannot be reached, or refuses the login."""


class MigrationError(SinkError):
    """The schema in ClickHouse and the migration files disagree."""


class ClaimLost(SinkError):
    """The claim was refused or belongs to somebody else.

    Whoever sees this must forget everything counted for the partition: its owner is another worker.
    """


class DeltaExpired(SinkError):
    """ClickHouse refused the rows because the claim's deadline had passed. Forget the partition's counts."""


class NotLanded(SinkError):
    """The rows of a claim could not be written before the deadline. The claim stays open for the next owner."""


class QueryError(SinkError):
    """ClickHouse refused a query; the message carries its code and text."""


class CampaignError(SinkError):
    """A campaign cannot be defined so, or is not there."""


class RebuildError(SinkError):
    """A grain cannot be rebuilt so, or not while workers count."""
