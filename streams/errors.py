"""Errors of the worker.

StreamError
├── LogMismatchError      the log and the claims disagree: an operator must decide
├── UnknownRulesError     an open claim was counted by rules that this build does not know
└── SupersededError       the group moved on while partitions were being taken over
"""

from __future__ import annotations


class StreamError(Exception):
    """Base of all errors that streams raises. The message names the remedy."""


class LogMismatchError(StreamError):
    """The log lost claimed or uncounted records, or is not the log that was claimed."""


class UnknownRulesError(StreamError):
    """An open claim must be recounted by rules that this build cannot repeat."""


class SupersededError(StreamError):
    """The group moved on while partitions were being taken over: nothing was taken over."""
