"""Reads everything and says what is damaged. Damage is data here: the first finding does not end the reading.

The structure is looked at where the databases are open. The bytes of the items are read by whoever asks, with one object's
key after the other, all for the intent of the check.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from crypto.keys import ObjectKey
from vault import (
    backup_marker,
    drafts,
    errors,
    header,
    identity,
    items,
    log_checking,
    partners,
    references,
    schema,
    shares,
)
from vault.compartment import all_objects_grant
from vault.objects import ObjectReader, segment_count
from vault.receipts import Receipt
from vault.registry import CaseRow, Registry, case_grant, draft_grant
from vault.requests import CheckReport, Finding, ObjectGrant
from vault.tables import Row, blob, integer, optional_blob, text

if TYPE_CHECKING:
    from vault.door import Door
    from vault.keeper import Keeper

Progress = Callable[[int], None]


def grants(registry: Registry) -> tuple[str, ...]:
    """What the receipt of a check must hold."""
    of_cases = [grant for case in registry.cases() for grant in (case_grant(case), all_objects_grant(case.case_id))]
    return (*of_cases, *(draft_grant(blob(row, "draft_id")) for row in registry.rows(schema.DRAFTS)))


class _Tally:
    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.items = 0
        self.objects = 0
        self.unread: dict[str, ObjectGrant] = {}
        self.known_objects: dict[bytes, int] = {}  # with the number of their files

    def find(self, kind: str, subject: str, detail: str = "") -> None:
        self.findings.append(Finding(kind, subject, detail))


class Check:
    """A check of the structure, and the keys of the objects whose bytes are still to be read.

    1. Both copies of the header, and that they are the ones that vault.db knows.
    2. vault.db: the database's own checks, and the log: leaves, steps, root, bodies against commitments, and that no entry
       is kept out of the list where it belongs.
    3. Every case: the database's own checks, its chain of changes, each row against its last change; that what is told
       of its sealed files can be read.
    4. Every object: there, of the right size.
       Every draft: that its newest version opens, and is not older than the one that was kept.
    5. Our identity: that its seeds yield its public keys. Partners: that their cards are signed and as they were taken.
       Receipts: that they are signed by those for whom the files were sealed.
    6. Files that belong to nothing.
    """

    def __init__(self, door: Door, receipt: Receipt) -> None:
        tally = _Tally()
        _check_headers(door, tally)
        for problem in door.registry.store.problems():
            tally.find("database", "vault", problem)
        for found in log_checking.problems(door.registry):
            tally.find(found.kind, found.subject, found.detail)
        cases = door.registry.cases()
        whole = True
        for case in cases:
            whole = _check_case(door, receipt, case, tally) and whole
            _check_drafts(door, receipt, case, tally)
        _check_identities(door.registry, tally)
        if not door.folder.is_backup:  # what an interrupted backup left there belongs to nothing, and harms nothing
            _check_strays(door, cases, tally, whole=whole)
        self._unread = tally.unread
        self._states = {case.case_id: case.state for case in cases}
        self._case_ids = {case.code: case.case_id for case in cases}
        self.report = CheckReport(
            findings=tuple(tally.findings),
            cases=len(cases),
            items=tally.items,
            objects=tally.objects,
            objects_read=0,
            objects_not_read=tally.objects,
            bytes_read=0,
            log_entries=door.registry.frontier.size,
        )

    @property
    def unread(self) -> tuple[str, ...]:
        """The items whose bytes nobody has asked for yet."""
        return tuple(self._unread)

    def take(self, reference: str) -> ObjectGrant:
        """The key of an item's object, once. Raises ``ReceiptRefused``."""
        try:
            return self._unread.pop(reference)
        except KeyError:
            raise errors.ReceiptRefused from None

    def confirmed(self, door: Door, findings: Iterable[Finding]) -> tuple[Finding, ...]:
        """What was found while reading, without the items that were deleted meanwhile: these are not missing."""
        return tuple(each for each in findings if each.kind != "missing" or not self._has_changed(door, each.subject))

    def _has_changed(self, door: Door, reference: str) -> bool:
        case_id = self._case_ids.get(reference.partition("/")[0])
        case = None if case_id is None else door.registry.case_by_id(case_id)
        return case is None or case.state != self._states[case.case_id]


def read(
    report: CheckReport,
    unread: Iterable[str],
    grant_of: Callable[[str], ObjectGrant],
    objects: Path,
    *,
    progress: Progress | None,
) -> CheckReport:
    """Read every byte of these items: all authentic, the digest as recorded, the padding zero."""
    findings, count, size = list(report.findings), 0, 0
    for reference in unread:
        grant = grant_of(reference)
        try:
            ObjectReader(objects, grant).verify(progress=progress)
        except errors.ObjectMissing:
            findings.append(Finding("missing", reference, ""))
        except errors.ObjectDamaged:
            findings.append(Finding("damaged", reference, ""))
        else:
            count += segment_count(grant.padded_bytes)
            size += grant.padded_bytes
    return replace(
        report,
        findings=tuple(findings),
        objects_read=count,
        objects_not_read=report.objects - count,
        bytes_read=size,
    )


