"""When to kill a process: somewhere in its work, as often as it takes until enough kills have landed inside."""

import random
from collections.abc import Callable, Iterator


class Kills:
    """Moments within a span that follows the machine, which is faster or slower from one minute to the next.

    About three in four are to land inside. What is tested is what a kill leaves, not how well it was aimed: while fewer
    than ``least`` (a quarter, if not told) landed, or ``enough`` does not hold, more rounds follow, up to ten times as many.
    """

    def __init__(
        self,
        of: str,
        rounds: int,
        span: float,
        *,
        soonest: float = 0,
        least: int | None = None,
        enough: Callable[[], bool] = lambda: True,
    ) -> None:
        self.of, self.rounds, self.span, self.soonest = of, rounds, span, soonest
        self.least = rounds // 4 if least is None else least
        self._enough = enough
        self._random = random.Random(of)
        self.inside = self.number = 0

    def __iter__(self) -> Iterator[float]:
        """Seconds to wait before each kill. Ends with what the test has to show, or fails."""
        while self.number < self.rounds or not self._shown():
            assert self.number < 10 * self.rounds, f"kills do not land as they should: {self}"
            yield self._random.uniform(self.soonest * self.span, self.span)
            self.number += 1
        print(self)

    def landed(self, inside: bool) -> None:
        """What came of the last kill."""
        self.inside += inside
        self.span *= 1.02 if inside else 0.95

    def _shown(self) -> bool:
        return self.inside >= self.least and self._enough()

    def __str__(self) -> str:
        return f"{self.of}: {self.inside} of {self.number} kills inside, within {self.span:.3f} s"
