"""Threads that give way only where they ask: greenlets, resumed one at a time by whoever schedules them."""

from __future__ import annotations

from collections.abc import Callable

from greenlet import GreenletExit, getcurrent, greenlet


class Thread:
    """Runs `work`, a blocking function, from one wait to the next."""

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        self.name = name
        self._greenlet = greenlet(work)
        self._ready: Callable[[], bool] = lambda: True
        self.wakes_at: float | None = None
        """When it wants to go on, if it sleeps."""

    @property
    def ended(self) -> bool:
        return bool(self._greenlet.dead)

    def runnable(self, now: float) -> bool:
        """Whether what it waits for has come."""
        return self._ready() or (self.wakes_at is not None and now >= self.wakes_at)

    def resume(self) -> None:
        """Run it up to its next wait."""
        self._greenlet.parent = getcurrent()
        _running.append(self)
        try:
            self._greenlet.switch()
        finally:
            _running.pop()

    def kill(self) -> None:
        """End it where it stands; it runs no further statement of its work."""
        if not self.ended:
            self._greenlet.parent = getcurrent()
            self._greenlet.throw(GreenletExit)

    def wait(self, ready: Callable[[], bool], wakes_at: float | None) -> None:
        """Called by the thread itself: give way until `ready` or the time `wakes_at`."""
        self._ready, self.wakes_at = ready, wakes_at
        parent = self._greenlet.parent
        assert parent is not None
        parent.switch()


_running: list[Thread] = []


def current() -> Thread | None:
    """The thread that is running; None in the scheduler itself."""
    return _running[-1] if _running else None
