"""Small vaults, quickly made, and ways to look into them and to damage them.

They open by key file, so that no test waits for Argon2id unless the passphrase is its point.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from crypto.keys import CaseKey, DatabaseKey, StepKey, VaultKey
from vault import KeyFileUnlocker, Vault, compartment, registry, schema
from vault.compartment import Compartment
from vault.door import Act
from vault.folder import Folder
from vault.index_rows import IndexRows
from vault.keeper import Keeper
from vault.log import Log
from vault.log_bodies import Body, seal_body, unseal_body
from vault.log_rows import ENTRY_COLUMNS, entry_row
from vault.registry import CaseRow, Registry
from vault.store import Store
from vault.unlock import Unlocker

PAGE_BYTES = 4096
_RESERVED_BYTES = 80  # IV 16, HMAC-SHA-512 64
_IV_BYTES = 16


class Clock:
    """A clock that goes on by one second whenever it is read, from a fixed time on."""

    def __init__(self) -> None:
        self.seconds = 0

    def __call__(self) -> str:
        self.seconds += 1
        hours, rest = divmod(self.seconds, 3600)
        return f"2026-11-22T{hours % 24:02d}:{rest // 60:02d}:{rest % 60:02d}.000Z"


class Settable(Clock):
    """A clock that somebody sets."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    def __call__(self) -> str:
        return self.text


def key_file(number: int = 0) -> KeyFileUnlocker:
    """One of many key files; every call gives a new unlocker of the same secret."""
    return KeyFileUnlocker(bytes([number]) * 32)


def make_vault(path: Path, *, state_dir: Path | None = None) -> Vault:
    """A new vault that opens with ``key_file()``."""
    return Vault.create(path, key_file(), state_dir=state_dir, clock=Clock())


def open_vault(path: Path, unlocker: Unlocker | None = None, *, state_dir: Path | None = None) -> Vault:
    """An existing vault."""
    return Vault.open(path, unlocker or key_file(), state_dir=state_dir, clock=Clock())


def copied(path: Path, to: Path) -> Path:
    """A copy of a vault as it lies on the disk now, whether it is open or not."""
    shutil.copytree(path, to)
    return to


def case_row(vault: Vault, code: str) -> CaseRow:
    """A case as the index has it."""
    return vault.keeper.registry.case(code)


def case_path(vault: Vault, code: str) -> Path:
    """The file of a case's database."""
    return vault.keeper.folder.cases / case_row(vault, code).file_name


def object_files(path: Path) -> list[Path]:
    """All files of stored objects."""
    return sorted(file for file in (path / "objects").rglob("*") if file.is_file())


def all_files(path: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}


# Damage


def flip(path: Path, offset: int, mask: int = 1) -> None:
    """Change one byte of a file."""
    data = bytearray(path.read_bytes())
    data[offset] ^= mask
    path.write_bytes(data)


def exchange(first: Path, second: Path) -> None:
    """Let two files change places."""
    one, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(one)


def put_page(old: Path, new: Path, number: int) -> None:
    """Put page ``number`` of an old copy of a database into the newer file."""
    with old.open("rb") as source, new.open("r+b") as target:
        source.seek(number * PAGE_BYTES)
        target.seek(number * PAGE_BYTES)
        target.write(source.read(PAGE_BYTES))


def changed_pages(old: Path, new: Path) -> list[int]:
    """The pages that two copies of a database both have and that differ."""
    one, other = old.read_bytes(), new.read_bytes()
    return [
        start // PAGE_BYTES
        for start in range(0, min(len(one), len(other)), PAGE_BYTES)
        if one[start : start + PAGE_BYTES] != other[start : start + PAGE_BYTES]
    ]


# Looking inside, with the keys and past the program's own doors


def vault_key(path: Path, unlocker: Unlocker | None = None) -> VaultKey:
    """The key of the newest epoch."""
    return (unlocker or key_file()).unlock(Folder(path).read_headers()[0]).vault_key


def open_registry(path: Path, unlocker: Unlocker | None = None) -> Registry:
    """vault.db of the newest epoch, opened beside the program."""
    found = Folder(path).read_headers()[0]
    return Registry.open(Folder(path).vault_database(found.epoch), vault_key(path, unlocker))


def database_keys(path: Path, unlocker: Unlocker | None = None) -> dict[Path, DatabaseKey]:
    """Every database of a closed vault with its key."""
    index = open_registry(path, unlocker)
    try:
        keys = {index.store.path: registry.database_key(vault_key(path, unlocker))}
        for case in index.cases():
            keys[path / "cases" / case.file_name] = compartment.database_key(case_key(index, case))
        return keys
    finally:
        index.close()


def case_key(index: Registry, case: CaseRow) -> CaseKey:
    """A case's key, without a receipt."""
    return index._case_key(case.case_id)


