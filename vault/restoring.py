"""Making a vault from a backup, or from a copy of a vault's folder: in a new place, whole or not at all, and declared.

The original may still be there and go on, so a restored vault says in its log that it is one, and of which state; and
this machine remembers it under another name than the original.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from vault import (
    backing_up,
    backup_marker,
    backups,
    checking,
    copying,
    errors,
    files,
    header,
    logkey,
    mark,
    opening,
    snapshot,
)
from vault.compartment import Clock
from vault.copying import Progress
from vault.folder import SUBFOLDERS, Folder, filled, is_database_name, is_draft_name, take_lock
from vault.header import Header
from vault.keeper import Keeper
from vault.registry import Registry
from vault.requests import Finding
from vault.snapshot import object_files
from vault.unlock import Unlocker


@dataclass(frozen=True, slots=True)
class Restored:
    """A vault that was made from a backup. ``made`` is when the backup was (None: a copy of a folder, nobody knows).

    ``older`` says that this machine has seen a later state of the same vault. ``findings`` is empty unless damage was
    accepted.
    """

    path: Path
    made: str | None
    generation: int
    cases: int
    items: int
    bytes_read: int
    older: bool
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class _Source:
    """What is copied: name in the new vault, and the file it comes from. Drafts are among the databases."""

    header: Header
    databases: dict[str, Path]
    objects: dict[str, Path]
    made: str | None = None
    backup_id: bytes | None = None
    altered: tuple[str, ...] = ()


def restore(
    source: Path,
    path: Path,
    unlocker: Unlocker,
    *,
    clock: Clock,
    state_dir: Path | None = None,
    despite_damage: bool = False,
    progress: Progress | None = None,
) -> Restored:
    """Make a vault at ``path`` from what lies at ``source``, which is only read.

    1. Refuse if something is at ``path``.
    2. Open the source with the secret: a backup without writing anything, of a copied folder the header.
    3. Copy databases and objects into a folder beside ``path``, under the names that they have in a vault.
    4. Open the copy as a vault; requests that were open at the time get their outcome.
    5. Write into its log that it was restored and from which state, as a new generation.
    6. Check every byte of the copy, read from the medium. Damage ends it, unless ``despite_damage``.
    7. Give it its name.

    Raises ``AlreadyThere``, ``Refused``, ``NoSuchVault``, ``NotAVault``, ``WrongPassphrase``, ``BackupIncomplete``,
    ``RestoreRefused`` and other ``Damage``, ``VaultInUse``, ``NoSpace``, ``ReadOnly``. After an error nothing of it is
    left.
    """
    if copying.occupied(path):
        raise errors.AlreadyThere(path=str(path))
    if files.lies_in(path, source):
        raise errors.Refused(reason="a vault needs a place of its own, not in the backup that it is restored from")
    with contextlib.ExitStack() as stack:
        found = stack.enter_context(_opened_source(source, unlocker, clock))
        if found.altered and not despite_damage:
            raise errors.RestoreRefused(path=str(source), count=len(found.altered))
        folder = stack.enter_context(_unfinished(path))
        _fill(folder, found, progress)
        keeper = opening.open_locked(
            folder, unlocker, clock=clock, state_dir=None, restored=partial(_next_generation, state_dir=state_dir)
        )
        try:
            older = _declare(keeper, found, source, state_dir)
            report = checking.read_all(keeper, progress=progress)
            damage = tuple(each for each in report.findings if each.kind != "stray")
            damage += tuple(Finding("database", "", name) for name in found.altered)
            if damage and not despite_damage:
                raise errors.RestoreRefused(path=str(source), count=len(damage))
            if state_dir:
                mark.remember(keeper.registry, state_dir)
            generation = mark.generation(keeper.registry)
        finally:
            keeper.close()
        _sync(folder)
    return Restored(path, found.made, generation, report.cases, report.items, report.bytes_read, older, damage)


# The source


@contextlib.contextmanager
def _opened_source(source: Path, unlocker: Unlocker, clock: Clock) -> Iterator[_Source]:
    if backup_marker.is_backup(source):
        with backups.opened(source, unlocker, clock=clock) as backup:
            yield _of_backup(backup)
        return
    folder = Folder(source)
    folder.read_headers()
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(errors.VaultReadOnly):  # then nobody else writes there either
            stack.callback(folder.lock().release)
        yield _of_folder(folder, unlocker)


def _of_backup(backup: backups.OpenBackup) -> _Source:
    folder, found = backup.folder, backup.folder.marker.header
    databases = {f"vault-{found.epoch}.db": folder.vault_database(found.epoch)}
    for each in backup.contents.databases:
        draft = backup_marker.drafts_own_name(each.name)
        if each.case_id is not None:
            databases[f"cases/{each.case_id.hex()}-{each.epoch}.db"] = folder.path / each.name
        elif draft is not None:
            databases[draft] = folder.path / each.name
    wanted = backup.object_ids()
    objects = {
        name: path
        for name, path in _objects(folder).items()
        if wanted is None or bytes.fromhex(name.replace("/", "").partition(".")[0]) in wanted
    }
    return _Source(found, databases, objects, backup.contents.made, backup.contents.backup_id, backup.altered)


def _of_folder(folder: Folder, unlocker: Unlocker) -> _Source:
    """A vault's folder as it lies there, write-ahead logs included."""
    first_error: errors.VaultError | None = None
    for found in folder.read_headers():
        try:
            unlocker.unlock(found)
        except errors.WrongPassphrase as error:
            first_error = error
            continue
        names = [(entry.name, entry) for entry in folder.path.iterdir()]
        names += [(f"cases/{entry.name}", entry) for entry in folder.cases.glob("*")]
        databases = {name: path for name, path in names if is_database_name(name) and files.is_file(path)}
        databases |= {
            f"drafts/{path.name}": path
            for path in folder.drafts.glob("*")
            if is_draft_name(path.name) and files.is_file(path)
        }
        return _Source(found, databases, _objects(folder))
    raise first_error or errors.HeaderDamaged(path=str(folder.path))


