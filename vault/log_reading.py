"""Reading the log back: entries as lists show them, or whole, to be disclosed; nothing of it before there is an intent to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from crypto.errors import CryptoError
from vault import errors, log_rows
from vault.leaves import Leaf
from vault.log_bodies import Body, unseal_body
from vault.log_checking import is_in_place
from vault.log_requests import LogEntry
from vault.log_rows import EntryRow

if TYPE_CHECKING:
    from vault.receipts import Receipt
    from vault.registry import CaseRow, Registry


def entries(registry: Registry, receipt: Receipt, case: CaseRow | None) -> list[LogEntry]:
    """The entries of one case, or all that can still be unsealed, oldest first, for a recorded intent.

    Raises ``ReceiptRefused``; ``OlderCopy`` if one is missing, or stands elsewhere than in its case; ``DatabaseDamaged``.
    """
    receipt.spend("log")
    return [_log_entry(row.number, body.fields) for row, body in _in_order(registry, _all_rows(registry, case))]


def unsealed(
    registry: Registry, receipt: Receipt, case: CaseRow | None, numbers: Iterable[int]
) -> Iterator[tuple[EntryRow, Body]]:
    """One case's entries, or those with these numbers, to be disclosed: each leaf commits to its body.

    Raises ``ReceiptRefused``; ``NoSuchEntry`` for one that is not there, or that was deleted with its case; ``OlderCopy`` if
    one of the case is missing; ``DatabaseDamaged``.
    """
    receipt.spend("log")
    if case is not None:
        found = _in_order(registry, _all_rows(registry, case))
    else:
        found = ((row, unseal_body(registry, row)) for row in _chosen_rows(registry, numbers))
    for row, body in found:
        try:
            body.verify(Leaf.from_bytes(row.leaf).commitment)
        except CryptoError as error:
            raise errors.DatabaseDamaged(what=f"log entry {row.number}") from error
        yield row, body


def _all_rows(registry: Registry, case: CaseRow | None) -> list[EntryRow]:
    """The entries of one case, or all, in order. Raises ``OlderCopy`` if they are not as many as they should be."""
    where, values = ("WHERE case_id = ?", (case.case_id,)) if case else ("", ())
    found = registry.store.execute(
        f"SELECT {log_rows.ENTRY_COLUMNS} FROM log_entries {where} ORDER BY number",  # noqa: S608 (constants)
        values,
    )
    now = registry.case_by_id(case.case_id) if case else None  # the intent to read it is an entry of it too
    if len(found) != (now.entries if now else registry.frontier.size):
        raise errors.OlderCopy(what=registry.store.what)
    return [log_rows.entry_row(record) for record in found]


def _chosen_rows(registry: Registry, numbers: Iterable[int]) -> list[EntryRow]:
    known = {row.case_id for row in registry.cases()}
    rows = []
    for number in sorted(set(numbers)):
        found = registry.store.execute(
            f"SELECT {log_rows.ENTRY_COLUMNS} FROM log_entries WHERE number = ?",  # noqa: S608 (a constant)
            (number,),
        )
        if not found or (found[0][3] is not None and found[0][3] not in known):
            raise errors.NoSuchEntry(number=number)
        rows.append(log_rows.entry_row(found[0]))
    return rows


def _in_order(registry: Registry, rows: Iterable[EntryRow]) -> Iterator[tuple[EntryRow, Body]]:
    """What all entries say, of a case or of everything. Raises ``OlderCopy`` for one that is not the next of its case."""
    known = {row.case_id for row in registry.cases()}
    places: Counter[bytes] = Counter()
    for row in rows:
        if row.case_id is not None:
            if row.case_id not in known:
                continue  # the case was deleted, and with it what its entries say
            places[row.case_id] += 1
        body = unseal_body(registry, row)
        if not is_in_place(body.fields, places[row.case_id] if row.case_id is not None else 0):
            raise errors.OlderCopy(what=registry.store.what)
        yield row, body


def _log_entry(number: int, fields: dict[str, object]) -> LogEntry:
    case, item = fields["case"], fields["item"]
    return LogEntry(
        number=number,
        item=f"{case}/{item}" if case and item else item,  # type: ignore[arg-type]  # as size_bytes below
        when=str(fields["wall_time"]),
        size_bytes=fields["size"],  # type: ignore[arg-type]  # canonical JSON that the log wrote
        **{
            name: fields[name]  # type: ignore[arg-type]  # the same
            for name in ("act", "phase", "actor", "case", "digest", "purpose", "answers", "reason", "counterparty")
        },
        recipients=tuple(fields["recipients"] or ()),  # type: ignore[arg-type]  # the same
    )
