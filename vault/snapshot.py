"""What a backup asks of the keeper: whose backup it is, all databases at one moment, and what is deleted.

The command's process copies; what needs a key happens here. Objects are ciphertext that never changes, so they need none.
"""

from __future__ import annotations

import contextlib
import secrets
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from crypto.encoding import canonical_json, parse_canonical_json
from crypto.errors import CryptoError
from vault import backup_marker, copying, errors, files, mark, schema
from vault.backup_marker import BEGUN, Contents, DatabaseCopy, Marker
from vault.folder import is_draft_name, is_object_name
from vault.header import Unreadable
from vault.objects import file_sizes
from vault.receipts import Receipt
from vault.registry import WHAT, CaseRow, Registry, case_grant
from vault.requests import BackupBegun, BackupFile, BackupSnapshot, KnownBackup, KnownObject
from vault.tables import blob, integer, text

if TYPE_CHECKING:
    from vault.compartment import Compartment
    from vault.door import Door

_ID_BYTES = 16

LAST_SETTING = "last_backup"
_KNOWN_PREFIX = "backup/"
# How often the drafts are copied anew when one is saved meanwhile: it is every ten seconds or so.
_SAVES = 20

# What the keeper writes into the staging folder beside the databases: the names and sizes of all objects.
OBJECTS_LIST = "objects"

Found = tuple[Marker, Contents]


@dataclass
class Running:
    """A backup between its intent and its outcome."""

    intent: int
    place: str
    backup_id: bytes
    previous: Found | None
    number: int
    made: str = ""


def begin(door: Door, place: str, markers: tuple[bytes, ...], *, anew: bool) -> tuple[Running, BackupBegun]:
    """Look whose backup lies at ``place``, and write the intent. See ``Keeper.backup_begin``."""
    found = _readable(door.registry, place, markers)
    if not any(markers) and not anew and any(known.place == place for known in known_backups(door.registry)):
        raise errors.BackupGone(path=place)
    for _, contents in found:
        if contents.step and door.registry.root_at(contents.step) != contents.root:
            raise errors.Refused(
                reason="that backup is of a later state of this vault or of another copy of it, and is not overwritten"
            )
    backup_id = found[0][1].backup_id if found else secrets.token_bytes(_ID_BYTES)
    complete = [each for each in found if each[0].number != BEGUN]
    receipt = door.log.intend("backup")
    receipt.void()
    previous = complete[0] if complete else None
    running = Running(receipt.number, place, backup_id, previous, previous[0].number + 1 if previous else 1)
    begun = b"" if found else _begun(door, running).to_bytes()
    return running, BackupBegun(
        intent=receipt.number,
        marker=begun,
        kept=tuple(_file(each) for each in previous[1].databases) if previous else (),
        named=tuple({each.name for _, contents in complete for each in contents.databases}),
    )


def _readable(registry: Registry, place: str, markers: Iterable[bytes]) -> list[Found]:
    """The markers that are this vault's, newest first. Raises ``Refused``, ``UnknownFormat``, ``BackupDamaged``."""
    found: list[Found] = []
    damaged = False
    key = backup_marker.marker_key(registry.setting(mark.KEY_SETTING))
    for content in markers:
        try:
            marker = backup_marker.parse(content)
            found.append((marker, backup_marker.unseal(key, marker)))
        except Unreadable as error:
            if error.reason == "format":
                raise errors.UnknownFormat(path=place, format=error.format) from None
            damaged = damaged or error.reason != "absent"
        except CryptoError:
            raise errors.Refused(reason="that is a backup of another vault") from None
    if damaged and not found:
        raise errors.BackupDamaged(path=place)
    return sorted(found, key=lambda each: -each[0].number)


def _begun(door: Door, running: Running) -> Marker:
    registry = door.registry
    contents = Contents(
        running.backup_id, door.now, mark.generation(registry), registry.steps, registry.frontier.root(), ()
    )
    key = backup_marker.marker_key(registry.setting(mark.KEY_SETTING))
    return backup_marker.seal(key, BEGUN, door.header, contents)


def _file(each: DatabaseCopy) -> BackupFile:
    return BackupFile(each.name, each.size_bytes, each.sha256)