def read_all(keeper: Keeper, *, progress: Progress | None) -> CheckReport:
    """Check everything and read every byte, here: the keeper, wherever it is, serves others meanwhile."""
    begun = keeper.check_begin()

    def further(count: int) -> None:
        keeper.verify_serving()
        if progress:
            progress(count)

    try:
        report = read(
            begun.report,
            begun.unread,
            partial(keeper.check_object, begun.intent),
            keeper.folder.objects,
            progress=further,
        )
    except BaseException as error:
        with contextlib.suppress(errors.VaultError):
            keeper.check_end(begun.intent, "failed", reason=type(error).__name__)
        raise
    found = report.findings[len(begun.report.findings) :]
    confirmed = keeper.check_end(begun.intent, "done", found, size=report.bytes_read)
    return replace(report, findings=begun.report.findings + confirmed)


def _check_headers(door: Door, tally: _Tally) -> None:
    for name in door.folder.damaged_headers(door.header):
        tally.find("header", name)
    if door.registry.setting("header") != door.header.digest():
        tally.find("header", header.FILE_NAMES[0])


def _check_case(door: Door, receipt: Receipt, case: CaseRow, tally: _Tally) -> bool:
    """Whether all of the case's objects became known."""
    was_open = door.is_open(case.case_id)
    try:
        key = door.registry.unwrap_case_key(receipt, case.case_id)
        compartment = door.opened(case, key)
        for problem in compartment.problems():
            tally.find("database", case.code, problem)
        if (compartment.count(schema.ITEMS), compartment.count(schema.PERSONS)) != (case.items, case.persons):
            tally.find("database", case.code, "counts")
        rows = compartment.rows(schema.ITEMS)
        tally.known_objects |= {blob(row, "object_id"): segment_count(integer(row, "padded_bytes")) for row in rows}
        keys = compartment.unwrap_all_object_keys(receipt)
        for row in rows:
            _check_object(door, receipt, keys.get(blob(row, "object_id")), case, row, tally)
        for row in shares.of_case(door.registry, case.case_id):
            shares.open_told(shares.told_key(key), row)
    except errors.OlderCopy:
        tally.find("older copy", case.code)
        return False
    except errors.VaultError as error:
        tally.find("database", case.code, type(error).__name__)
        return False
    finally:
        if not was_open:
            door.drop(case.case_id)
    return True


def _check_object(door: Door, receipt: Receipt, key: ObjectKey | None, case: CaseRow, row: Row, tally: _Tally) -> None:
    tally.items += 1
    tally.objects += segment_count(integer(row, "padded_bytes"))
    reference = references.item_reference(case.code, integer(row, "number"))
    if key is None:
        tally.find("key missing", reference)
        return
    folder_id, intent = door.header.folder_id, receipt.number
    grant = items.grant(row, intent=intent, code=case.code, case_id=case.case_id, folder_id=folder_id, key=key)
    try:
        ObjectReader(door.folder.objects, grant).verify_sizes()
    except errors.ObjectMissing:
        tally.find("missing", reference)
    except errors.ObjectDamaged:
        tally.find("damaged", reference)
    else:
        # There may be a hundred thousand: what a reader does not need is not kept.
        tally.unread[reference] = replace(grant, sha512=None, file_name=None, media_type=None, title="")


def _check_drafts(door: Door, receipt: Receipt, case: CaseRow, tally: _Tally) -> None:
    for number, row in enumerate(door.registry.drafts(case.case_id), 1):
        subject = f"{case.code}, draft {number}"
        draft_id = blob(row, "draft_id")
        try:
            key = door.registry.unwrap_draft_key(receipt, row)
            found = drafts.DraftFiles(
                door.folder.drafts, key, folder_id=door.header.folder_id, case_id=case.case_id, draft_id=draft_id
            ).read()
        except errors.VaultError:
            there = any((door.folder.drafts / name).exists() for name in drafts.file_names(draft_id))
            if there or not door.folder.is_backup:  # it may have ended while it was backed up
                tally.find("damaged" if there else "missing", subject)
            continue
        if found.is_older_than(integer(row, "version"), optional_blob(row, "digest")):
            tally.find("older copy", subject)
        elif found.damaged:
            tally.find("damaged", subject)


def _check_identities(registry: Registry, tally: _Tally) -> None:
    if any(not identity.agrees(row) for row in registry.rows(schema.IDENTITY)):
        tally.find("identity", "vault")
    for row in partners.everyone(registry):
        if not partners.agrees(row):
            tally.find("partner", text(row, "name"))
    for row in registry.rows(schema.SHARES):
        if not shares.agrees(row):
            tally.find("receipt", f"{text(row, 'code')}-{integer(row, 'sequence')}")


def _check_strays(door: Door, cases: list[CaseRow], tally: _Tally, *, whole: bool) -> None:
    for name in backup_marker.FILE_NAMES:
        if os.path.lexists(door.folder.path / name):
            tally.find("stray", name)
    for epoch, path in sorted(door.folder.vault_databases().items()):
        if epoch != door.header.epoch:
            tally.find("stray", path.name)
    expected = {(case.case_id, case.epoch) for case in cases}
    for case_id, epoch in sorted(door.folder.case_databases() - expected):
        tally.find("stray", f"cases/{case_id.hex()}-{epoch}.db")
    if not door.is_writing:  # else a save may be on its way just now
        for path in drafts.strays(door.folder.drafts, door.known_drafts()):
            tally.find("stray", f"drafts/{path.name}")
    if whole:  # otherwise nobody can say what belongs to a case that does not open
        for object_id, segments in sorted(door.folder.stored_objects().items()):
            if segments > tally.known_objects.get(object_id, 0):
                name = object_id.hex()
                tally.find("stray", f"objects/{name[:2]}/{name[2:]}")
