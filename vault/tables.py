"""Tables whose rows have one canonical form, so that what is stored can be compared with what was recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crypto.encoding import canonical_json
from vault.store import Record, Store, Value

Row = dict[str, Value]


def integer(row: Mapping[str, Value], name: str) -> int:
    """A column that always holds a number."""
    value = row[name]
    if not isinstance(value, int):
        raise TypeError(name)
    return value


def blob(row: Mapping[str, Value], name: str) -> bytes:
    """A column that always holds bytes."""
    value = row[name]
    if not isinstance(value, bytes):
        raise TypeError(name)
    return value


def text(row: Mapping[str, Value], name: str) -> str:
    """A column that always holds text."""
    value = row[name]
    if not isinstance(value, str):
        raise TypeError(name)
    return value


def optional_text(row: Mapping[str, Value], name: str) -> str | None:
    """A column that holds text or nothing."""
    return None if row[name] is None else text(row, name)


def optional_blob(row: Mapping[str, Value], name: str) -> bytes | None:
    """A column that holds bytes or nothing."""
    return None if row[name] is None else blob(row, name)


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its columns in order with their SQLite types, and how many of the first ones are its key."""

    name: str
    columns: Mapping[str, str]
    key_columns: int = 1
    tracked: bool = False

    @property
    def key(self) -> tuple[str, ...]:
        """The names of the key's columns."""
        return tuple(self.columns)[: self.key_columns]

    def ddl(self) -> str:
        """The statement that makes the table. A tracked one remembers which change wrote each row."""
        columns = [f"{name} {kind}" for name, kind in self.columns.items()]
        if self.tracked:
            columns.append("change_number INTEGER NOT NULL")
        columns.append(f"PRIMARY KEY ({', '.join(self.key)})")
        return f"CREATE TABLE {self.name} ({', '.join(columns)})"

    def key_text(self, key: Sequence[Value]) -> str:
        """The key's canonical form."""
        return canonical_json(list(key)).decode()

    def key_of(self, row: Mapping[str, Value]) -> str:
        """The canonical form of the key of ``row``."""
        return self.key_text([row[name] for name in self.key])

    def canonical(self, row: Mapping[str, Value]) -> bytes:
        """The row's canonical form: every column, bytes as hexadecimal text."""
        return canonical_json({name: row[name] for name in self.columns})

    def from_record(self, record: Record) -> Row:
        """A row from the values of its columns, in order."""
        return dict(zip(self.columns, record, strict=False))

    def write(self, store: Store, row: Mapping[str, Value], change_number: int | None = None) -> None:
        """Insert the row, or replace the one with its key."""
        names, values = list(self.columns), [row[name] for name in self.columns]
        if self.tracked:
            names.append("change_number")
            values.append(change_number)
        marks = ", ".join("?" * len(names))
        store.execute(f"INSERT OR REPLACE INTO {self.name} ({', '.join(names)}) VALUES ({marks})", values)  # noqa: S608 (constants)

    def erase(self, store: Store, key: Sequence[Value]) -> None:
        """Delete the row with this key."""
        store.execute(f"DELETE FROM {self.name} WHERE {self._matches()}", key)  # noqa: S608 (constants)

    def _matches(self) -> str:
        return " AND ".join(f"{name} = ?" for name in self.key)