def _receipt_for(running: Running, cases: Iterable[CaseRow]) -> Receipt:
    """Opens the cases once, for a backup whose intent is recorded and has no outcome."""
    return Receipt(running.intent, act="backup", case_id=None, item=None, grants=[case_grant(case) for case in cases])


def take(door: Door, running: Running, staging: Path, sound: tuple[str, ...]) -> BackupSnapshot:
    """All databases at this moment; those that the backup lacks are copied into ``staging``.

    1. Settle what is still open in a case, so that its state is the one that the index confirms.
    2. Cases whose state the backup has already, in a file that is ``sound``, stay. The others are opened, checked and
       copied. One that is damaged never replaces a copy that is not.
    3. vault.db is checked, and copied whole.
    4. Texts that are being written, as they were last saved. Whoever writes one may save meanwhile, but not end it.
    5. The names and sizes of all objects.
    """
    registry = door.registry
    receipt = _receipt_for(running, registry.cases())
    before = {each.case_id: each for each in running.previous[1].databases} if running.previous else {}
    databases: list[DatabaseCopy] = []
    staged: list[str] = []
    damaged: list[str] = []
    missing: list[KnownObject] = []
    for code in [case.code for case in registry.cases()]:
        case = registry.case(code)
        old = before.get(case.case_id)
        if old is not None and old.name not in sound:
            old = None
        state = b""  # of one that is damaged or incomplete: the next backup tries again
        try:
            case = door.settled_case(code)
            if old is not None and (old.epoch, old.state) == (case.epoch, case.state):
                databases.append(old)
                continue
            incomplete = _verify_case(door, receipt, case)
            missing += incomplete
            state = b"" if incomplete else case.state
        except (errors.Damage, errors.ReadOnly, errors.DiskFailed):
            damaged.append(code)
            if old is not None:
                databases.append(old)
                continue
        name = backup_marker.case_database_name(case.case_id, case.epoch, running.number)
        path = door.folder.case_database(case.case_id, case.epoch)
        if path.exists():
            size, digest = copying.copy(path, staging / Path(name).name)
            databases.append(DatabaseCopy(name, size, digest, case.case_id, case.epoch, state))
            staged.append(name)
    if registry.store.problems():
        raise errors.DatabaseDamaged(what=WHAT)
    name = backup_marker.vault_database_name(door.header.epoch, running.number)
    step, root = registry.steps, registry.frontier.root()
    with registry.at_rest() as path:
        size, digest = copying.copy(path, staging / name)
    databases.append(DatabaseCopy(name, size, digest))
    staged.append(name)
    _copy_drafts(door.folder.drafts, running, staging, sound, databases, staged)
    _list_objects(door.folder.objects, staging / OBJECTS_LIST)
    running.made = door.now
    contents = Contents(running.backup_id, running.made, mark.generation(registry), step, root, tuple(databases))
    key = backup_marker.marker_key(registry.setting(mark.KEY_SETTING))
    marker = backup_marker.seal(key, running.number, door.header, contents).to_bytes()
    return BackupSnapshot(
        marker=marker,
        made=running.made,
        databases=tuple(_file(each) for each in databases),
        staged=tuple(staged),
        damaged=tuple(damaged),
        missing=tuple(missing),
    )


def _verify_case(door: Door, receipt: Receipt, case: CaseRow) -> list[KnownObject]:
    """Open a case and leave it closed, its write-ahead log in the database; the objects that are not whole.

    Raises ``Damage``.
    """
    compartment = door.opened(case, door.registry.unwrap_case_key(receipt, case.case_id))
    try:
        if compartment.store.problems():
            raise errors.DatabaseDamaged(what=case.code)
        return [each for each in _objects_of(compartment) if not _is_whole(door.folder.objects, each)]
    finally:
        door.drop(case.case_id)


