"""Opening a backup: only read, without log or mark, also where nothing can be written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from crypto.errors import CryptoError
from vault import backup_marker, checking, copying, errors, mark
from vault.backup_marker import BEGUN, Contents, DatabaseCopy, Marker
from vault.compartment import Clock
from vault.door import Door
from vault.folder import Folder
from vault.header import Header, Unreadable
from vault.receipts import Receipt
from vault.registry import WHAT, CaseRow, Registry, case_grant
from vault.requests import CheckReport, Finding
from vault.unlock import Unlocker

Progress = checking.Progress


class BackupFolder(Folder):
    """Paths inside a backup, whose databases have names of their own."""

    is_backup = True

    def __init__(self, path: Path, marker: Marker) -> None:
        super().__init__(path)
        self.marker = marker
        self._cases: dict[tuple[bytes, int], str] = {}

    def name_cases(self, databases: tuple[DatabaseCopy, ...]) -> None:
        """Take the names of the cases from the list, once it is authentic."""
        self._cases = {(each.case_id, each.epoch): each.name for each in databases if each.case_id is not None}

    def vault_database(self, epoch: int) -> Path:
        """See ``Folder.vault_database``."""
        return self.path / backup_marker.vault_database_name(epoch, self.marker.number)

    def case_database(self, case_id: bytes, epoch: int) -> Path:
        """See ``Folder.case_database``. A case that the list does not name has no file."""
        name = self._cases.get((case_id, epoch), backup_marker.case_database_name(case_id, epoch, self.marker.number))
        return self.path / name

    def damaged_headers(self, found: Header) -> list[str]:
        """See ``Folder.damaged_headers``: here the copies of the marker. An earlier one is an interruption, no damage."""
        contents = zip(backup_marker.FILE_NAMES, backup_marker.read(self.path), strict=True)
        return [name for name, content in contents if not _is_earlier(content, self.marker, found)]


def _is_earlier(content: bytes, marker: Marker, found: Header) -> bool:
    """Whether a copy of a marker is this one, or a readable one of the same vault that this one was to replace."""
    try:
        parsed = backup_marker.parse(content)
    except Unreadable:
        return False
    return parsed == marker or (parsed.number < marker.number and parsed.header.folder_id == found.folder_id)


@dataclass(frozen=True, slots=True)
class OpenBackup:
    """A complete backup whose list is authentic. ``altered`` names databases that are not as the list says."""

    folder: BackupFolder
    contents: Contents
    door: Door
    altered: tuple[str, ...]

    def receipt(self, grants: tuple[str, ...]) -> Receipt:
        """There is no log to write an intent into; what this opens is shown to nobody."""
        return Receipt(-1, act="check", case_id=None, item=None, grants=grants)

    def cases(self) -> list[CaseRow]:
        """The cases in it, by code."""
        return self.door.registry.cases()

    def object_ids(self) -> set[bytes] | None:
        """All objects that belong to an item; None where a case does not open and nobody can say."""
        receipt = self.receipt(tuple(case_grant(case) for case in self.cases()))
        found: set[bytes] = set()
        for case in self.cases():
            try:
                key = self.door.registry.unwrap_case_key(receipt, case.case_id)
                found |= self.door.opened(case, key).object_ids()
            except errors.VaultError:
                return None
            finally:
                self.door.drop(case.case_id)
        return found


@contextmanager
def opened(path: Path, unlocker: Unlocker, *, clock: Clock) -> Iterator[OpenBackup]:
    """Open a backup for the length of the block.

    1. Read both markers. One that says "begun" is no backup yet.
    2. Try the secret on the header in each, newest first; check the header's MAC.
    3. Open the vault.db that the marker speaks of, and compare the header with the digest that it keeps.
    4. With a key from there open the list, which is bound to all of the marker.
    5. The log must end where the list says. Compare every database with its digest in the list.

    Raises ``NoSuchVault``, ``NotAVault``, ``BackupIncomplete``, ``BackupDamaged``, ``UnknownFormat``, ``WrongPassphrase``,
    ``CostRefused``, ``DatabaseDamaged``, ``OlderCopy``.
    """
    found = _open_any(path, unlocker, clock)
    try:
        yield found
    finally:
        found.door.close()


def _open_any(path: Path, unlocker: Unlocker, clock: Clock) -> OpenBackup:
    first_error: errors.VaultError | None = None
    for marker in _markers(path):
        try:
            return _open(path, marker, unlocker, clock)
        except (errors.WrongPassphrase, errors.CostRefused, errors.Damage) as error:
            if first_error is None or isinstance(first_error, errors.WrongPassphrase):
                first_error = error
    raise first_error or errors.BackupDamaged(path=str(path))


def _markers(path: Path) -> list[Marker]:
    """The readable markers of finished backups, newest first, each once."""
    if not path.exists():
        raise errors.NoSuchVault(path=str(path))
    if not backup_marker.is_backup(path):
        raise errors.NotAVault(path=str(path))
    found: dict[bytes, Marker] = {}
    for content in backup_marker.read(path):
        try:
            found[content] = backup_marker.parse(content)
        except Unreadable as error:
            if error.reason == "format":
                raise errors.UnknownFormat(path=str(path), format=error.format) from None
    if found and all(marker.number == BEGUN for marker in found.values()):
        raise errors.BackupIncomplete(path=str(path))
    if not found:
        raise errors.BackupDamaged(path=str(path))
    return sorted((each for each in found.values() if each.number != BEGUN), key=lambda each: -each.number)


def _open(path: Path, marker: Marker, unlocker: Unlocker, clock: Clock) -> OpenBackup:
    vault_key = unlocker.unlock(marker.header).vault_key
    try:
        marker.header.verify(vault_key)
    except CryptoError as error:
        raise errors.BackupDamaged(path=str(path)) from error
    folder = BackupFolder(path, marker)
    registry = Registry.open(folder.vault_database(marker.header.epoch), vault_key, immutable=True)
    try:
        if registry.setting("header") != marker.header.digest():
            raise errors.OlderCopy(what=WHAT)
        try:
            key = backup_marker.marker_key(registry.setting(mark.KEY_SETTING))
            contents = backup_marker.unseal(key, marker)
        except CryptoError as error:
            raise errors.BackupDamaged(path=str(path)) from error
        if (registry.steps, registry.frontier.root()) != (contents.step, contents.root):
            raise errors.OlderCopy(what=WHAT)
        folder.name_cases(contents.databases)
        altered = tuple(
            each.name
            for each in contents.databases
            if not copying.reads_as(path / each.name, each.size_bytes, each.sha256)
        )
        door = Door(folder, marker.header, registry, actor="backup", clock=clock)
    except BaseException:
        registry.close()
        raise
    return OpenBackup(folder, contents, door, altered)


def check(
    path: Path, unlocker: Unlocker, *, clock: Clock, read_data: bool = False, progress: Progress | None = None
) -> CheckReport:
    """``Keeper.check`` for a backup. Nothing is written, neither there nor on this machine. Raises as ``opened`` does."""
    with opened(path, unlocker, clock=clock) as backup:
        found = checking.Check(backup.door, backup.receipt(checking.grants(backup.door.registry)))
        report = found.report
        if read_data:
            objects = backup.folder.objects
            report = checking.read(report, found.unread, found.take, objects, progress=progress)
        altered = tuple(Finding("database", _code_of(backup, name), name) for name in backup.altered)
    return replace(report, findings=altered + report.findings)


def _code_of(backup: OpenBackup, name: str) -> str:
    ids = {each.name: each.case_id for each in backup.contents.databases}
    return next((case.code for case in backup.cases() if case.case_id == ids[name]), "vault")
