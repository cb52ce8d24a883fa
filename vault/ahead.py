"""The cases of a session, opened before anybody asks for them: one at a time, while nothing else is to be done.

That a session opens its cases is what the intent of its beginning says, and its receipt is good for each of them once.
Nothing is shown by it, and nothing is checked less: a case is opened here as it is for a request.
"""

from __future__ import annotations

import contextlib
from collections import deque

from vault.door import Door
from vault.receipts import Receipt


class Ahead:
    """What is left to open, the case that was changed last before the others. For the keeper's thread alone."""

    def __init__(self, door: Door, receipt: Receipt) -> None:
        """``receipt`` is that of the session's beginning."""
        self._door, self._receipt = door, receipt
        self._epoch = door.header.epoch
        newest_first = sorted(door.registry.cases(), key=lambda case: case.changed, reverse=True)
        self._left = deque(case.case_id for case in newest_first)

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to open, or no room for it."""
        return not self._left

    def open_one(self) -> bool:
        """Open the next case; whether another is left. What goes wrong is left to the request that asks for the case."""
        # The keys of another epoch are not those that the intent spoke of.
        if not self._door.has_room or self._door.header.epoch != self._epoch:
            self.stop()
            return False
        case_id = self._left.popleft()
        with contextlib.suppress(Exception):
            self._door.open_ahead(self._receipt, case_id)
        if not self._left:
            self.stop()
        return bool(self._left)

    def stop(self) -> None:
        """Open no more, and let nobody else do it with this receipt."""
        self._left.clear()
        self._receipt.void()
