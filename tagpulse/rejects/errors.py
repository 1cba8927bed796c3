"""Errors of working with rejects.

RejectsError
├── NoSuchReject    nothing was rejected at this place, or it is no longer kept
├── RepairsError    a file with repaired records cannot be used
└── ReplayError     Kafka cannot be reached for a replay
"""

from __future__ import annotations


class RejectsError(Exception):
    """Base of all errors of this package. The message names the remedy."""


class NoSuchReject(RejectsError):
    """Nothing was rejected at this place, or it is no longer kept."""


class RepairsError(RejectsError):
    """A line of a file with repaired records cannot be used; nothing was sent."""


class ReplayError(RejectsError):
    """Kafka cannot be reached for a replay; nothing more was sent."""
