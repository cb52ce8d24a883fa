"""SQLCipher databases: the one module that imports ``sqlcipher3``.

A database is opened with a raw 256-bit key (no second key derivation), in write-ahead mode held exclusively, with
full synchronisation and with deleted content overwritten. Errors of the library (which are not those of ``sqlite3``)
become ``VaultError``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlcipher3 import dbapi2

from crypto.keys import DatabaseKey
from vault import errors, files

Value = None | int | str | bytes
Record = tuple[Any, ...]

_PAGE_BYTES = 4096
_LITTLE_KIB = 256
_PAGES_OF_LOG = 1000  # SQLite's own
_PART_ROWS = 1000
_SUFFIXES = ("", "-wal", "-shm", "-journal")
_FULL, _READ_ONLY, _IO = 13, 8, 10
_DAMAGED = (11, 26)  # SQLITE_CORRUPT, SQLITE_NOTADB
_CANNOT_OPEN = 14
_ERROR = 1
_BY_TEXT = {
    "database or disk is full": _FULL,
    "attempt to write a readonly database": _READ_ONLY,
    "disk I/O error": _IO,
    "database disk image is malformed": _DAMAGED[0],
}
_MEMORY_TEMP_STORE = ("TEMP_STORE=2", "TEMP_STORE=3")


class Store:
    """One open database. ``what`` names it in errors: a case's code, or the vault. One that is ``immutable`` is only read,
    and must have no write-ahead log.
    """

    def __init__(self, path: Path, key: DatabaseKey, *, what: str, immutable: bool = False) -> None:
        self.path = path
        self.what = what
        self.immutable = immutable
        self._depth = 0
        # Immutable: no lock, no file beside it, nothing written, also where nothing could be.
        source = f"{path.absolute().as_uri()}?immutable=1" if immutable else str(path)
        if not immutable:
            _remove_foreign_journal(path)
        self._places: dict[Path, tuple[int, int]] = {}
        with self._translated():
            self._connection = dbapi2.connect(source, isolation_level=None, check_same_thread=False, uri=immutable)
            try:
                self._prepare(key)
            except BaseException:
                self._connection.close()
                raise
        for each in (path, path.with_name(f"{path.name}-wal")):
            with suppress(OSError):
                self._places[each] = _place_of(each)

    @classmethod
    def create(cls, path: Path, key: DatabaseKey, *, what: str, schema: Sequence[str], version: int) -> Store:
        """A new database with ``schema``. Raises ``FileExistsError`` if something is at ``path``."""
        with files.NewFile(path) as fresh:  # SQLite would make it readable by the group
            fresh.sync()
        files.sync_folder(path.parent)
        store = cls(path, key, what=what)
        try:
            with store.atomic():
                for statement in schema:
                    store.execute(statement)
                store.execute(f"PRAGMA user_version = {version}")
        except BaseException:
            store.close()
            raise
        return store

    def _prepare(self, key: DatabaseKey) -> None:
        run = self._connection.execute
        # The library reports a wrong key on the terminal by itself; the caller gets an error instead.
        run("PRAGMA cipher_log_level = NONE").fetchall()
        # Its own buffers are wiped when freed, and locked into memory as far as the system lets us.
        run("PRAGMA cipher_memory_security = ON").fetchall()
        run(f"PRAGMA key = \"x'{key.raw.hex()}'\"").fetchall()
        if not any(option in _MEMORY_TEMP_STORE for (option,) in run("PRAGMA compile_options")):
            raise errors.UnsafeLibrary
        run("PRAGMA temp_store = MEMORY").fetchall()
        if self.immutable:
            run("SELECT count(*) FROM sqlite_master").fetchall()
            return
        run("PRAGMA locking_mode = EXCLUSIVE").fetchall()
        run("SELECT count(*) FROM sqlite_master").fetchall()
        run("PRAGMA journal_mode = WAL").fetchall()
        run("PRAGMA synchronous = FULL").fetchall()
        # macOS: otherwise what is committed may still lie in the drive's own cache. No effect elsewhere.
        run("PRAGMA fullfsync = ON").fetchall()
        run("PRAGMA foreign_keys = ON").fetchall()
        run("PRAGMA secure_delete = ON").fetchall()

    def execute(self, statement: str, values: Sequence[Value] = ()) -> list[Record]:
        """Run one statement and return all its rows."""
        with self._translated():
            rows: list[Record] = self._connection.execute(statement, tuple(values)).fetchall()
            return rows

    def stream(self, statement: str, values: Sequence[Value] = ()) -> Iterator[Record]:
        """The rows of one statement, one at a time, for what may not fit into memory."""
        with self._translated():
            for record in self._connection.execute(statement, tuple(values)):  # noqa: UP028 -- `yield from` would close the cursor of a reader who stops early, perhaps after the connection
                yield record

    def parts(self, statement: str) -> Iterator[list[Record]]:
        """The rows of one statement, some at a time: sooner read than by ``stream``, in little more memory."""
        with self._translated():
            cursor = self._connection.execute(statement)
            while part := cursor.fetchmany(_PART_ROWS):
                yield part

    def keep_little(self) -> None:
        """Keep few pages in memory from now on: many databases are open. Reading everything is cheaper then, too."""
        self.execute(f"PRAGMA cache_size = -{_LITTLE_KIB}")

    def keep_in_log(self, held: bool) -> None:
        """Let what is committed stay in the write-ahead log alone, until told otherwise: ``was_closed`` tells by that."""
        self.execute(f"PRAGMA wal_autocheckpoint = {0 if held else _PAGES_OF_LOG}")

    def give_back(self) -> None:
        """Wipe the pages that were read, and give back their memory."""
        self.execute("PRAGMA shrink_memory")

    @contextmanager
    def atomic(self) -> Iterator[None]:
        """All or nothing, durable at the end. Nested uses are part of the outermost."""
        if self._depth:
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
            return
        self.execute("BEGIN IMMEDIATE")
        self._depth = 1
        try:
            yield
            self._verify_in_place()
            self.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        finally:
            self._depth = 0

    def _verify_in_place(self) -> None:
        """See that what is written now is what will be opened the next time: a tool that keeps folders the same, or brings
        a copy back, may have put other files in the place of these. Raises ``DiskFailed``.
        """
        for path, place in self._places.items():
            try:
                same = _place_of(path) == place
            except OSError:
                same = False
            if not same:
                raise errors.DiskFailed(path=str(path), reason="another file was put in its place while it was open")

    def _roll_back(self) -> None:
        # The error that led here is the one to report; a transaction without COMMIT is undone at the next open.
        with suppress(dbapi2.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    @property
    def version(self) -> int:
        """The schema's number."""
        return int(self.execute("PRAGMA user_version")[0][0])

    def export_to(self, path: Path, key: DatabaseKey) -> None:
        """A copy under another key, written anew, compared and made durable. After an error, open this database again.

        ``PRAGMA rekey`` would leave pages under the old key in the old file's free space, and could not be undone.
        """
        with files.NewFile(path) as fresh:
            fresh.sync()
        version = self.version
        self.execute(f"ATTACH DATABASE ? AS fresh KEY \"x'{key.raw.hex()}'\"", (str(path),))
        try:
            # Nobody reads the copy before it is whole and synced below; until then it may be lost at any moment.
            self.execute("PRAGMA fresh.journal_mode = OFF")
            self.execute("PRAGMA fresh.synchronous = OFF")
            self.execute("SELECT sqlcipher_export('fresh')")
            self.execute(f"PRAGMA fresh.user_version = {version}")  # the export drops it
            if self._shape("main") != self._shape("fresh"):
                raise errors.DatabaseDamaged(what=self.what)
        except BaseException:
            with suppress(errors.VaultError):  # the first error is the one to report
                self.execute("DETACH DATABASE fresh")
            raise
        self.execute("DETACH DATABASE fresh")
        files.sync_file(path)

    def _shape(self, schema: str) -> list[tuple[str, str | None, int]]:
        listed = self.execute(f"SELECT name, type, sql FROM {schema}.sqlite_master ORDER BY name")  # noqa: S608 (a constant)
        shape: list[tuple[str, str | None, int]] = []
        for name, kind, sql in listed:
            rows = -1
            # A virtual table is not yet loaded in the copy; what it holds stands in tables of its own.
            if kind == "table" and not sql.startswith("CREATE VIRTUAL"):
                rows = int(self.execute(f'SELECT count(*) FROM {schema}."{name}"')[0][0])  # noqa: S608 (from the schema)
            shape.append((name, sql, rows))
        return shape

    def overwrite_deleted(self) -> None:
        """Move everything from the write-ahead log into the database and empty the log."""
        self.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def problems(self) -> list[str]:
        """What SQLCipher's and SQLite's own checks find."""
        try:
            if not self.immutable:
                # The first check reads past the write-ahead log, so a page that the log would heal looks damaged.
                self.overwrite_deleted()
            found = [str(row[0]) for row in self.execute("PRAGMA cipher_integrity_check")]
            found += [str(row[0]) for row in self.execute("PRAGMA integrity_check") if row[0] != "ok"]
            found += [f"foreign key of {row[0]}" for row in self.execute("PRAGMA foreign_key_check")]
        except errors.DatabaseDamaged:
            found = ["unreadable"]
        return found

    def close(self) -> None:
        """Close; what was committed stays committed."""
        # If it fails nothing is lost: the write-ahead log is read at the next open.
        with suppress(dbapi2.Error):
            self._connection.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except dbapi2.Error as error:
            raise self._vault_error(error) from error
        except UnicodeEncodeError:
            raise errors.BadValue(field="text", reason="it is not valid Unicode") from None

    def _vault_error(self, error: Exception) -> errors.VaultError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == _ERROR:  # sqlcipher_export passes on the text of what went wrong, and not its number
            code = _BY_TEXT.get(str(error), code)
        if code == _FULL:
            return errors.NoSpace(path=str(self.path))
        if code == _READ_ONLY or (code == _CANNOT_OPEN and self.path.exists()):
            return errors.ReadOnly(path=str(self.path))
        if code in _DAMAGED or code == _CANNOT_OPEN:
            return errors.DatabaseDamaged(what=self.what)
        if code == _IO:
            return errors.DiskFailed(path=str(self.path), reason=getattr(error, "sqlite_errorname", "I/O"))
        return errors.DatabaseDamaged(what=self.what)


def _remove_foreign_journal(path: Path) -> None:
    """Remove a rollback journal: SQLite would play it back into the database, and no whole database of ours has one."""
    journal = path.with_name(f"{path.name}-journal")
    if os.path.lexists(journal):
        files.remove(journal)


def _place_of(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def is_empty(path: Path) -> bool:
    """Whether no database is there, or only its name: opened, SQLite would remove its write-ahead log."""
    return not path.exists() or not path.stat().st_size


def was_closed(path: Path) -> bool:
    """Whether a database was ever closed: until then all but its first page is in the write-ahead log alone."""
    return path.exists() and path.stat().st_size > _PAGE_BYTES


def remove_database(path: Path) -> None:
    """Remove a database and what SQLite keeps beside it. Missing files are fine."""
    for suffix in _SUFFIXES:
        files.remove(path.with_name(path.name + suffix))