def _copy_drafts(
    drafts: Path,
    running: Running,
    staging: Path,
    sound: tuple[str, ...],
    copies: list[DatabaseCopy],
    staged: list[str],
) -> None:
    """A draft has two places, and a save goes from one to the other: so all are copied anew if one vanishes."""
    before = running.previous[1].databases if running.previous else ()
    known = {(backup_marker.drafts_own_name(each.name), each.sha256): each for each in before if each.name in sound}
    found: list[DatabaseCopy] = []
    for _ in range(_SAVES):
        found = []
        try:
            for path in sorted(drafts.iterdir()) if drafts.is_dir() else []:
                # What is not there any more is no reason to pass on: it lies in its other place now.
                if not is_draft_name(path.name) or not stat.S_ISREG(path.lstat().st_mode):
                    continue
                name = backup_marker.draft_name(path.name, running.number)
                target = staging / Path(name).name
                files.remove(target)
                found.append(DatabaseCopy(name, *copying.copy(path, target)))
        except FileNotFoundError:
            continue
        break
    else:
        raise errors.VaultChanging
    for each in found:
        old = known.get((backup_marker.drafts_own_name(each.name), each.sha256))
        copies.append(old or each)
        if old is None:
            staged.append(each.name)


def _list_objects(objects: Path, target: Path) -> None:
    with files.NewFile(target) as file:
        for name, size in sorted(object_files(objects).items()):
            file.write(f"{name} {size}\n".encode())


def object_files(objects: Path) -> dict[str, int]:
    """Every file of an object below ``objects``: its name with its folder's, and its size. Raises ``OSError``."""
    found = {}
    for parent in sorted(objects.iterdir()) if objects.is_dir() else []:
        if not files.is_folder(parent):
            continue
        for entry in parent.iterdir():
            name = f"{parent.name}/{entry.name}"
            if is_object_name(name):
                with contextlib.suppress(FileNotFoundError):
                    status = entry.lstat()
                    # What only bears the name of a file is none.
                    found[name] = status.st_size if stat.S_ISREG(status.st_mode) else -1
    return found


def known_objects(door: Door, running: Running, object_ids: tuple[bytes, ...]) -> tuple[KnownObject, ...]:
    """Which of these objects some case has a key for; all, where a case does not open and nobody can say."""
    receipt = _receipt_for(running, door.registry.cases())
    asked = set(object_ids)
    known: list[KnownObject] = []
    unsure = False
    for case in door.registry.cases():
        was_open = door.is_open(case.case_id)
        try:
            compartment = door.opened(case, door.registry.unwrap_case_key(receipt, case.case_id))
            known += [each for each in _objects_of(compartment) if each.object_id in asked]
        except (errors.Damage, errors.ReadOnly, errors.DiskFailed):
            unsure = True
        finally:
            if not was_open:
                door.drop(case.case_id)
    if unsure:
        known += [KnownObject(each, 0) for each in asked - {each.object_id for each in known}]
    return tuple(known)


def _objects_of(compartment: Compartment) -> list[KnownObject]:
    """All objects whose keys are here, with the lengths that their items tell."""
    sizes = {blob(row, "object_id"): integer(row, "padded_bytes") for row in compartment.rows(schema.ITEMS)}
    return [KnownObject(each, sizes.get(each, 0)) for each in sorted(compartment.object_ids())]


def _is_whole(objects: Path, known: KnownObject) -> bool:
    try:
        return all((objects / name).stat().st_size == size for name, size in file_sizes(known).items())
    except OSError:
        return False


# What vault.db keeps of backups


def known_backups(registry: Registry) -> tuple[KnownBackup, ...]:
    """Every backup that was made of this vault and recorded, the newest first."""
    found = []
    for row in registry.rows(schema.SETTINGS):
        if text(row, "name").startswith(_KNOWN_PREFIX):
            with contextlib.suppress(CryptoError):
                value = parse_canonical_json(blob(row, "value"))
                if isinstance(value, dict):
                    found.append(KnownBackup(str(value["place"]), str(value["made"])))
    return tuple(sorted(found, key=lambda known: known.made, reverse=True))


def remembering(registry: Registry, backup_id: bytes, place: str, made: str) -> Callable[[], None]:
    """Keeps in vault.db that this backup was made; to be called inside a step."""

    def remember() -> None:
        registry.set(LAST_SETTING, made.encode())
        registry.set(f"{_KNOWN_PREFIX}{backup_id.hex()}", canonical_json({"made": made, "place": place}))

    return remember
