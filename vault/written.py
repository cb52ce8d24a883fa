"""Which changes wrote the rows of a case, in little room: many cases are kept open at once."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from operator import itemgetter

Place = tuple[str, str]  # a table and a key in it


class Written:
    """For each row that is there the numbers of its changes, oldest first; and how many rows there are.

    What was there at the beginning lies in sorted arrays of hashes of 64 bits, keyed anew in each process: that two of
    a hundred thousand rows collide happens once in some thousand million cases, and would be reported as damage.
    """

    def __init__(self, numbers: Mapping[Place, list[int]] | None = None) -> None:
        numbers = numbers or {}
        changes = dict(zip(map(hash, numbers), numbers.values(), strict=True))
        ordered = sorted(changes)
        self._hashes = array("q", ordered)
        self._last = array("Q", [changes[hashed][-1] for hashed in ordered])
        self._earlier = {hashed: array("Q", all_[:-1]) for hashed, all_ in changes.items() if len(all_) > 1}
        self._rows = Counter(map(itemgetter(0), numbers))
        under = Counter([_under(place) for place in numbers if _is_under(place)])
        counts = sorted(zip(map(hash, under), under.values(), strict=True))
        self._under = array("q", [hashed for hashed, _ in counts])
        self._rows_under = array("Q", [count for _, count in counts])
        self._more_under: Counter[Place] = Counter()
        # What is other than at the beginning, and how it was before the last ``begin``.
        self._since: dict[Place, list[int]] = {}
        self._undo: list[tuple[Place, list[int] | None]] = []

    def last(self, place: Place) -> int:
        """The number of the change that gave a row its present form; 0 if there is no such row."""
        if place in self._since:
            return self._since[place][-1] if self._since[place] else 0
        return self._at(self._hashes, self._last, hash(place))

    def numbers(self, place: Place) -> list[int]:
        """The numbers of all changes of a row; none if there is no such row."""
        if place in self._since:
            return list(self._since[place])
        last = self.last(place)
        return [*self._earlier.get(hash(place), ()), last] if last else []

    def count(self, table: str, first: str | None = None) -> int:
        """How many rows a table has, or those whose canonical key begins with ``first``, up to its comma."""
        if first is None:
            return self._rows[table]
        under = table, first
        return self._at(self._under, self._rows_under, hash(under)) + self._more_under[under]

    def _at(self, hashes: array[int], values: array[int], hashed: int) -> int:
        place = bisect_left(hashes, hashed)
        return values[place] if place < len(hashes) and hashes[place] == hashed else 0

    # Changing

    def begin(self) -> None:
        """From here on changes can be undone."""
        self._undo = []

    def undo(self) -> None:
        """Everything is as it was at the last ``begin``."""
        for place, numbers in reversed(self._undo):
            if numbers is None:
                self._since[place].pop()
                self._count(place, -1 if not self._since[place] else 0)
            else:
                self._since[place] = numbers
                self._count(place, 1)
        self._undo = []

    def add(self, place: Place, number: int) -> None:
        """A row was written."""
        if place not in self._since:
            self._since[place] = self.numbers(place)
        self._count(place, 0 if self._since[place] else 1)
        self._since[place].append(number)
        self._undo.append((place, None))

    def remove(self, place: Place) -> None:
        """A row was deleted."""
        numbers = self.numbers(place)
        if numbers:
            self._since[place] = []
            self._count(place, -1)
            self._undo.append((place, numbers))

    def _count(self, place: Place, more: int) -> None:
        self._rows[place[0]] += more
        if more and _is_under(place):
            self._more_under[_under(place)] += more


def _is_under(place: Place) -> bool:
    return "," in place[1]


def _under(place: Place) -> Place:
    """The table and the first column of the key: canonical, it is what stands before the first comma."""
    return place[0], place[1].partition(",")[0]
