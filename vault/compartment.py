"""One case's database: rows, the table of changes behind them, and the state that the changes add up to.

Every change of a row is appended in canonical form, and ``state = SHA-256(previous state || SHA-256(salt || change))``.
So an older copy of the file ends in an older state, and an older page inside a newer file shows where a row differs
from its last change. Deleting a row erases its changes down to their salted digests; the chain still holds, and the
removal keeps their numbers, so that an older page with an erased change shows as well.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from crypto import chain, labels
from crypto.encoding import canonical_json, parse_canonical_json
from crypto.errors import CryptoError
from crypto.keys import CaseKey, DatabaseKey, ObjectKey, derive
from vault import errors, schema
from vault.receipts import Receipt
from vault.store import Store, Value, is_empty
from vault.tables import Row, Table, integer
from vault.written import Place, Written

_SALT_BYTES = 16
_BY_NAME = {table.name: table for table in (*schema.CASE_TABLES, schema.COUNTERS)}

Clock = Callable[[], str]


class Compartment:
    """An open case. Reading checks each row against its last change and raises ``OlderCopy`` where they differ."""

    def __init__(self, store: Store, *, case_id: bytes, clock: Clock) -> None:
        self.store = store
        self.case_id = case_id
        self._clock = clock
        self._written = Written()
        names = store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        self._missing = {table.name for table in schema.LATER_CASE_TABLES} - {name for (name,) in names}
        self.changes = 0
        self.state = chain.first_state(case_id)
        self._load()

    @classmethod
    def create(cls, path: Path, key: CaseKey, *, code: str, case_id: bytes, clock: Clock) -> Compartment:
        """A new, empty case."""
        store = Store.create(path, database_key(key), what=code, schema=schema.CASE_SCHEMA, version=schema.CASE_VERSION)
        return cls(store, case_id=case_id, clock=clock)

    @classmethod
    def open(
        cls, path: Path, key: CaseKey, *, code: str, case_id: bytes, clock: Clock, immutable: bool = False
    ) -> Compartment:
        """An existing case, its chain of changes replayed. Raises ``DatabaseDamaged`` and ``OlderCopy``."""
        if is_empty(path):
            raise errors.DatabaseDamaged(what=code)
        store = Store(path, database_key(key), what=code, immutable=immutable)
        try:
            if not store.version:  # no format has this number: the database is empty
                raise errors.DatabaseDamaged(what=code)
            if store.version != schema.CASE_VERSION:
                raise errors.UnknownFormat(path=str(path), format=store.version)
            return cls(store, case_id=case_id, clock=clock)
        except BaseException:
            store.close()
            raise

    def _load(self) -> None:
        state, number = chain.first_state(self.case_id), 0
        erased: set[int] = set()
        empty: set[int] = set()
        written: dict[Place, list[int]] = {}
        self.store.keep_little()
        # In parts, each compared as a whole: opening a case should cost little more than its decryption.
        parts = self.store.parts("SELECT number, place, key, kept, digest, state FROM changes ORDER BY number")
        for part in parts:
            numbers, places, keys, kept, digests, stored = zip(*part, strict=True)
            try:
                states = chain.next_states(state, digests)
            except (TypeError, ValueError):
                raise errors.OlderCopy(what=self.store.what) from None
            if numbers != tuple(range(number + 1, number + 1 + len(part))) or tuple(states) != stored:
                raise errors.OlderCopy(what=self.store.what)
            state, number = states[-1], numbers[-1]
            for each, place, is_kept in zip(numbers, zip(places, keys, strict=True), kept, strict=True):
                if not is_kept:
                    erased.update(self._numbers_of(place[1]))
                elif place[1]:
                    written.setdefault(place, []).append(each)
                else:
                    empty.add(each)
        if empty != erased:
            raise errors.OlderCopy(what=self.store.what)
        self.store.give_back()
        self._written = Written(written)
        self.state, self.changes = state, number

    def _numbers_of(self, removal: str) -> list[int]:
        """The numbers of the changes that a removal erased."""
        try:
            numbers = parse_canonical_json(removal.encode())
        except CryptoError:
            raise errors.OlderCopy(what=self.store.what) from None
        if not isinstance(numbers, list) or not all(isinstance(number, int) for number in numbers):
            raise errors.OlderCopy(what=self.store.what)
        return numbers

    # Reading

    def rows(self, table: Table, first: Value = None) -> list[Row]:
        """All rows of ``table``, or those whose key begins with ``first``: each as last changed, and none missing."""
        if first is None:
            found, expected = self._select(table, "", ()), self._written.count(table.name)
        else:
            found = self._select(table, f"WHERE t.{table.key[0]} = ? ORDER BY t.{table.key[1]}", (first,))
            expected = self._written.count(table.name, table.key_text([first])[:-1])
        if len({table.key_of(row) for row in found}) != expected:
            raise errors.OlderCopy(what=self.store.what)
        return found

    def row(self, table: Table, *key: Value) -> Row | None:
        """The row with this key, as last changed, or None."""
        matches = " AND ".join(f"t.{name} = ?" for name in table.key)
        found = self._select(table, f"WHERE {matches}", key)
        if bool(found) != bool(self._written.last(_place(table, key))):
            raise errors.OlderCopy(what=self.store.what)
        return found[0] if found else None

    def first_with(self, table: Table, column: str, value: Value) -> Row | None:
        """A row with this value in a column. That there is none is a hint only: an older index could hide it."""
        found = self._select(table, f"WHERE t.{column} = ? LIMIT 1", (value,))
        return found[0] if found else None

    def _select(self, table: Table, where: str, values: Sequence[Value]) -> list[Row]:
        if table.name in self._missing:
            return []
        names = ", ".join(f"t.{name}" for name in table.columns)
        found = self.store.execute(
            f"SELECT {names}, t.change_number, c.salt, c.digest FROM {table.name} t"  # noqa: S608 (constants)
            f" LEFT JOIN changes c ON c.number = t.change_number {where}",
            values,
        )
        rows = []
        for *record, number, salt, digest in found:
            row = table.from_record(tuple(record))
            self._verify(table, row, number, salt, digest)
            rows.append(row)
        return rows

    def _verify(self, table: Table, row: Row, number: int, salt: bytes | None, digest: bytes | None) -> None:
        key = table.key_of(row)
        recorded = salt is not None and chain.change_digest(salt, _change(table, key, row)) == digest
        if not recorded or self._written.last((table.name, key)) != number:
            raise errors.OlderCopy(what=self.store.what)

    def count(self, table: Table) -> int:
        """How many rows the table has."""
        return self._written.count(table.name)

    def history(self, table: Table, *key: Value) -> list[tuple[str, Row]]:
        """Every form that a row had, oldest first, with the time of each; none of a row that is not there."""
        if self.row(table, *key) is None:
            return []
        forms = []
        for number in self._written.numbers(_place(table, key)):
            ((happened, salt, digest, change),) = self.store.execute(
                "SELECT happened, salt, digest, change FROM changes WHERE number = ?", (number,)
            )
            forms.append((happened, _row_of(self.store.what, salt, digest, change)))
        return forms

    # Changing

    @contextmanager
    def changing(self) -> Iterator[None]:
        """One transaction: all changes inside, or none."""
        before = self.state, self.changes, set(self._missing)
        self._written.begin()
        try:
            with self.store.atomic():
                yield
        except BaseException:
            self._written.undo()
            self.state, self.changes, self._missing = before
            raise

    def put(self, table: Table, row: Row) -> None:
        """Write a row and append the change. A row that stays the same is not written again."""
        try:
            change = _change(table, table.key_of(row), row)
        except CryptoError:
            raise errors.BadValue(field="text", reason="it is not valid Unicode") from None
        before = self.row(table, *(row[name] for name in table.key))
        if before == row:
            return
        if table.name in self._missing:
            self.store.execute(table.ddl())
            self._missing.remove(table.name)
        place = table.name, table.key_of(row)
        number = self._append(place, change, kept=True)
        self._written.add(place, number)
        table.write(self.store, row, number)

    def erase(self, table: Table, *key: Value) -> None:
        """Delete a row, and what its changes said; their salted digests stay, and which ones they were."""
        place = _place(table, key)
        numbers = self._written.numbers(place)
        table.erase(self.store, key)
        number = self._append(place, _change(table, place[1], None), kept=False)
        forget = "UPDATE changes SET key = ?, salt = NULL, change = NULL WHERE number = ?"
        for each in numbers:
            self.store.execute(forget, ("", each))
        self.store.execute(forget, (canonical_json(numbers).decode(), number))
        self._written.remove(place)

    def _append(self, place: Place, change: bytes, *, kept: bool) -> int:
        salt = secrets.token_bytes(_SALT_BYTES)
        digest = chain.change_digest(salt, change)
        self.state = chain.next_state(self.state, digest)
        self.changes += 1
        self.store.execute(
            "INSERT INTO changes (number, happened, place, key, kept, salt, digest, change, state)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (self.changes, self._clock(), *place, int(kept), salt, digest, change, self.state),
        )
        return self.changes

    def next_number(self, name: str) -> int:
        """A number that was never given before, for items, persons, notes or receptions."""
        counter = self.row(schema.COUNTERS, name)
        number = 1 if counter is None else integer(counter, "last") + 1
        self.put(schema.COUNTERS, {"name": name, "last": number})
        return number

    # Object keys: not part of the changes, which outlive a deleted item

    def keep_object_key(self, object_id: bytes, key: ObjectKey) -> None:
        """Store the key of an object."""
        self.store.execute("INSERT INTO object_keys (object_id, key) VALUES (?, ?)", (object_id, key.raw))

    def unwrap_object_key(self, receipt: Receipt, object_id: bytes) -> ObjectKey:
        """The key of an object, for an intent that the log has recorded. Raises ``ReceiptRefused``."""
        receipt.spend("object")
        found = self.store.execute("SELECT key FROM object_keys WHERE object_id = ?", (object_id,))
        if not found:
            raise errors.DatabaseDamaged(what=self.store.what)
        return ObjectKey(found[0][0])

    def unwrap_object_keys(self, receipt: Receipt, object_ids: Collection[bytes]) -> dict[bytes, ObjectKey]:
        """The keys of some objects, for an intent to read these. Raises ``ReceiptRefused``."""
        receipt.spend(all_objects_grant(self.case_id))
        found = self.store.execute("SELECT object_id, key FROM object_keys")
        keys = {object_id: ObjectKey(key) for object_id, key in found if object_id in object_ids}
        if len(keys) != len(object_ids):
            raise errors.DatabaseDamaged(what=self.store.what)
        return keys

    def unwrap_all_object_keys(self, receipt: Receipt) -> dict[bytes, ObjectKey]:
        """Every object's key, for an intent to check the whole case. Raises ``ReceiptRefused``."""
        receipt.spend(all_objects_grant(self.case_id))
        found = self.store.execute("SELECT object_id, key FROM object_keys")
        return {object_id: ObjectKey(key) for object_id, key in found}

    def forget_object_key(self, object_id: bytes) -> None:
        """Delete the key of an object: its bytes are unreadable from here on."""
        self.store.execute("DELETE FROM object_keys WHERE object_id = ?", (object_id,))

    def object_ids(self) -> set[bytes]:
        """All objects whose keys are here."""
        return {object_id for (object_id,) in self.store.execute("SELECT object_id FROM object_keys")}

    # Checking

    def problems(self) -> list[str]:
        """Everything that does not agree: the database's own checks, each change, each row."""
        found = self.store.problems()
        changes = self.store.stream("SELECT number, place, key, salt, digest, change FROM changes ORDER BY number")
        for number, place, key, salt, digest, change in changes:
            if change is None:
                continue
            body = _body_of(salt, digest, change)
            if body is None or body["table"] != place or body["key"] != key:
                found.append(f"change {number}")
        for table in _BY_NAME.values():
            try:
                self.rows(table)
            except errors.OlderCopy:
                found.append(f"table {table.name}")
        return found

    def close(self) -> None:
        """Close the database."""
        self.store.close()


def all_objects_grant(case_id: bytes) -> str:
    """What a receipt must hold for every object key of a case to be unwrapped."""
    return f"objects:{case_id.hex()}"


def database_key(key: CaseKey) -> DatabaseKey:
    """The key of a case's database file."""
    return derive(key, labels.CASE_DATABASE, DatabaseKey)


def _change(table: Table, key: str, row: Row | None) -> bytes:
    after = None if row is None else {name: row[name] for name in table.columns}
    return canonical_json({"table": table.name, "key": key, "row": after})


def _place(table: Table, key: Sequence[Value]) -> Place:
    return table.name, table.key_text(key)


def _body_of(salt: bytes | None, digest: bytes, change: bytes | None) -> dict[str, object] | None:
    if not isinstance(salt, bytes) or not isinstance(change, bytes):
        return None
    try:
        if chain.change_digest(salt, change) != digest:
            return None
        body = parse_canonical_json(change)
    except CryptoError:
        return None
    return body if isinstance(body, dict) else None


def _row_of(what: str, salt: bytes | None, digest: bytes, change: bytes | None) -> Row:
    body = _body_of(salt, digest, change)
    if body is None or not isinstance(body["row"], dict):
        raise errors.OlderCopy(what=what)
    return body["row"]
