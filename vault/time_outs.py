"""How long a session lasts: a clock that goes on while the machine sleeps, and two limits."""

from __future__ import annotations

from collections.abc import Callable

SECOND = 1_000_000_000


class TimeOuts:
    """The time since somebody used the session, and since it began. ``clock`` counts nanoseconds."""

    def __init__(self, clock: Callable[[], int], *, idle_seconds: int, absolute_seconds: int) -> None:
        self.idle_seconds, self.absolute_seconds = idle_seconds, absolute_seconds
        self._clock = clock
        self._begun = self._used = clock()

    def use(self) -> None:
        """Somebody is at work."""
        self._used = max(self._used, self._clock())

    def left(self) -> tuple[int, int]:
        """Nanoseconds until the session ends without use, and in any case."""
        now = self._clock()
        return self._used + self.idle_seconds * SECOND - now, self._begun + self.absolute_seconds * SECOND - now

    def passed(self) -> str | None:
        """Which of the two has passed, as the log says it."""
        idle_left, absolute_left = self.left()
        if absolute_left <= 0:
            return "absolute time-out"
        return "idle time-out" if idle_left <= 0 else None
