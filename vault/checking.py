"""Reads everything and says what is damaged. Damage is data here: the first finding does not end the reading."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from crypto.keys import ObjectKey
from vault import backup_marker, errors, header, items, references, schema
from vault.compartment import all_objects_grant
from vault.objects import ObjectReader, segment_count
from vault.receipts import Receipt
from vault.registry import CaseRow, case_grant
from vault.requests import CheckReport, Finding
from vault.tables import Row, blob, integer

if TYPE_CHECKING:
    from vault.door import Door

Progress = Callable[[int], None]


def grants(cases: list[CaseRow]) -> tuple[str, ...]:
    """What the receipt of a check must hold."""
    return tuple(grant for case in cases for grant in (case_grant(case), all_objects_grant(case.case_id)))


class _Tally:
    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.items = 0
        self.objects = 0
        self.read = 0
        self.bytes_read = 0
        self.known_objects: dict[bytes, int] = {}  # with the number of their files

    def find(self, kind: str, subject: str, detail: str = "") -> None:
        self.findings.append(Finding(kind, subject, detail))


def check(door: Door, receipt: Receipt, *, read_data: bool, progress: Progress | None) -> CheckReport:
    """See ``Keeper.check``.

    1. Both copies of the header, and that they are the ones that vault.db knows.
    2. vault.db: the database's own checks, and the log: leaves, steps, root, bodies against commitments.
    3. Every case: the database's own checks, its chain of changes, each row against its last change.
    4. Every object: there, of the right size; with ``read_data`` every byte, the digest, and that padding is zero.
    5. Files that belong to nothing.
    """
    tally = _Tally()
    _check_headers(door, tally)
    for problem in [*door.registry.store.problems(), *door.log.problems()]:
        tally.find("database", "vault", problem)
    cases = door.registry.cases()
    whole = True
    for case in cases:
        whole = _check_case(door, receipt, case, tally, read_data=read_data, progress=progress) and whole
    if not door.folder.is_backup:  # what an interrupted backup left there belongs to nothing, and harms nothing
        _check_strays(door, cases, tally, whole=whole)
    return CheckReport(
        findings=tuple(tally.findings),
        cases=len(cases),
        items=tally.items,
        objects=tally.objects,
        objects_read=tally.read,
        objects_not_read=tally.objects - tally.read,
        bytes_read=tally.bytes_read,
        log_entries=door.registry.frontier.size,
    )


def _check_headers(door: Door, tally: _Tally) -> None:
    for name in door.folder.damaged_headers(door.header):
        tally.find("header", name)
    if door.registry.setting("header") != door.header.digest():
        tally.find("header", header.FILE_NAMES[0])


def _check_case(
    door: Door, receipt: Receipt, case: CaseRow, tally: _Tally, *, read_data: bool, progress: Progress | None
) -> bool:
    """Whether all of the case's objects became known."""
    was_open = door.is_open(case.case_id)
    try:
        compartment = door.opened(case, door.registry.unwrap_case_key(receipt, case.case_id))
    except errors.OlderCopy:
        tally.find("older copy", case.code)
        return False
    except errors.VaultError as error:
        tally.find("database", case.code, type(error).__name__)
        return False
    try:
        for problem in compartment.problems():
            tally.find("database", case.code, problem)
        if (compartment.count(schema.ITEMS), compartment.count(schema.PERSONS)) != (case.items, case.persons):
            tally.find("database", case.code, "counts")
        rows = compartment.rows(schema.ITEMS)
        tally.known_objects |= {blob(row, "object_id"): segment_count(integer(row, "padded_bytes")) for row in rows}
        keys = compartment.unwrap_all_object_keys(receipt)
        for row in rows:
            _check_object(
                door, keys.get(blob(row, "object_id")), case, row, tally, read_data=read_data, progress=progress
            )
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


def _check_object(
    door: Door,
    key: ObjectKey | None,
    case: CaseRow,
    row: Row,
    tally: _Tally,
    *,
    read_data: bool,
    progress: Progress | None,
) -> None:
    tally.items += 1
    segments = segment_count(integer(row, "padded_bytes"))
    tally.objects += segments
    if key is None:
        tally.find("key missing", references.item_reference(case.code, integer(row, "number")))
        return
    grant = items.grant(row, intent=0, code=case.code, case_id=case.case_id, folder_id=door.header.folder_id, key=key)
    reader = ObjectReader(door.folder.objects, grant)
    try:
        if read_data:
            reader.verify(progress=progress)
            tally.read += segments
            tally.bytes_read += integer(row, "padded_bytes")
        else:
            reader.verify_sizes()
    except errors.ObjectMissing:
        tally.find("missing", grant.reference)
    except errors.ObjectDamaged:
        tally.find("damaged", grant.reference)


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
    if whole:  # otherwise nobody can say what belongs to a case that does not open
        for object_id, segments in sorted(door.folder.stored_objects().items()):
            if segments > tally.known_objects.get(object_id, 0):
                name = object_id.hex()
                tally.find("stray", f"objects/{name[:2]}/{name[2:]}")
