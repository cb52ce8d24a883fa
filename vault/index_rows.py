"""The rows of vault.db that are held in memory, and the digest over all of them that each step of the log keeps.

How many there are others decide, too: each file that a partner sends can add hundreds. So a step costs what it changes and
one pass over the digests, and whoever asks for one table waits for no other.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from crypto.encoding import length_prefixed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vault.store import Value
    from vault.tables import Row, Table


class IndexRows:
    """Rows by table and key."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[str, Row]] = {}
        self._digests: dict[tuple[str, str], bytes] = {}
        self._sorted: list[bytes] = []
        self._added: set[bytes] = set()
        self._gone: set[bytes] = set()

    def put(self, table: Table, row: Row) -> None:
        """Take a row, or another one in its place."""
        key = table.key_of(row)
        self._forget(table.name, key)
        digest = hashlib.sha256(length_prefixed(table.name.encode(), table.canonical(row))).digest()
        self._rows.setdefault(table.name, {})[key] = row
        self._digests[table.name, key] = digest
        if digest in self._gone:
            self._gone.remove(digest)
        else:
            self._added.add(digest)

    def erase(self, table: Table, key: Sequence[Value]) -> None:
        """Forget the row with this key, if there is one."""
        place = table.key_text(key)
        self._forget(table.name, place)
        self._rows.get(table.name, {}).pop(place, None)

    def _forget(self, name: str, key: str) -> None:
        digest = self._digests.pop((name, key), None)
        if digest is None:
            return
        if digest in self._added:
            self._added.remove(digest)
        else:
            self._gone.add(digest)

    def of(self, table: Table) -> list[Row]:
        """All rows of a table, in the order of their keys."""
        found = self._rows.get(table.name, {})
        return [found[key] for key in sorted(found)]

    def get(self, table: Table, key: Sequence[Value]) -> Row | None:
        """The row with this key."""
        return self._rows.get(table.name, {}).get(table.key_text(key))

    def digest(self) -> bytes:
        """SHA-256 over the digests of all rows, sorted."""
        if self._gone:
            self._sorted = [each for each in self._sorted if each not in self._gone]
        if self._added:
            self._sorted += self._added
            self._sorted.sort()  # nearly in order already, which is fast
        self._added, self._gone = set(), set()
        return hashlib.sha256(b"".join(self._sorted)).digest()
