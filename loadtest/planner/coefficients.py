"""What one event, row and delta cost, as measured on one machine: the numbers that a plan rests on.

`tagpulse plan calibrate` writes them as a JSON document. Those that come with tagpulse lie beside this module.

The model is linear. CPU seconds of a worker: `event` and `byte` for each that it reads, `update` for each count that
an event adds to (one, and one for each hashtag), `row` and `delta` for what it writes. CPU seconds of ClickHouse:
`row` and `delta`, merges until idle included. Seconds from claim to done of a delta: `row` and `delta` again. Costs
that depend on how large the tables are (deeper merges, longer walks of an index) are not in it: those measured are
small.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import orjson

from loadtest.document import Document, DocumentError, read
from loadtest.planner.longtail import Tail

FORM = "calibration"
_SHIPPED = "coefficients.json"
_REMEDY = "make it anew: tagpulse plan calibrate --out FILE"
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class WorkerCost:
    """CPU seconds of a worker for each."""

    event: float
    byte: float
    update: float
    row: float
    delta: float


@dataclass(frozen=True, kw_only=True)
class InsertCost:
    """Seconds for each row and each delta."""

    row: float
    delta: float

    def of(self, rows: float, deltas: float = 1.0) -> float:
        """Seconds for so many."""
        return rows * self.row + deltas * self.delta


@dataclass(frozen=True, kw_only=True)
class Stored:
    """Bytes on disk, compressed. A row's are those without its video ids."""

    minute_row: float
    hour_row: float
    day_row: float
    video_id: float
    claim: float
    """Of a delta, in `claims`: two rows."""


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """What failures cost, seconds and bytes."""

    claim_read_s: float
    """A worker reads where the chain of one partition ends."""
    start_s: float
    """From a worker's start until it holds its partitions: imports, kernel, group, claims."""
    worker_bytes: float
    """The most memory a worker had."""


@dataclass(frozen=True, kw_only=True)
class Coefficients:
    """All of them."""

    worker: WorkerCost
    clickhouse: InsertCost
    """CPU seconds, merges until idle included."""
    merging: float
    """Share of ClickHouse's CPU that was spent after the last row had landed."""
    write: InsertCost
    """Seconds of the clock from claim to done."""
    stored: Stored
    kafka_overhead: float
    """Bytes of a record in a batch beside its value: key, framing, its share of the batch's head."""
    recovery: Recovery
    tail: Tail
    residual: float
    """The greatest relative error of the fit in any run that it was made from."""

    def reading_s(self, event_bytes: float, updates: float) -> float:
        """CPU seconds of a worker to fetch and count one event of so many bytes that adds to so many counts."""
        cost = self.worker
        return cost.event + event_bytes * cost.byte + updates * cost.update

    def writing_s(self, rows: float, deltas: float = 1.0) -> float:
        """CPU seconds of a worker to write so many rows and deltas."""
        return rows * self.worker.row + deltas * self.worker.delta


def of(document: Document, name: str = "the calibration") -> Coefficients:
    """From what `tagpulse plan calibrate` wrote. Raises DocumentError."""
    if document.get("form") != FORM:
        raise DocumentError(f"{name} is a document of the form {document.get('form')!r}, not {FORM!r}; {_REMEDY}")
    return _checked(Coefficients, document.get("coefficients"), f"{name}: coefficients")


def document_of(path: Path | None) -> Document:
    """The document in a file, or the one that comes with tagpulse. Raises DocumentError."""
    return shipped() if path is None else read(path)


@cache
def shipped() -> Document:
    """The calibration that comes with tagpulse."""
    found: Document = orjson.loads(files("loadtest.planner").joinpath(_SHIPPED).read_bytes())
    return found


def encode(coefficients: Coefficients) -> Mapping[str, Any]:
    """As part of a document."""
    return asdict(coefficients)


def _checked(kind: type[T], value: object, where: str) -> T:
    """`value` as a dataclass of numbers and of such dataclasses: all there, finite, not negative."""
    if not isinstance(value, dict):
        raise DocumentError(f"{where} is missing; {_REMEDY}")
    hints, found = get_type_hints(kind), {}
    for field in fields(kind):  # type: ignore[arg-type]
        name, part = f"{where}.{field.name}", value.get(field.name)
        if hints[field.name] is not float:
            found[field.name] = _checked(hints[field.name], part, name)
        elif isinstance(part, bool) or not isinstance(part, int | float) or not math.isfinite(part):
            raise DocumentError(f"{name} must be a number, not {part!r}; {_REMEDY}")
        elif part < 0 and field.name != "holdout_error":
            raise DocumentError(f"{name} is {part}: a cost cannot be negative; {_REMEDY}")
        else:
            found[field.name] = float(part)
    return kind(**found)
