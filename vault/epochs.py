"""New epochs: another vault key, vault.db written anew under it, and where a secret changed every case as well.

The order makes a crash at any moment harmless: first the new databases, complete and durable, then the two headers, then
the removal of the old files. Until the second header is written, the old secret leads back and the new one forward.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from crypto import kdf
from crypto.errors import CryptoError
from crypto.keys import CaseKey, ObjectKey, VaultKey
from crypto.records import encrypt_record
from vault import cases, compartment, drafts, errors, files, header, registry, schema, shares
from vault.compartment import Compartment
from vault.drafts import DraftFiles
from vault.folder import Folder
from vault.log import Log
from vault.receipts import Receipt
from vault.registry import CaseRow, Registry
from vault.requests import KeyLabel
from vault.store import remove_database
from vault.tables import Row, blob, integer, optional_blob
from vault.unlock import Unlocker

if TYPE_CHECKING:
    from vault.door import Door

Progress = Callable[[int], None]

# The acts that start a new epoch.
ACTS = frozenset({"passphrase-change", "key-add", "key-remove", "case-delete"})


@dataclass(frozen=True, slots=True)
class Plan:
    """What the next epoch will be: the rows of the slots, the cost, and which case is gone.

    ``tried`` is opened from a fresh read before the change counts as made; None where no secret that stays is at hand.
    """

    slots: tuple[Row, ...]
    cost: kdf.Cost
    salt: bytes
    renew_cases: bool
    tried: Unlocker | None
    dropped: tuple[KeyLabel, ...] = ()
    deleted: CaseRow | None = None


def plan_delete(door: Door, current: Unlocker, case: CaseRow) -> Plan:
    """All slots as they are, and one case gone. Raises ``WrongPassphrase`` and ``Refused``."""
    current.unlock(door.header)
    return Plan(
        slots=tuple(door.registry.rows(schema.SLOTS)),
        cost=door.header.cost,
        salt=door.header.salt,
        renew_cases=False,
        tried=current,
        deleted=case,
    )


def renew(door: Door, plan: Plan, receipt: Receipt, *, progress: Progress | None) -> None:
    """Carry out a plan.

    1. Seal a header for a new vault key.
    2. Copy every case whose key changes into a new database; compare. Seal its drafts under new keys and names: else what
       is typed from now on could be read with the old secret.
    3. Copy vault.db under the new key and write the changes into the copy, in one step of its log.
    4. Make all of it durable, then the two headers in turn.
    5. Try the plan's secret, or at least the new key, on a fresh read of the files.
    6. Go on in the new epoch, and remove the files of the old one.
    """
    folder, old = door.folder, door.header
    vault_key, epoch = VaultKey.random(), old.epoch + 1
    new = header.seal(
        vault_key, folder_id=old.folder_id, epoch=epoch, cost=plan.cost, salt=plan.salt, public_keys=_public_keys(plan)
    )
    renewed: dict[bytes, _Renewed] = {}
    made: list[Path] = [folder.vault_database(epoch)]
    before = door.registry.cases()
    try:
        if plan.renew_cases:
            for case in before:
                renewed[case.case_id] = _renew_case(door, receipt, case, made)
                renewed[case.case_id].drafts.extend(_renewed_drafts(door, receipt, case, made))
                if progress:
                    progress(1)
        _renew_registry(door, plan, receipt, vault_key, new, renewed)
        files.sync_folder(folder.cases)
        files.sync_folder(folder.path)
    except BaseException:
        _discard(made)
        raise
    try:
        folder.write_headers(new)
        adopted = Registry.open(folder.vault_database(epoch), _tried(plan, folder, vault_key))
        if not adopted.signing.can_sign:
            adopted.close()
            raise errors.LogKeyLost
    except BaseException:
        # Going on in the old epoch beside new headers would lose what is done from here on.
        _lead_back(door, old, made)
        raise
    old_epoch, old_files = old.epoch, [folder.cases / case.file_name for case in before if case.case_id in renewed]
    door.adopt(new, adopted)
    # From here on the change has happened; what cannot be removed now is removed at the next open.
    with contextlib.suppress(errors.VaultError, OSError):
        adopted.signing.erase_old_key()
        remove_database(folder.vault_database(old_epoch))
        for path in old_files:
            remove_database(path)
        for each in (draft for case in renewed.values() for draft in case.drafts):
            drafts.remove(folder.drafts, each.before)
    if plan.deleted:
        _remove_deleted(door, receipt)


def _tried(plan: Plan, folder: Folder, vault_key: VaultKey) -> VaultKey:
    found = folder.read_headers()[0]
    if plan.tried is not None:
        return plan.tried.unlock(found).vault_key
    try:
        found.verify(vault_key)
    except CryptoError as error:
        raise errors.HeaderDamaged(path=str(folder.path)) from error
    return vault_key


@dataclass(frozen=True, slots=True)
class _RenewedDraft:
    """``before`` is the draft's id of before; ``row`` is complete but for the sealed key."""

    before: bytes
    key: ObjectKey
    row: Row


