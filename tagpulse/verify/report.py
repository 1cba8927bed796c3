"""What a verification found, as values for programs and for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sinks.analytics import Grain
from sinks.claims import Claim
from tagpulse.verify.blame import Suspect, Verdict
from tagpulse.verify.compare import Comparison, ReceiptFault
from tagpulse.verify.scan import Skipped
from tagpulse.verify.windows import Key, Span

EQUAL, DIFFERENT, NOT_COMPARABLE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class RejectFault:
    """A record whose place in `rejected_events` is not what it must be. "" stands for: none there."""

    log: str
    offset: int
    truth: str
    found: str


@dataclass(slots=True)
class GrainReport:
    """One table: its windows that were compared, the outcome, and who is to blame."""

    span: Span
    comparison: Comparison
    verdict: Verdict
    receipts: list[ReceiptFault]


@dataclass(slots=True)
class TopicReport:
    """Everything about one topic. `asked_part`: of a part of its log, so that lower bounds are the answer."""

    topic: str
    event_type: str
    asked_part: bool = False
    records: int = 0
    claims: int = 0
    rejects: int = 0
    grains: dict[Grain, GrainReport] = field(default_factory=dict)
    reject_faults: list[RejectFault] = field(default_factory=list)
    chain_faults: list[str] = field(default_factory=list)
    judged_otherwise: list[str] = field(default_factory=list)
    open_claims: list[Claim] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    older_lives: int = 0
    """Records that claims of older incarnations counted: their logs are gone."""

    @property
    def differs(self) -> bool:
        grains = self.grains.values()
        return bool(
            self.reject_faults
            or self.chain_faults
            or self.judged_otherwise
            or any(g.comparison.differences or g.comparison.sketches or g.receipts for g in grains)
        )

    @property
    def incomplete(self) -> bool:
        """Whether something that was asked for could not be compared exactly."""
        if self.asked_part:
            return bool(self.skipped) or not self.claims
        return any(grain.comparison.at_least for grain in self.grains.values()) or bool(self.skipped)


def exit_code(reports: Sequence[TopicReport]) -> int:
    """0: equal, 1: something differs, 2: nothing differs, but not all could be compared exactly,
    or nothing was counted at all."""
    if any(report.differs for report in reports):
        return DIFFERENT
    if any(report.incomplete for report in reports) or not any(report.claims for report in reports):
        return NOT_COMPARABLE
    return EQUAL


def place(claim: Claim) -> str:
    """A claim as people see it."""
    return f"{claim.log} [{claim.first}, {claim.next})"


def moment(second: int) -> str:
    """A window's begin as people see it, UTC."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M")


def record_of(key: Key) -> str:
    """A key as people see it, in one line."""
    named = (f"{name} {value!r}" for name, value in key._asdict().items() if name != "window")
    return f"{moment(key.window)}, {', '.join(named)}"


def differences(report: TopicReport) -> list[dict[str, Any]]:
    """Every key that differs, flat: the worst of each grain first."""
    rows = []
    for grain, part in report.grains.items():
        verdict = part.verdict
        for difference in part.comparison.differences:
            key = difference.key
            rows.append(
                {
                    "grain": grain.value,
                    "window": moment(key.window),
                    "country": key.country,
                    "hashtag": key.hashtag,
                    "sticker": key.sticker,
                    "truth": difference.truth,
                    "found": difference.found,
                    "kind": verdict.kinds[key].value,
                    "explained": key in verdict.explained,
                    "claims": [place(claim) for claim in verdict.claims.get(key, [])],
                }
            )
    return rows


def batches(report: TopicReport) -> list[dict[str, Any]]:
    """The batches that are missing or doubled as a whole."""
    return [
        {
            "grain": grain.value,
            "month": suspect.part.month,
            "kind": suspect.kind.value,
            "claim": place(suspect.part.claim),
            "worker": suspect.part.claim.worker,
            "keys": len(suspect.part.events),
            "or_one_of": [place(part.claim) for part in suspect.others],
        }
        for grain, part in report.grains.items()
        for suspect in _sorted(part.verdict.suspects)
    ]


def as_json(report: TopicReport, limit: int) -> dict[str, Any]:
    """All of it for a program; at most `limit` keys, rejects and sketches, with their number."""
    keys = differences(report)
    return {
        "topic": report.topic,
        "event_type": report.event_type,
        "records": report.records,
        "claims": report.claims,
        "rejects": report.rejects,
        "tables": {
            grain.value: {
                "windows_since": moment(part.span.since),
                "windows_until": moment(part.span.until),
                "keys_compared_exactly": part.comparison.exact,
                "keys_compared_as_lower_bound": part.comparison.at_least,
                "keys_different": len(part.comparison.differences),
                "worst_error_of_distinct_videos": round(part.comparison.worst_sketch, 6),
                "distinct_videos_beyond_bound": [
                    {**d.key._asdict(), "window": moment(d.key.window), "truth": d.truth, "found": d.found}
                    for d in part.comparison.sketches[:limit]
                ],
                "receipts": [
                    {
                        "log": str(fault.log),
                        "month": fault.month,
                        "claimed": fault.claimed,
                        "landed": fault.landed,
                        "claims": [place(claim) for claim in fault.claims],
                    }
                    for fault in part.receipts
                ],
            }
            for grain, part in report.grains.items()
        },
        "batches": batches(report),
        "keys_different": len(keys),
        "keys": keys[:limit],
        "rejects_different": len(report.reject_faults),
        "reject_faults": [
            {"log": f.log, "offset": f.offset, "truth": f.truth, "found": f.found} for f in report.reject_faults[:limit]
        ],
        "chain_faults": report.chain_faults,
        "judged_otherwise": report.judged_otherwise,
        "open_claims": [place(claim) for claim in report.open_claims],
        "not_recounted": [
            {"log": str(s.log), "first": s.first, "next": s.next, "why": s.why} for s in merged(report.skipped)
        ],
        "records_of_older_incarnations": report.older_lives,
    }


def merged(skipped: Sequence[Skipped]) -> list[Skipped]:
    """Neighbours with the same reason as one."""
    result: list[Skipped] = []
    for one in sorted(skipped, key=lambda s: (str(s.log), s.first)):
        last = result[-1] if result else None
        if last and (last.log, last.next, last.why) == (one.log, one.first, one.why):
            result[-1] = Skipped(one.log, last.first, one.next, one.why)
        else:
            result.append(one)
    return result


def _sorted(suspects: Sequence[Suspect]) -> list[Suspect]:
    return sorted(suspects, key=lambda s: (str(s.part.claim.log), s.part.claim.first, s.part.month))
