"""What a load test sends, and to how many workers: a YAML file, checked before anything starts.

The files of this package lie in loadtest/workloads; docs/loadtest.md explains every field.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from schemas.countries import normalise_country
from schemas.tags import normalise_tag
from schemas.topics import EventType

Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]

#: Where the workloads of this package lie.
WORKLOADS = files("loadtest") / "workloads"
#: Numbers that can be patched into an event as a hashtag of its own.
MOST_FRESH_TAGS = 10_000_000


class WorkloadError(Exception):
    """A workload cannot be used; the text names the field and the remedy."""


class FaultKind(StrEnum):
    """What can be done to the deployment while it counts. Named after what happens."""

    KILL_WORKER = "kill-worker"
    """SIGKILL; it is started again at once."""
    PAUSE_WORKER = "pause-worker"
    """SIGSTOP, and SIGCONT at the end."""
    KILL_CLICKHOUSE = "kill-clickhouse"
    """SIGKILL of the local server, which is started again on its data."""
    PAUSE_CLICKHOUSE = "pause-clickhouse"
    """SIGSTOP: it accepts connections and never answers, until the end."""
    SLOW_CLICKHOUSE = "slow-clickhouse"
    """Every answer to a worker comes 200 ms late."""
    CUT_CLICKHOUSE = "cut-clickhouse"
    """Workers' connections are reset and refused."""
    SLOW_KAFKA = "slow-kafka"
    """Every answer to a worker comes 200 ms late."""
    CUT_KAFKA = "cut-kafka"
    """Workers' connections are reset and refused."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Step(_Strict):
    """`seconds` at `rate` events per second, or on a straight line from `rate` to `to`.

    `rate: max` sends as fast as the broker takes it: a closed loop, whose latencies say nothing.
    """

    seconds: Positive
    rate: Annotated[float, Field(ge=0)] | Literal["max"]
    to: Annotated[float, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _no_line_to_max(self) -> Step:
        if self.rate == "max" and self.to is not None:
            raise ValueError("a step at rate max has no 'to': leave it out")
        return self


class Spotlight(_Strict):
    """A hashtag whose share of the events goes from `share` to `to` within `over_s` seconds, and stays there.

    `countries`: those its events come from, in equal parts; none: those of the workload.
    """

    hashtag: Annotated[str, Field(min_length=1)]
    share: Share
    to: Share | None = None
    over_s: Positive = 60.0
    countries: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _has_normal_form(self) -> Spotlight:
        if not normalise_tag(self.hashtag):
            raise ValueError(f"hashtag {self.hashtag!r} is empty in normal form: give it letters")
        return self

    def share_at(self, second: float) -> float:
        """Its share of the events that are due then."""
        end = self.share if self.to is None else self.to
        return self.share + (end - self.share) * min(second / self.over_s, 1.0)


class Late(_Strict):
    """So many of the events carry a time that lies up to `up_to_s` seconds back, evenly spread."""

    share: Share
    up_to_s: Annotated[float, Field(gt=0, le=20 * 86_400)] = 3_600.0


class Fault(_Strict):
    """`fault` begins `at_s` seconds into the run and lasts for `seconds`; kills ignore how long."""

    at_s: Annotated[float, Field(ge=0)]
    fault: FaultKind
    seconds: Annotated[float, Field(ge=0)] = 3.0


def _mix() -> dict[EventType, float]:
    return {EventType.VIDEO_VIEW: 60.0, EventType.STICKER_USE: 25.0, EventType.VIDEO_CREATION: 15.0}


def _countries() -> dict[str, float]:
    return {
        **{"US": 20.0, "PH": 13.0, "ID": 12.0, "BR": 11.0, "MX": 10.0, "GB": 6.0, "IN": 5.0, "VN": 4.0, "DE": 3.0},
        **{"TH": 3.0, "TR": 3.0, "FR": 2.0, "JP": 2.0, "EG": 2.0, "NG": 1.0, "KE": 1.0, "IT": 1.0, "ZA": 1.0},
    }


class Workload(_Strict):
    """A load test. The same workload sends the same events at the same intended times."""

    name: str
    description: str
    seed: Annotated[int, Field(ge=0)] = 1
    steps: Annotated[tuple[Step, ...], Field(min_length=1)]
    backlog: Annotated[int, Field(ge=0)] = 0
    """Events that are in the log before the first worker starts."""

    mix: Annotated[dict[EventType, Positive], Field(min_length=1)] = Field(default_factory=_mix)
    countries: Annotated[dict[str, Positive], Field(min_length=1)] = Field(default_factory=_countries)
    videos: Annotated[int, Field(ge=100, le=500_000)] = 20_000
    """Different videos. Their hashtags are those of real videos, so that tags have their long tail and company."""
    fresh_hashtags: Annotated[int, Field(ge=0, le=MOST_FRESH_TAGS)] = 0
    """Every event carries one of so many further hashtags, each as likely as the next."""
    spotlights: tuple[Spotlight, ...] = ()
    disorder_s: Annotated[float, Field(ge=0, le=86_400)] = 2.0
    """Event times lie up to so many seconds before the moment of sending, evenly spread."""
    late: Late | None = None
    poison: Share = 0.0
    """Share of records that cannot be counted."""
    record_bytes: Annotated[int, Field(ge=0, le=200_000)] = 0
    """Events are padded to at least so many bytes."""

    compression: Literal["none", "gzip", "lz4", "zstd"] = "none"
    partitioning: Literal["keyed", "sticky"] = "keyed"
    """keyed: by video, as Kafka's clients do. sticky: a batch goes to one partition, the next one to the next."""
    linger_ms: Annotated[int, Field(ge=1, le=1_000)] = 50
    """Events that are due within so long are sent together."""
    partitions: Count = 4
    """Of each topic."""
    workers: Count = 1
    senders: Count = 1
    """Processes that send."""
    faults: tuple[Fault, ...] = ()
    drain_s: Positive = 120.0
    """After the last event, all must be visible within so long."""
    flat: bool = False
    """The run must end with flat memory and no growth of parts: for soaks."""

    @model_validator(mode="after")
    def _can_be_sent(self) -> Workload:
        if wrong := [code for code in self._codes() if normalise_country(code) != code]:
            raise ValueError(f"countries are ISO codes, like PH, and GB for the UK: not {wrong[0]!r}")
        if late := [fault for fault in self.faults if fault.at_s >= self.seconds]:
            raise ValueError(f"fault {late[0].fault} at {late[0].at_s:g} s: the run lasts {self.seconds:g} s")
        whole = sum(max(spot.share, spot.to or 0.0) for spot in self.spotlights) + self.poison
        if whole > 1:
            raise ValueError(f"the shares of spotlights and poison come to {whole:g}: at most 1")
        if self.fresh_hashtags and self.fresh_hashtags < 2:
            raise ValueError("fresh_hashtags: 0, or at least 2")
        return self

    def _codes(self) -> list[str]:
        return [*self.countries, *(code for spot in self.spotlights for code in spot.countries)]

    @property
    def seconds(self) -> float:
        """How long it sends."""
        return sum(step.seconds for step in self.steps)

    @property
    def peak(self) -> float:
        """The highest rate of its steps, events per second; 0 where all are `max`."""
        return max(max(float(s.rate), s.to or 0.0) if s.rate != "max" else 0.0 for s in self.steps)

    def scaled(self, seconds: float | None = None, peak: float | None = None) -> Workload:
        """The same, to last `seconds` and to reach `peak` events per second: all its times and rates by one factor.

        A backlog shrinks with time, but does not grow.
        """
        stretch = 1.0 if seconds is None else seconds / self.seconds
        lift = 1.0 if peak is None or not self.peak else peak / self.peak
        changed: dict[str, Any] = {
            "steps": [
                {
                    "seconds": step.seconds * stretch,
                    "rate": step.rate if step.rate == "max" else float(step.rate) * lift,
                    "to": None if step.to is None else step.to * lift,
                }
                for step in self.steps
            ],
            "backlog": int(self.backlog * min(1.0, stretch)),
            "spotlights": [{**spot.model_dump(), "over_s": spot.over_s * stretch} for spot in self.spotlights],
            "faults": [
                {"at_s": fault.at_s * stretch, "fault": fault.fault, "seconds": fault.seconds * min(1.0, stretch)}
                for fault in self.faults
            ],
        }
        return self.changed(changed)

    def changed(self, fields: Mapping[str, Any]) -> Workload:
        """The same with other `fields`. Raises WorkloadError."""
        return parse(self.model_dump() | dict(fields), self.name)