@dataclass(frozen=True, slots=True)
class _Renewed:
    before: CaseKey
    key: CaseKey
    epoch: int
    title: str
    drafts: list[_RenewedDraft] = field(default_factory=list)


def _public_keys(plan: Plan) -> list[bytes | None]:
    keys: list[bytes | None] = [None] * header.SLOTS
    for row in plan.slots:
        keys[integer(row, "slot")] = blob(row, "public_key")
    return keys


def _renew_case(door: Door, receipt: Receipt, case: CaseRow, made: list[Path]) -> _Renewed:
    was_open = door.is_open(case.case_id)
    before = door.registry.unwrap_case_key(receipt, case.case_id)
    source = door.opened(case, before)
    key, epoch = CaseKey.random(), case.epoch + 1
    path = door.folder.cases / f"{case.case_id.hex()}-{epoch}.db"
    remove_database(path)
    made.append(path)
    try:
        source.store.export_to(path, compartment.database_key(key))
    except BaseException:
        door.drop(case.case_id)
        raise
    copy = Compartment.open(path, key, code=case.code, case_id=case.case_id, clock=door.clock)
    try:
        if copy.state != source.state or copy.object_ids() != source.object_ids():
            raise errors.DatabaseDamaged(what=case.code)
        title = cases.title(copy)
    finally:
        copy.close()
        if not was_open:
            door.drop(case.case_id)
    return _Renewed(before, key, epoch, title)


def _renewed_drafts(door: Door, receipt: Receipt, case: CaseRow, made: list[Path]) -> Iterator[_RenewedDraft]:
    """The drafts of a case, saved anew. One that does not open keeps its key: nobody can go on with it."""
    place = door.folder.drafts
    for row in door.registry.drafts(case.case_id):
        before, key = blob(row, "draft_id"), door.registry.unwrap_draft_key(receipt, row)
        ids = {"folder_id": door.header.folder_id, "case_id": case.case_id}
        try:
            found = DraftFiles(place, key, **ids, draft_id=before).read()
        except errors.DraftDamaged:
            continue
        draft_id, fresh = drafts.new_id(), ObjectKey.random()
        made += [place / name for name in drafts.file_names(draft_id)]
        version: int = found.draft.version
        digest: bytes | None = DraftFiles(place, fresh, **ids, draft_id=draft_id).write(found.draft)
        if found.damaged or found.is_older_than(integer(row, "version"), optional_blob(row, "digest")):
            # Whoever goes on with it must still hear so.
            version, digest = max(integer(row, "version"), version + 1), None
        yield _RenewedDraft(before, fresh, {**row, "draft_id": draft_id, "version": version, "digest": digest})


def _renew_registry(
    door: Door,
    plan: Plan,
    receipt: Receipt,
    vault_key: VaultKey,
    new: header.Header,
    renewed: dict[bytes, _Renewed],
) -> None:
    path = door.folder.vault_database(new.epoch)
    remove_database(path)
    objects = _objects_of(door, plan.deleted, receipt) if plan.deleted else ()
    door.registry.export_to(path, vault_key)
    # Its step is signed by the key that the old epoch's next step would have been signed with; that stays until the headers
    # are written, and the one after it lies in the other block under the new vault key: either way one of them fits.
    fresh = Registry.open(path, vault_key, log_key=door.registry.signing.inherited(vault_key))
    try:
        log = Log(fresh, wall_time=door.clock, actor=door.log.actor, said=True)
        if plan.deleted is None:
            log.conclude(receipt.number, "done", also=[lambda: _rewrite(fresh, plan, new, renewed)])
        else:
            # The outcome waits until the case's files are gone.
            log.announce(
                receipt,
                objects,
                lambda: _delete(fresh, log, plan, new, receipt, objects, door.now),
                vault_level=True,
                digest=log.digest_of_entries(plan.deleted),
            )
    finally:
        fresh.close()
    files.sync_file(path)


def _rewrite(fresh: Registry, plan: Plan, new: header.Header, renewed: dict[bytes, _Renewed]) -> None:
    for row in fresh.rows(schema.SLOTS):
        fresh.erase(schema.SLOTS, row["slot"])
    for row in plan.slots:
        fresh.put(schema.SLOTS, row)
    fresh.set("header", new.digest())
    for case_id, case in renewed.items():
        _rewrap_log_keys(fresh, case_id, case)
        _replace_drafts(fresh, case_id, case)
        shares.renew(fresh, case_id, before=case.before, after=case.key)
        fresh.update_case(
            case_id, key=case.key.raw, epoch=case.epoch, title=registry.seal_title(case.key, case_id, case.title)
        )


