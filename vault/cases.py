"""A case inside its compartment: its own description, remarks and tags, and what is left of what was deleted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from vault import errors, schema, search
from vault.compartment import Compartment
from vault.registry import CaseRow
from vault.requests import CaseDetails, CaseSummary, Change, Disposal, Note
from vault.store import Value
from vault.tables import Row, Table, optional_text, text

_ONLY = 1
_FIELDS = ("title", "description")
_LONGEST_TEXT = 1 << 20

# Items are numbered from 1, so the case's own tags go under 0.
OF_THE_CASE = 0


def begin(compartment: Compartment, *, code: str, title: str, now: str) -> None:
    """The first row of a new case."""
    title = checked_text("title", title)
    compartment.put(schema.CASE, {"id": _ONLY, "code": code, "title": title, "description": None, "created": now})
    search.index(compartment, search.CASE_REFERENCE, "title", title)


def title(compartment: Compartment) -> str:
    """The case's title."""
    return str(_row(compartment)["title"])


def details(compartment: Compartment, case: CaseRow) -> CaseDetails:
    """Everything about the case besides its items and persons."""
    row = _row(compartment)
    sizes = [item["size_bytes"] for item in compartment.rows(schema.ITEMS)]
    return CaseDetails(
        summary=CaseSummary(
            code=case.code,
            title=text(row, "title"),
            created=case.created,
            changed=case.changed,
            items=compartment.count(schema.ITEMS),
            persons=compartment.count(schema.PERSONS),
        ),
        description=optional_text(row, "description"),
        notes=notes(compartment, OF_THE_CASE),
        tags=tags(compartment, OF_THE_CASE),
        history=history(compartment, schema.CASE, _FIELDS, _ONLY),
        disposals=tuple(
            Disposal(f"{case.code}/{text(gone, 'reference')}", text(gone, "happened"), optional_text(gone, "reason"))
            for gone in compartment.rows(schema.DISPOSALS)
        ),
        size_bytes=sum(size for size in sizes if isinstance(size, int)),
    )


def edit(compartment: Compartment, *, title: str | None, description: str | None) -> None:
    """Change title or description; what they were stays in the history. Empty clears a description."""
    row = _row(compartment)
    if title is not None:
        row["title"] = checked_text("title", title)
        search.forget(compartment, search.CASE_REFERENCE, "title")
        search.index(compartment, search.CASE_REFERENCE, "title", title)
    if description is not None:
        row["description"] = checked_text("description", description) if description else None
        search.forget(compartment, search.CASE_REFERENCE, "description")
        search.index(compartment, search.CASE_REFERENCE, "description", description)
    compartment.put(schema.CASE, row)


def _row(compartment: Compartment) -> Row:
    row = compartment.row(schema.CASE, _ONLY)
    if row is None:
        raise errors.OlderCopy(what=compartment.store.what)
    return row


# Remarks and tags, of the case or of one item


def add_note(compartment: Compartment, item: int, remark: str, *, now: str) -> Note:
    """A further remark on an item, or on the case (``OF_THE_CASE``)."""
    checked = checked_text("note", remark)
    number = compartment.next_number("notes")
    compartment.put(schema.NOTES, {"item": item, "number": number, "text": checked, "written": now})
    search.index(compartment, _local_reference(item), "note", checked)
    return Note(checked, now)


def notes(compartment: Compartment, item: int) -> tuple[Note, ...]:
    """The remarks on an item or on the case, oldest first."""
    return tuple(Note(text(row, "text"), text(row, "written")) for row in compartment.rows(schema.NOTES, item))


def change_tags(compartment: Compartment, item: int, add: Iterable[str], remove: Iterable[str]) -> tuple[str, ...]:
    """Add and remove tags; returns all there are then."""
    present = set(tags(compartment, item))
    for tag in {checked_text("tag", tag) for tag in add} - present:
        compartment.put(schema.TAGS, {"item": item, "tag": tag})
    for tag in {tag.strip() for tag in remove} & present:
        compartment.erase(schema.TAGS, item, tag)
    left = tags(compartment, item)
    reference = _local_reference(item)
    search.forget(compartment, reference, "tag")
    for tag in left:
        search.index(compartment, reference, "tag", tag)
    return left


def tags(compartment: Compartment, item: int) -> tuple[str, ...]:
    """The tags of an item, or of the case (``OF_THE_CASE``)."""
    return tuple(text(row, "tag") for row in compartment.rows(schema.TAGS, item))


def _local_reference(item: int) -> str:
    """How the search index names an item inside its case, or the case itself."""
    return search.CASE_REFERENCE if item == OF_THE_CASE else str(item)


# What describes things generally


def checked_text(field: str, given: str) -> str:
    """Text as it may be stored: not empty, not huge, encodable. Raises ``BadValue``."""
    stripped = given.strip()
    if not stripped:
        raise errors.BadValue(field=field, reason="it is empty")
    if len(stripped) > _LONGEST_TEXT:
        raise errors.BadValue(field=field, reason="it is too long")
    try:
        stripped.encode()
    except UnicodeEncodeError:
        raise errors.BadValue(field=field, reason="it is not valid Unicode") from None
    return stripped


def optional_checked_text(field: str, given: str | None) -> str | None:
    """``checked_text``, or None for None and for nothing but white space."""
    return checked_text(field, given) if given and given.strip() else None


def history(compartment: Compartment, table: Table, fields: Iterable[str], *key: Value) -> tuple[Change, ...]:
    """What the row's fields were before, oldest first."""
    changes = []
    before: Mapping[str, Value] | None = None
    for when, after in compartment.history(table, *key):
        if before is not None:
            changes += [
                Change(when, field, optional_text(before, field), optional_text(after, field))
                for field in fields
                if before[field] != after[field]
            ]
        before = after
    return tuple(changes)


def dispose(compartment: Compartment, reference: str, reason: str | None, *, now: str) -> None:
    """Leave a record that something was here."""
    row: Row = dict.fromkeys(schema.DISPOSALS.columns)
    row |= {"reference": reference, "happened": now, "reason": optional_checked_text("reason", reason)}
    compartment.put(schema.DISPOSALS, row)
