"""Errors of a recount.

VerifyError
└── LogUnreadable   Kafka does not give the records of a range
"""

from __future__ import annotations


class VerifyError(Exception):
    """Base of all errors that verify raises. The message names the remedy."""


class LogUnreadable(VerifyError):
    """Kafka does not answer, or does not give the records of a range."""
