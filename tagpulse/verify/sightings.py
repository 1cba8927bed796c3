"""Where event ids were seen, to tell duplicates by their definition (`streams.duplicates`). Pure.

Nothing of the worker's way to find them is used here, so a fault there cannot hide.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Sequence

from schemas.topics import EventType
from sinks.claims import Claim
from streams.judge import Fault, event_id_of, judge
from streams.rules import Rules

_MAX_OFFSET = 2**63 - 1
#: Ids that no record can be a duplicate of any more are thrown away each time that many offsets were passed.
_SWEEP = 100_000


class Sightings:
    """Event ids of records that could be counted by themselves, each with the offset where it was seen last.

    `reach` is the most offsets that anybody looks back.
    """

    def __init__(self, reach: int) -> None:
        self.reach = reach
        self._seen: dict[str, int] = {}
        self._swept = 0

    def again(self, event_id: str, offset: int, reach: int) -> bool:
        """Note that `event_id` was seen at `offset`. Returns whether it was in the `reach` offsets before."""
        if not event_id:
            return False
        before = self._seen.get(event_id)
        self._seen[event_id] = offset
        if offset - self._swept > max(_SWEEP, self.reach):
            self._seen = {known: at for known, at in self._seen.items() if at >= offset - self.reach}
            self._swept = offset
        return before is not None and offset - before <= reach


class History:
    """How the records before a recount were judged: by finished `claims` of their log, in order, and by their rules.

    `whole` says whether the chain is known from its root on.
    """

    def __init__(
        self,
        claims: Sequence[Claim],
        whole: bool,
        event_type: EventType,
        rules: Callable[[Claim], Rules | None],
    ) -> None:
        self._claims, self._whole = claims, whole
        self._event_type, self._rules = event_type, rules
        self._firsts = [claim.first for claim in claims]
        self._noted: Counter[int] = Counter()
        self.begin = self._firsts[0] if claims else _MAX_OFFSET
        """The first offset that is told about."""

    def lacks(self, claim: Claim, reach: int, begin: int) -> str:
        """Why the duplicates of `claim` cannot be found in a log that begins at `begin`; "" where they can."""
        if not reach or not claim.records:
            return ""
        known = self.begin if self._firsts else claim.first
        needed = max(0, claim.first - reach, known if self._whole else 0)
        if begin > needed:
            return f"the log begins at {begin}: of the {reach} offsets before it (dedup_records) some are gone"
        return f"claims of the {reach} offsets before it (dedup_records) were forgotten" if known > needed else ""

    def start(self, offset: int) -> int:
        """Where to begin to read, so that every claim with an offset from `offset` on is read whole."""
        at = max(0, bisect_right(self._firsts, offset) - 1)
        self._noted.clear()
        return self._firsts[at] if self._firsts else _MAX_OFFSET

    def lost_up_to(self, first: int, next_: int) -> int:
        """Where the last claim within [first, next) ends that has more records than were noted; -1: none has."""
        claims = self._claims[bisect_left(self._firsts, first) : bisect_left(self._firsts, next_)]
        return max((c.next for c in claims if c.next <= next_ and self._noted[c.first] < c.records), default=-1)

    def note(self, offset: int, value: bytes | None, sightings: Sightings) -> None:
        """Note the event id of the record at `offset`, if it could be counted by itself."""
        at = bisect_right(self._firsts, offset) - 1
        if at < 0 or offset >= self._claims[at].next:
            return
        self._noted[self._claims[at].first] += 1
        rules = self._rules(self._claims[at])
        if rules is not None and not isinstance(judge(self._event_type, rules, value, self._claims[at].clock), Fault):
            sightings.again(event_id_of(value), offset, 0)
