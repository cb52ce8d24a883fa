"""vault.db: the index of cases with their keys, the ways in, the settings, and the rows of the access log.

Besides the log, everything fits into memory and is read at open. Each durable step of the log stores a digest over
all these rows, so that pages of several copies put together show up at the next open.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from crypto import labels
from crypto.encoding import length_prefixed
from crypto.errors import CryptoError
from crypto.keys import CaseKey, DatabaseKey, ObjectKey, RecordKey, VaultKey, derive
from crypto.records import decrypt_record, encrypt_record
from crypto.tree import Frontier
from vault import errors, schema
from vault.index_rows import IndexRows
from vault.logkey import FILE_NAME, LogKey
from vault.receipts import Receipt
from vault.steps import Steps
from vault.store import Store, Value, is_empty
from vault.tables import Row, Table, blob, text

WHAT = "the vault"

# A commit that reported one of these may have happened all the same: its bytes can be in the write-ahead log already.
# So the database is opened again, and what that finds holds now as it would at the next start.
_UNKNOWN = (errors.NoSpace, errors.ReadOnly, errors.DiskFailed, errors.Damage)


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A case as the index has it. ``state`` is the last one that the log has confirmed."""

    case_id: bytes
    code: str
    epoch: int
    created: str
    changed: str
    state: bytes
    entries: int
    items: int
    persons: int

    @property
    def file_name(self) -> str:
        """The name of the case's database."""
        return f"{self.case_id.hex()}-{self.epoch}.db"