def open_compartment(path: Path, key: CaseKey, *, code: str, case_id: bytes) -> Compartment:
    """A case's database, opened beside the program."""
    return Compartment.open(path, key, code=code, case_id=case_id, clock=Clock())


def dumped(store: Store) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table, those behind the search index too."""
    names = [name for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    return {name: store.execute(f'SELECT * FROM "{name}"') for name in names}  # noqa: S608 (from the schema)


def decrypted_pages(path: Path, key: DatabaseKey) -> Iterator[bytes]:
    """Every page of a database file in the clear, free ones and unused space included; nothing is authenticated."""
    data = path.read_bytes()
    for start in range(0, len(data), PAGE_BYTES):
        page = data[start : start + PAGE_BYTES]
        first = _IV_BYTES if start == 0 else 0  # the file begins with the salt
        iv_at = PAGE_BYTES - _RESERVED_BYTES
        decryptor = Cipher(algorithms.AES256(key.raw), modes.CBC(page[iv_at : iv_at + _IV_BYTES])).decryptor()
        yield decryptor.update(page[first:iv_at]) + decryptor.finalize()


def clear_content(path: Path, unlocker: Unlocker | None = None) -> bytes:
    """All pages of all databases of a closed vault in the clear, to search in."""
    return b"".join(page for file, key in database_keys(path, unlocker).items() for page in decrypted_pages(file, key))


def write_rows(index: Registry, change: Callable[[], object]) -> None:
    """Change rows of an open index past the program's own doors, in a step of its log as any other."""
    log = Log(index, wall_time=Clock(), actor="keyfile", said=True)
    log.conclude(log.begin("case-codes", lambda: (change(), None)[1]).number, "done")


def drawn_seeds(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Every seed that is drawn for a step of a log from now on, in order."""
    seeds: list[bytes] = []
    random = StepKey.random

    def remembered() -> StepKey:
        key = random()
        seeds.append(key.raw)
        return key

    monkeypatch.setattr(StepKey, "random", remembered)
    return seeds


@contextmanager
def copied_before_outcome(act: str, path: Path, copy: Path) -> Iterator[None]:
    """Copy the vault's folder where an act of this name is done and has no outcome yet, as a crash would leave it."""
    end = Keeper._end

    def copied_first(keeper: Keeper, ending: Act) -> None:
        if ending.receipt.act == act:
            copied(path, copy)
        end(keeper, ending)

    with mock.patch.object(Keeper, "_end", copied_first):
        yield


def body_of(index: Registry, number: int) -> Body:
    """What an entry of the log says, read past the program's own doors."""
    (record,) = index.store.execute(f"SELECT {ENTRY_COLUMNS} FROM log_entries WHERE number = ?", (number,))  # noqa: S608 (a constant)
    return unseal_body(index, entry_row(record))


def put_body(index: Registry, number: int, body: Body, case_id: bytes | None, epoch: int | None) -> None:
    """Let an entry say something else, sealed under a case's key or that of the vault; its leaf stays."""
    index.store.execute(
        "UPDATE log_entries SET body = ?, case_id = ?, epoch = ? WHERE number = ?",
        (seal_body(index, number, body, case_id, epoch), case_id, epoch, number),
    )


def digest_of_rows(index: Registry) -> bytes:
    """What the index's digest has to be for the rows that its tables hold now."""
    index._rows = IndexRows()
    for table in schema.VAULT_TABLES:
        if table.name in index._present:
            for record in index.store.execute(f"SELECT {', '.join(table.columns)} FROM {table.name}"):  # noqa: S608 (constants)
                index._rows.put(table, table.from_record(record))
    return index._rows.digest()


def written_by_hand(path: Path, statement: str) -> None:
    """Change a closed vault's rows by whoever has its key: the digest over the index agrees again."""
    index = open_registry(path)
    try:
        index.store.execute(statement)
        index.store.execute("UPDATE head SET index_digest = ?", (digest_of_rows(index),))
    finally:
        index.store.close()


# The log that fails


class FailingLog:
    """Lets the vault's database refuse every write from the ``nth`` step of its log on (1 is the next one)."""

    def __init__(self, vault: Vault, nth: int = 1) -> None:
        self._registry = vault.keeper.registry
        self._left = nth
        self.fired = False

    def __enter__(self) -> FailingLog:
        self._step: Callable[..., object] = self._registry.step
        self._registry.step = self._counted
        return self

    def _counted(self) -> object:
        self._left -= 1
        if self._left <= 0:
            self.fired = True
            self._registry.store.execute("PRAGMA query_only = ON")
        return self._step()

    def __exit__(self, *_: object) -> None:
        del self._registry.step
        if not self._registry.store.path.exists():
            return  # an epoch later
        self._registry.store.execute("PRAGMA query_only = OFF")