def _replace_drafts(fresh: Registry, case_id: bytes, case: _Renewed) -> None:
    for each in case.drafts:
        fresh.erase(schema.DRAFTS, each.before)
    fresh.rewrap_draft_keys(case_id, case.key)
    for each in case.drafts:
        wrapped = registry.wrap_draft_key(case.key, case_id, blob(each.row, "draft_id"), each.key)
        fresh.put(schema.DRAFTS, {**each.row, "key": wrapped})


def _delete(
    fresh: Registry,
    log: Log,
    plan: Plan,
    new: header.Header,
    receipt: Receipt,
    objects: tuple[bytes, ...],
    now: str,
) -> None:
    _rewrite(fresh, plan, new, {})
    if plan.deleted:
        _forget_case(fresh, plan.deleted, now)
    log.expect_removal(receipt, objects)


def _rewrap_log_keys(fresh: Registry, case_id: bytes, case: _Renewed) -> None:
    epochs = [integer(row, "epoch") for row in fresh.rows(schema.LOG_KEYS) if row["case_id"] == case_id]
    keys = {epoch: fresh.log_key(case_id, epoch) for epoch in [*epochs, case.epoch - 1]}
    wrapping = registry.log_wrapping_key(case.key)
    for epoch, key in keys.items():
        wrapped = encrypt_record(wrapping, key.raw, context=registry.log_key_context(case_id, epoch))
        fresh.put(schema.LOG_KEYS, {"case_id": case_id, "epoch": epoch, "wrapped": wrapped})


def _objects_of(door: Door, case: CaseRow, receipt: Receipt) -> tuple[bytes, ...]:
    source = door.opened(case, door.registry.unwrap_case_key(receipt, case.case_id))
    of_drafts = (blob(row, "draft_id") for row in door.registry.drafts(case.case_id))
    return (*sorted(source.object_ids()), *of_drafts)


def _forget_case(fresh: Registry, case: CaseRow, now: str) -> None:
    fresh.erase(schema.CASES, case.case_id)
    for row in fresh.rows(schema.LOG_KEYS):
        if row["case_id"] == case.case_id:
            fresh.erase(schema.LOG_KEYS, case.case_id, row["epoch"])
    for row in fresh.drafts(case.case_id):
        fresh.erase(schema.DRAFTS, row["draft_id"])
    shares.forget(fresh, case.case_id)
    fresh.put(
        schema.DELETED_CASES,
        {"case_id": case.case_id, "code": case.code, "happened": now, "entries": case.entries},
    )


def _remove_deleted(door: Door, receipt: Receipt) -> None:
    """Remove the files of a case that is gone already; an error leaves them to the next open."""
    with contextlib.suppress(errors.VaultError, OSError):
        for intent in door.log.unanswered():
            if intent.number == receipt.number:
                door.settle(intent, phase="done")


def _discard(made: list[Path]) -> None:
    for path in made:
        with contextlib.suppress(errors.VaultError, OSError):
            remove_database(path)


def is_interrupted(door: Door) -> bool:
    """Whether this epoch's log has begun a change of epoch and not seen its end."""
    return any(intent.act in ACTS for intent in door.log.unanswered())


def sweep(door: Door) -> None:
    """At open: remove the databases of earlier epochs, and those of a later one that was begun and led back from.

    Later ones that no intent explains stay: somebody put an older copy over this folder, and what they hold may
    be all that there is of it. `check` names them.
    """
    folder, epoch = door.folder, door.header.epoch
    began = is_interrupted(door)
    for found, path in folder.vault_databases().items():
        if found < epoch or (found > epoch and began):
            remove_database(path)
    current = {case.case_id: case.epoch for case in door.registry.cases()}
    for case_id, found in folder.case_databases():
        # A case that this index does not know is left alone, too.
        wanted = current.get(case_id, found)
        if found < wanted or (found > wanted and began):
            remove_database(folder.cases / f"{case_id.hex()}-{found}.db")


def is_swept(door: Door) -> bool:
    """Whether nothing of a later epoch lies in the folder."""
    current = {case.case_id: case.epoch for case in door.registry.cases()}
    return all(epoch <= door.header.epoch for epoch in door.folder.vault_databases()) and all(
        epoch <= current.get(case_id, epoch) for case_id, epoch in door.folder.case_databases()
    )


def _lead_back(door: Door, old: header.Header, made: list[Path]) -> None:
    """After a header could not be written: back to the old ones, or else leave both ways open and stop here."""
    try:
        door.folder.repair_headers(old)
    except (errors.VaultError, OSError):
        door.close()
        return
    _discard(made)