class Registry:
    """An open vault.db. Changes happen inside ``step``, which makes them durable together with log entries."""

    def __init__(self, store: Store, reopen: Callable[[], Store], log_key: LogKey | None) -> None:
        self.store = store
        self._reopen = reopen
        self.signing = Steps(self, log_key)
        self.frontier = Frontier()
        self.steps = 0
        self._rows = IndexRows()
        self._failed = False
        self._present: set[str] = set()
        self._load()

    @classmethod
    def create(cls, path: Path, key: VaultKey) -> Registry:
        """An empty index."""
        store = Store.create(
            path, database_key(key), what=WHAT, schema=schema.VAULT_SCHEMA, version=schema.VAULT_VERSION
        )
        try:
            with store.atomic():
                empty = Frontier()
                store.execute("INSERT INTO head VALUES (0, 0, ?, ?)", (empty.to_bytes(), IndexRows().digest()))
            return cls(
                store, partial(Store, path, database_key(key), what=WHAT), LogKey(path.with_name(FILE_NAME), key)
            )
        except BaseException:
            store.close()
            raise

    @classmethod
    def open(cls, path: Path, key: VaultKey, *, immutable: bool = False, log_key: LogKey | None = None) -> Registry:
        """An existing index. ``log_key`` is inherited from the epoch before, while that may still be led back to.

        Raises ``DatabaseDamaged``, ``UnknownFormat`` and ``OlderCopy``.
        """
        if is_empty(path):
            raise errors.DatabaseDamaged(what=WHAT)
        opened = partial(Store, path, database_key(key), what=WHAT, immutable=immutable)
        store = opened()
        try:
            if not store.version:  # no format has this number: the database is empty
                raise errors.DatabaseDamaged(what=WHAT)
            if store.version != schema.VAULT_VERSION:
                raise errors.UnknownFormat(path=str(path), format=store.version)
            if not immutable and log_key is None:
                log_key = LogKey(path.with_name(FILE_NAME), key)
            return cls(store, opened, log_key)
        except BaseException:
            store.close()
            raise

    def _load(self) -> None:
        self._rows = IndexRows()
        self._present = {str(name) for (name,) in self.store.execute("SELECT name FROM sqlite_master")}
        for table in schema.VAULT_TABLES:
            if table in schema.LATER_TABLES and table.name not in self._present:
                continue
            for record in self.store.stream(f"SELECT {', '.join(table.columns)} FROM {table.name}"):  # noqa: S608 (constants)
                self._rows.put(table, table.from_record(record))
        head = self.store.execute("SELECT step, frontier, index_digest FROM head")
        try:
            ((self.steps, frontier, index_digest),) = head
            self.frontier = Frontier.from_bytes(frontier)
        except (ValueError, CryptoError) as error:
            raise errors.OlderCopy(what=WHAT) from error
        last = self.store.execute("SELECT max(number), (SELECT max(step) FROM log_steps) FROM log_entries")
        size, step = (-1 if value is None else value for value in last[0])
        ends = self.store.execute("SELECT size, root FROM log_steps WHERE step = ?", (self.steps,))
        expected_ends = [(self.frontier.size, self.frontier.root())] if self.steps else []
        consistent = size == self.frontier.size - 1 and max(step, 0) == self.steps and ends == expected_ends
        if index_digest != self._rows.digest() or not consistent:
            raise errors.OlderCopy(what=WHAT)
        try:
            self.signing.find_key()
        except CryptoError as error:
            raise errors.OlderCopy(what=WHAT) from error

    @contextmanager
    def step(self) -> Iterator[int]:
        """One durable batch: yields its number; rows and log entries inside appear together or not at all.

        Raises ``LogUnavailable``, also for a batch without an entry (``signing.append``).
        """
        if self._failed or not self.signing.can_sign:
            raise errors.LogUnavailable
        try:
            with self.store.atomic():
                self.steps += 1
                yield self.steps
                self.signing.close_step()
                self.store.execute(
                    "UPDATE head SET step = ?, frontier = ?, index_digest = ?",
                    (self.steps, self.frontier.to_bytes(), self._rows.digest()),
                )
            self.signing.advance()
        except BaseException as error:
            # Also where an interrupt came after the commit: which key is the next one is then found again.
            self._reload(afresh=isinstance(error, _UNKNOWN))
            raise

    def _reload(self, *, afresh: bool) -> None:
        # What the disk holds is not known until this has succeeded; before, nothing may be recorded, shown or removed.
        self._failed = True
        with contextlib.suppress(errors.VaultError):
            if afresh:
                self.store.close()
                self.store = self._reopen()
            self._failed = False
            try:
                self._load()
            except BaseException:
                self._failed = True
                raise

    def root_at(self, step: int) -> bytes | None:
        """The log's root after a step, or None if it has not come so far."""
        found = self.store.execute("SELECT root FROM log_steps WHERE step = ?", (step,))
        return found[0][0] if found else None

    @property
    def is_certain(self) -> bool:
        """Whether what this object says is what the disk holds; not after a write failed and reading failed too."""
        return not self._failed

    def export_to(self, path: Path, key: VaultKey) -> None:
        """See ``Store.export_to``."""
        try:
            self.store.export_to(path, database_key(key))
        except BaseException:
            self._reload(afresh=True)
            raise

    @contextmanager
    def at_rest(self) -> Iterator[Path]:
        """The file of the database, whole and closed for the length of the block, to be copied. Raises ``LogUnavailable``.

        A copy of an open one would lack its write-ahead log, and closing its descriptor would drop SQLite's locks.
        """
        self._verify_known()
        self.store.overwrite_deleted()
        self.store.close()
        try:
            yield self.store.path
        finally:
            self._reload(afresh=True)

    # Rows

    def rows(self, table: Table) -> list[Row]:
        """All rows of a table, in the order of their keys. Raises ``LogUnavailable`` after the database failed."""
        self._verify_known()
        return self._rows.of(table)

    def row(self, table: Table, *key: Value) -> Row | None:
        """The row with this key. Raises ``LogUnavailable`` after the database failed."""
        self._verify_known()
        return self._rows.get(table, key)

    def _verify_known(self) -> None:
        if self._failed:
            raise errors.LogUnavailable

    def _needed(self, table: Table, *key: Value) -> Row:
        row = self.row(table, *key)
        if row is None:
            raise errors.DatabaseDamaged(what=WHAT)
        return row

    def put(self, table: Table, row: Row) -> None:
        """Write a row, inside a step."""
        if table.name not in self._present:
            self.store.execute(table.ddl())
            self._present.add(table.name)
        table.write(self.store, row)
        self._rows.put(table, row)

    def erase(self, table: Table, *key: Value) -> None:
        """Delete a row, inside a step."""
        table.erase(self.store, key)
        self._rows.erase(table, key)

    def setting(self, name: str) -> bytes:
        """A setting that every vault has. Raises ``DatabaseDamaged`` if it is not there."""
        return blob(self._needed(schema.SETTINGS, name), "value")

    def optional_setting(self, name: str) -> bytes | None:
        """A setting that may be absent."""
        return self.setting(name) if self.row(schema.SETTINGS, name) else None

    def set(self, name: str, value: bytes) -> None:
        """Write a setting, inside a step."""
        self.put(schema.SETTINGS, {"name": name, "value": value})

    # Cases

    def cases(self) -> list[CaseRow]:
        """All cases, by code."""
        return sorted((_case_row(row) for row in self.rows(schema.CASES)), key=lambda case: case.code)

    def case(self, code: str) -> CaseRow:
        """The case with this code. Raises ``NoSuchCase``."""
        for row in self.rows(schema.CASES):
            if row["code"] == code:
                return _case_row(row)
        raise errors.NoSuchCase(code=code)

    def case_by_id(self, case_id: bytes) -> CaseRow | None:
        """The case with this id, or None."""
        row = self.row(schema.CASES, case_id)
        return None if row is None else _case_row(row)

    def update_case(self, case_id: bytes, **values: Value) -> None:
        """Change columns of a case, inside a step."""
        self.put(schema.CASES, {**self._needed(schema.CASES, case_id), **values})

    # Keys. Besides the log's own sealing, a case key is unwrapped only for a receipt.

    def unwrap_case_key(self, receipt: Receipt, case_id: bytes) -> CaseKey:
        """The key of a case, for an intent that the log has recorded. Raises ``ReceiptRefused``."""
        receipt.spend(case_grant(case_id))
        return self._case_key(case_id)

    def unseal_titles(self, receipt: Receipt) -> dict[bytes, str]:
        """The titles of all cases, for an intent to list them. Raises ``ReceiptRefused``."""
        receipt.spend("titles")
        titles = {}
        for case in self.cases():
            try:
                key = title_key(self._case_key(case.case_id))
                sealed = blob(self._needed(schema.CASES, case.case_id), "title")
                titles[case.case_id] = decrypt_record(key, sealed, context=case.case_id).decode()
            except (CryptoError, UnicodeDecodeError) as error:
                raise errors.DatabaseDamaged(what=WHAT) from error
        return titles

    def seal_title(self, case_id: bytes, title: str) -> bytes:
        """A changed title for the index, sealed under the case's key, which is not given out."""
        return seal_title(self._case_key(case_id), case_id, title)

    def log_key(self, case_id: bytes | None, epoch: int | None = None) -> RecordKey:
        """The key that seals the log bodies of a case in one of its epochs (None: now), or those of the vault.

        Called by the log only: a body must be sealed before any receipt exists.
        """
        if case_id is None:
            return RecordKey(self.setting("log_key"))
        case_key = self._case_key(case_id)
        case = self.case_by_id(case_id)
        if epoch is None or (case is not None and epoch == case.epoch):
            return derive(case_key, labels.CASE_LOG, RecordKey)
        wrapped = blob(self._needed(schema.LOG_KEYS, case_id, epoch), "wrapped")
        try:
            raw = decrypt_record(log_wrapping_key(case_key), wrapped, context=log_key_context(case_id, epoch))
        except CryptoError as error:
            raise errors.DatabaseDamaged(what=WHAT) from error
        return RecordKey(raw)

    def unwrap_draft_key(self, receipt: Receipt, draft: Row) -> ObjectKey:
        """The key of a draft, for an intent that the log has recorded. Raises ``ReceiptRefused``."""
        receipt.spend(draft_grant(blob(draft, "draft_id")))
        return self._draft_key(draft)

    def rewrap_draft_keys(self, case_id: bytes, new: CaseKey) -> None:
        """Seal the keys of a case's drafts under the case's new key, inside a step that gives the case this key next."""
        for row in self.drafts(case_id):
            draft_id = blob(row, "draft_id")
            wrapped = wrap_draft_key(new, case_id, draft_id, self._draft_key(row))
            self.put(schema.DRAFTS, {**row, "key": wrapped})

    def drafts(self, case_id: bytes) -> list[Row]:
        """The drafts of a case, oldest first."""
        found = [row for row in self.rows(schema.DRAFTS) if row["case_id"] == case_id]
        return sorted(found, key=lambda row: (text(row, "begun"), blob(row, "draft_id")))

    def _draft_key(self, draft: Row) -> ObjectKey:
        case_id = blob(draft, "case_id")
        context = length_prefixed(case_id, blob(draft, "draft_id"))
        try:
            raw = decrypt_record(_draft_wrapping_key(self._case_key(case_id)), blob(draft, "key"), context=context)
        except CryptoError as error:
            raise errors.DatabaseDamaged(what=WHAT) from error
        return ObjectKey(raw)

    def _case_key(self, case_id: bytes) -> CaseKey:
        return CaseKey(blob(self._needed(schema.CASES, case_id), "key"))

    def close(self) -> None:
        """Close the database."""
        self._failed = True
        self.store.close()


