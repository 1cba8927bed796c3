"""How reports are printed."""

from __future__ import annotations

from enum import StrEnum


class ReportFormat(StrEnum):
    """For people or for programs."""

    TABLE = "table"
    JSON = "json"