def _objects(folder: Folder) -> dict[str, Path]:
    """The files of objects; what only bears the name of one, as a link, is left where it is."""
    return {name: folder.objects / name for name, size in object_files(folder.objects).items() if size >= 0}


# The new place


@contextlib.contextmanager
def _unfinished(path: Path) -> Iterator[Folder]:
    """A locked folder beside ``path`` that gets this name at the end; after an error it is removed."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    _remove_abandoned(unfinished)
    with filled(unfinished, path):
        lock = take_lock(unfinished / "lock", path)
        try:
            yield Folder(unfinished)
        finally:
            lock.release()


def _remove_abandoned(unfinished: Path) -> None:
    """What a restore left that was killed. Raises ``VaultInUse`` if it still runs, ``AlreadyThere`` for anything else."""
    if not os.path.lexists(unfinished):
        return
    names = {entry.name for entry in unfinished.iterdir()} if files.is_folder(unfinished) else {""}
    ours = {*SUBFOLDERS, *header.FILE_NAMES, logkey.FILE_NAME, "lock"}
    if not all(name in ours or is_database_name(name) or files.is_temporary_name(name) for name in names):
        raise errors.AlreadyThere(path=str(unfinished))
    take_lock(unfinished / "lock", unfinished).release()
    files.remove_tree(unfinished)


def _fill(folder: Folder, found: _Source, progress: Progress | None) -> None:
    folder.make_subfolders()
    for name, source in sorted(found.databases.items()):
        with contextlib.suppress(FileNotFoundError):  # a case whose database is lost is reported by the check
            copying.copy(source, folder.path / name, progress=progress)
    for name, source in sorted(found.objects.items()):
        target = folder.objects / name
        copying.make_parent(target)
        copying.copy(source, target, progress=progress)
        copying.forget_cached(target)
    folder.write_headers(found.header)
    _sync(folder)


def _sync(folder: Folder) -> None:
    for path in (*sorted(folder.objects.iterdir()), folder.objects, folder.cases, folder.drafts, folder.path):
        if files.is_folder(path):
            files.sync_folder(path)


def _next_generation(registry: Registry, *, state_dir: Path | None) -> int:
    """The number that nobody has on this machine who was restored, or goes on, from any copy of this vault."""
    return mark.next_generation(registry, state_dir, mark.remembered(registry, state_dir) if state_dir else None)


def _declare(keeper: Keeper, found: _Source, source: Path, state_dir: Path | None) -> bool:
    """Say so in the log, whose new generation began at open; True if this machine has seen a later state of the old one."""
    registry = keeper.registry
    heads = [keeper.head_at_open]
    later = mark.later_head(registry, state_dir, keeper.head_at_open) if state_dir else None
    if later is not None:
        heads.append(later)
    also = [
        # The original keeps its own mark, and stays what this machine remembers of it.
        lambda: registry.set(mark.NAME_SETTING, secrets.token_bytes(mark.NAME_BYTES)),
    ]
    if found.backup_id is not None and found.made is not None:
        also.append(
            snapshot.remembering(
                registry, found.backup_id, backing_up.printable(Path(os.path.realpath(source))), found.made
            )
        )
    receipt = keeper.log.intend("restore", heads=heads)
    keeper.log.conclude(receipt.number, "done", also=also)
    # One step more is the outcome of the backup itself; whatever else is shown or changed takes several.
    return later is not None and later.get("step") != int(str(keeper.head_at_open["step"])) + 1