def parse(fields: object, source: str) -> Workload:
    """A workload from what a file holds. `source` is its name in messages. Raises WorkloadError."""
    if not isinstance(fields, dict):
        raise WorkloadError(f"{source}: a workload is a mapping of fields, like 'steps: [{{seconds: 30, rate: 5000}}]'")
    try:
        return Workload.model_validate({"name": Path(source).stem, **fields})
    except ValidationError as error:
        found = []
        for problem in error.errors():
            place = ".".join(
                str(part) for part in problem["loc"] if not str(part).startswith(("constrained", "literal"))
            )
            message = problem["msg"].removeprefix("Value error, ")
            known = f"; there are {', '.join(Workload.model_fields)}" if problem["type"] == "extra_forbidden" else ""
            found.append(f"{source}: {place + ': ' if place else ''}{message}{known}")
        raise WorkloadError("\n".join(dict.fromkeys(found))) from None


def load(name: str) -> Workload:
    """A workload by the name of one of ours, or by the path of a file. Raises WorkloadError."""
    path = Path(name)
    try:
        text = path.read_text() if path.suffix in (".yaml", ".yml") else (WORKLOADS / f"{name}.yaml").read_text()
    except OSError as error:
        raise WorkloadError(
            f"there is no workload {name!r} ({error.strerror}): name a .yaml file, or one of {', '.join(names())}"
        ) from None
    try:
        fields = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise WorkloadError(f"{name} is not YAML: {' '.join(str(error).split())}") from None
    return parse(fields, name)


def names() -> list[str]:
    """Workloads of this package."""
    return sorted(entry.name.removesuffix(".yaml") for entry in WORKLOADS.iterdir() if entry.name.endswith(".yaml"))