def case_grant(case: CaseRow | bytes) -> str:
    """What a receipt must hold for a case's key to be unwrapped."""
    return f"case:{(case if isinstance(case, bytes) else case.case_id).hex()}"


def database_key(key: VaultKey) -> DatabaseKey:
    """The key of vault.db in the epoch of ``key``."""
    return derive(key, labels.VAULT_DATABASE, DatabaseKey)


def title_key(key: CaseKey) -> RecordKey:
    """What seals a case's title in the index."""
    return derive(key, labels.CASE_TITLE, RecordKey)


def seal_title(key: CaseKey, case_id: bytes, title: str) -> bytes:
    """A case's title for the index."""
    return encrypt_record(title_key(key), title.encode(), context=case_id)


def log_wrapping_key(key: CaseKey) -> RecordKey:
    """What wraps the log keys of a case's earlier epochs."""
    return derive(key, labels.LOG_KEY_WRAP, RecordKey)


def draft_grant(draft_id: bytes) -> str:
    """What a receipt must hold for a draft's key to be unwrapped."""
    return f"draft:{draft_id.hex()}"


def _draft_wrapping_key(key: CaseKey) -> RecordKey:
    """What wraps the keys of a case's drafts."""
    return derive(key, labels.DRAFT_KEY_WRAP, RecordKey)


def wrap_draft_key(case_key: CaseKey, case_id: bytes, draft_id: bytes, key: ObjectKey) -> bytes:
    """A draft's key as the index has it."""
    return encrypt_record(_draft_wrapping_key(case_key), key.raw, context=length_prefixed(case_id, draft_id))


def log_key_context(case_id: bytes, epoch: int) -> bytes:
    """The place of a wrapped log key."""
    return length_prefixed(case_id, epoch.to_bytes(8, "big"))


def _case_row(row: Row) -> CaseRow:
    wanted = {name: row[name] for name in CaseRow.__dataclass_fields__}
    return CaseRow(**wanted)  # type: ignore[arg-type]  # the columns have these types, the database keeps them
