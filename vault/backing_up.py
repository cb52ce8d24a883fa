"""Making a backup: the part that needs no key and runs in the command's process.

Objects never change, so they are copied while the vault is in use; the databases come from one moment. A new state stands
beside the last complete one, under names of its own, until the markers name it. So an interruption at any moment leaves
the last complete state, and the next backup goes on with what is there already.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from vault import backup_marker, copying, errors, files
from vault.copying import Progress
from vault.folder import Folder, Staging, take_lock
from vault.objects import file_sizes
from vault.requests import BackupSnapshot, KnownObject
from vault.snapshot import OBJECTS_LIST, object_files

if TYPE_CHECKING:
    from vault.keeper import Keeper

# How often a new moment is tried when objects vanish that the last one speaks of.
_MOMENTS = 8
_IDS_AT_ONCE = 10_000
_KEPT_SUBFOLDERS = ("cases", "drafts", "objects")


@dataclass(frozen=True, slots=True)
class BackedUp:
    """What a backup did: counts of files, and bytes. ``damaged`` names cases whose database does not open here.

    ``lost`` and ``shorter`` count files of items that the vault misses or has not whole, and that the backup keeps;
    ``unreadable`` those that could not be read, ``missing`` those that are whole nowhere. All are zero or empty for a
    sound vault.
    """

    path: Path
    made: str
    objects_written: int
    databases_written: int
    bytes_written: int
    objects_removed: int
    objects: int
    damaged: tuple[str, ...]
    lost: int
    shorter: int
    unreadable: int
    missing: int

    @property
    def is_sound(self) -> bool:
        """Whether nothing of the vault was found damaged on the way."""
        return not (self.damaged or self.lost or self.shorter or self.unreadable or self.missing)


def verified_place(path: Path, vault: Path) -> Path:
    """Where a backup goes, without links. Changes nothing.

    Raises ``Refused`` inside or around the vault, ``NoSuchFolder`` where the folder around it is not there (a stick that
    is not plugged in), ``NotABackup`` where something else is, ``ReadOnly``, ``NoSpace``.
    """
    place = Path(os.path.realpath(path))
    if files.lies_in(place, vault) or files.lies_in(vault, place):
        raise errors.Refused(reason="a backup needs a place of its own, not in the vault's folder nor around it")
    if not place.parent.is_dir():
        raise errors.NoSuchFolder(path=str(place.parent))
    if os.path.lexists(place):
        if not place.is_dir():
            raise errors.NotABackup(path=str(place))
        with files.translated(place):
            # Other people name their files by 32 digits, too.
            begun = {path.name for path in files.leftovers(place) if backup_marker.is_begun(path)}
            names = {entry.name for entry in place.iterdir()} - begun
        if not backup_marker.is_backup(place) and names - {"lock"}:
            raise errors.NotABackup(path=str(place))
    files.verify_writable(place if place.is_dir() else place.parent)
    return place


def missing_bytes(path: Path, vault: Path) -> int:
    """About how many bytes of items a backup would copy now. Raises ``OSError``."""
    there = object_files(path / "objects")
    return sum(size for name, size in object_files(vault / "objects").items() if there.get(name, -1) < size)


def back_up(keeper: Keeper, path: Path, *, anew: bool = False, progress: Progress | None = None) -> BackedUp:
    """Make a backup, or bring one up to date.

    1. Look at the place; take its lock.
    2. The intent, and whether the backup there is this vault's and not of a later state.
    3. A marker that says "begun", where there is none. Remove what an interrupted backup left of databases.
    4. Copy the objects that are not there yet, each read back.
    5. All databases at one moment, and the objects of that moment; again, if one of these vanishes meanwhile.
    6. Both markers: from here on the new state is the backup.
    7. Remove what belongs to no item any more. The outcome.

    Raises as ``verified_place`` and ``Keeper.backup_begin`` do, and ``VaultInUse`` while another backup goes there,
    ``NoSpace``, ``ReadOnly``, ``DiskFailed``, ``CopyDiffers``, ``VaultChanging``, ``LogUnavailable``. After an error the
    last complete state is still there.
    """
    place = verified_place(path, keeper.folder.path)
    if not os.path.lexists(place):
        files.make_folder(place)
    lock = take_lock(place / "lock", place)
    try:
        begun = keeper.backup_begin(printable(place), backup_marker.read(place), anew=anew)
        try:
            target = _Target(place, keeper.folder, progress)
            target.prepare(begun.marker, begun.named)
            sound = tuple(each.name for each in begun.kept if target.has(each.name, each.size_bytes, each.sha256))
            target.copy_objects(object_files(keeper.folder.objects))
            snapshot = _one_moment(keeper, begun.intent, sound, target)
            _copy_differing(keeper, begun.intent, target)
            keep = _needed(keeper, begun.intent, target)
            target.commit(snapshot)
            target.remove_what_is_gone(snapshot, keep)
            digest = hashlib.sha256(snapshot.marker).hexdigest()
        except BaseException as error:
            with contextlib.suppress(errors.VaultError, OSError):
                keeper.backup_end(begun.intent, "failed", size=None, reason=type(error).__name__)
            raise
        keeper.backup_end(begun.intent, "done", size=target.bytes_written, digest=digest)
    finally:
        lock.release()
    return target.result(snapshot)


def printable(path: Path) -> str:
    """A path as text that can be stored, also where its bytes are no text."""
    return str(path).encode(errors="backslashreplace").decode()


def _one_moment(keeper: Keeper, intent: int, sound: tuple[str, ...], target: _Target) -> BackupSnapshot:
    for _ in range(_MOMENTS):
        with _staging(keeper.folder) as staging:
            snapshot = keeper.backup_snapshot(intent, str(staging), sound)
            target.expected = _listed(staging / OBJECTS_LIST)
            if target.copy_objects(target.expected):
                target.copy_databases(snapshot, staging)
                return snapshot
    raise errors.VaultChanging


@contextlib.contextmanager
def _staging(folder: Folder) -> Iterator[Path]:
    staging = Staging(folder)
    try:
        yield staging.path
    finally:
        with contextlib.suppress(errors.VaultError, OSError):
            staging.close()


def _listed(path: Path) -> dict[str, int]:
    lines = (line.rpartition(" ") for line in path.read_text(encoding="ascii").splitlines())
    return {name: int(size) for name, _, size in lines}


def _copy_differing(keeper: Keeper, intent: int, target: _Target) -> None:
    """Where the vault's file and the backup's are of different sizes, only a case can say which is whole."""
    known = _known(keeper, intent, {_object_id(name) for name in target.differing})
    sizes = {name: size for each in known for name, size in file_sizes(each).items()}
    whole = {name: size for name, size in target.differing.items() if sizes.get(name) == size}
    target.shorter = target.differing.keys() - whole.keys()
    for name in whole:
        del target.present[name]
    if not target.copy_objects(whole):
        raise errors.VaultChanging


def _needed(keeper: Keeper, intent: int, target: _Target) -> set[str]:
    """The files that the vault has no more and that belong to an item all the same: here is perhaps the only copy."""
    candidates: dict[bytes, list[str]] = {}
    for name in target.present.keys() - target.expected.keys():
        candidates.setdefault(_object_id(name), []).append(name)
    keep: set[str] = set()
    for each in _known(keeper, intent, candidates):
        sizes = file_sizes(each)
        keep.update(name for name in candidates[each.object_id] if not sizes or name in sizes)
    return keep


def _known(keeper: Keeper, intent: int, object_ids: Iterable[bytes]) -> list[KnownObject]:
    ids = sorted(object_ids)
    known: list[KnownObject] = []
    for start in range(0, len(ids), _IDS_AT_ONCE):
        known += keeper.backup_known(intent, tuple(ids[start : start + _IDS_AT_ONCE]))
    return known


def _object_id(name: str) -> bytes:
    return bytes.fromhex(name.replace("/", "").partition(".")[0])


@dataclass
class _Target:
    """The folder that becomes the backup."""

    path: Path
    source: Folder
    progress: Progress | None
    present: dict[str, int] = field(default_factory=dict)
    expected: dict[str, int] = field(default_factory=dict)
    bytes_written: int = 0
    objects_written: int = 0
    objects_removed: int = 0
    differing: dict[str, int] = field(default_factory=dict)
    shorter: set[str] = field(default_factory=set)
    unreadable: set[str] = field(default_factory=set)
    lost: int = 0

    @property
    def objects(self) -> Path:
        return self.path / "objects"

    def prepare(self, marker: bytes, named: Iterable[str]) -> None:
        if marker:
            self._write_marker(marker)
        for name in _KEPT_SUBFOLDERS:
            self._make(self.path / name)
        self._sweep(named)
        for folder in (self.path, *sorted(self.objects.iterdir())):
            if files.is_folder(folder):
                files.remove(*files.leftovers(folder))
        self.present = object_files(self.objects)

    def _make(self, folder: Path) -> None:
        try:
            if not files.is_folder(folder):
                files.make_folder(folder)
        except FileExistsError:  # a link, which may lead anywhere, or a file
            raise errors.BackupDamaged(path=str(self.path)) from None

    def _sweep(self, named: Iterable[str]) -> None:
        """Remove databases and drafts that no marker names, and what was begun of one."""
        wanted = set(named)
        for folder, prefix in ((self.path, ""), (self.path / "cases", "cases/"), (self.path / "drafts", "drafts/")):
            names = [f"{prefix}{entry.name}" for entry in folder.iterdir()]
            gone = [name for name in names if backup_marker.is_file_name(name) and name not in wanted]
            files.remove(*(self.path / name for name in gone), *files.leftovers(folder))

    def has(self, name: str, size: int, sha256: str) -> bool:
        """Whether a database is there as it should be, every byte."""
        return copying.reads_as(self.path / name, size, sha256)

    def copy_objects(self, wanted: dict[str, int]) -> bool:
        """Copy what is not there; False if something vanished meanwhile."""
        self.differing = {name: size for name, size in wanted.items() if self.present.get(name, size) != size}
        lacking = [name for name in sorted(wanted) if name not in self.present and name not in self.unreadable]
        complete = True
        for start, stop in _by_folder(lacking):
            complete = self._copy_folder(lacking[start:stop]) and complete
        return complete

    def _copy_folder(self, names: list[str]) -> bool:
        """Copy objects of one folder; their names become durable together."""
        complete, parent = True, self.objects / names[0][:2]
        self._make(parent)
        for name in names:
            temporary = parent / os.urandom(16).hex()
            try:
                size = self._copy(self.source.objects / name, temporary)
            except FileNotFoundError:
                complete = False
                continue
            except errors.SourceUnreadable:
                self.unreadable.add(name)
                continue
            with files.translated(temporary):
                files.disk.rename(temporary, self.objects / name)
            self.present[name] = size
            self.objects_written += 1
        files.sync_folder(parent)
        return complete

    def _copy(self, source: Path, target: Path) -> int:
        size, sha256 = copying.copy(source, target, progress=self.progress)
        self.bytes_written += size
        try:
            copying.verify_copy(target, size, sha256)
        except errors.CopyDiffers:
            with contextlib.suppress(errors.VaultError, OSError):
                files.remove(target)
            raise
        return size

    def copy_databases(self, snapshot: BackupSnapshot, staging: Path) -> None:
        for name in snapshot.staged:
            files.remove(self.path / name)
            self._copy(staging / Path(name).name, self.path / name)
        for folder in (self.path / "cases", self.path / "drafts", self.path):
            files.sync_folder(folder)

    def commit(self, snapshot: BackupSnapshot) -> None:
        """The new state is complete and durable: name it."""
        self._write_marker(snapshot.marker)

    def _write_marker(self, content: bytes) -> None:
        for name in backup_marker.FILE_NAMES:
            files.replace_and_erase(self.path / name, content, timeless=True)
            copying.verify_copy(self.path / name, len(content), hashlib.sha256(content).hexdigest())
            self.bytes_written += len(content)

    def remove_what_is_gone(self, snapshot: BackupSnapshot, keep: set[str]) -> None:
        """Remove databases of earlier states, and objects that belong to no item any more."""
        self._sweep(each.name for each in snapshot.databases)
        gone = sorted(self.present.keys() - self.expected.keys() - keep)
        files.remove(*(self.objects / name for name in gone))
        for folder in sorted({name[:2] for name in gone}):
            with contextlib.suppress(OSError):
                files.disk.remove_folder(self.objects / folder)
        self.objects_removed = len(gone)
        self.lost = len(keep)
        for name in gone:
            del self.present[name]

    def result(self, snapshot: BackupSnapshot) -> BackedUp:
        return BackedUp(
            path=self.path,
            made=snapshot.made,
            objects_written=self.objects_written,
            databases_written=sum(1 for name in snapshot.staged if name.endswith(".db")),
            bytes_written=self.bytes_written,
            objects_removed=self.objects_removed,
            objects=len(self.present),
            damaged=snapshot.damaged,
            lost=self.lost,
            shorter=len(self.shorter),
            unreadable=len(self.unreadable),
            missing=sum(
                self.present.get(name) != size for each in snapshot.missing for name, size in file_sizes(each).items()
            ),
        )


def _by_folder(names: list[str]) -> Iterator[tuple[int, int]]:
    """Begin and end of each run of names in one folder."""
    start = 0
    for end in range(1, len(names) + 1):
        if end == len(names) or names[end][:2] != names[start][:2]:
            yield start, end
            start = end
