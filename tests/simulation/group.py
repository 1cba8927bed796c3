"""The simulated consumer group: members with sessions, and who holds which partition."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from tests.simulation.clock import Clock
from tests.simulation.faults import Dice


class Group:
    """Hands out partitions anew whenever members come, go or fall silent, as Kafka's eager protocol does.

    Partitions move only when every member has come back for the new round, or has been silent for
    `session_s`, or has taken longer than `rebalance_s`.
    """

    def __init__(
        self,
        partitions: int,
        clock: Clock,
        dice: Dice,
        session_s: float,
        rebalance_s: float,
        note: Callable[[str], None],
    ) -> None:
        self._partitions, self._clock, self._dice, self._note = partitions, clock, dice, note
        self._session_s, self._rebalance_s = session_s, rebalance_s
        self._seen: dict[Hashable, float] = {}
        self._joined: set[Hashable] = set()
        self._since: float | None = None
        """When the present round of joining began; None while all is settled."""
        self._assignment: dict[Hashable, list[int]] = {}

    def join(self, member: Hashable) -> None:
        """Come into the group, or back for a new round."""
        if self._since is None:
            self.rebalance()
        self._seen[member] = self._clock.now
        self._joined.add(member)

    def heartbeat(self, member: Hashable) -> bool:
        """Say that one lives. Returns whether one must join again."""
        if member not in self._seen:
            return True
        self._seen[member] = self._clock.now
        return self._since is not None and member not in self._joined

    def assignment(self, member: Hashable) -> list[int] | None:
        """The partitions of `member`; None until the round is over."""
        return self._assignment.get(member) if self._since is None else None

    def rebalance(self) -> None:
        """Begin a new round."""
        if self._since is None:
            self._since, self._joined = self._clock.now, set()

    def poll(self) -> None:
        """Remove who is silent, and end the round if everyone is there."""
        now = self._clock.now
        for member, seen in list(self._seen.items()):
            late = self._since is not None and member not in self._joined and now > self._since + self._rebalance_s
            if now > seen + self._session_s or late:
                self._note(f"group: {member} is out")
                del self._seen[member]
                self._joined.discard(member)
                self.rebalance()
        if self._since is not None and self._seen and self._joined >= self._seen.keys():
            members = self._dice.shuffled(list(self._seen))
            self._assignment = {member: [] for member in members}
            for partition in range(self._partitions):
                self._assignment[members[partition % len(members)]].append(partition)
            self._since = None
            self._note(f"group: {self._assignment}")
