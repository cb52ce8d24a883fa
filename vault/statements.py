"""Circumstances of a statement: who gave it, where, in whose hands, and who was in the room.

Every later statement is another item with circumstances of its own; none overwrites another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from vault import cases, errors, schema, search
from vault.compartment import Compartment
from vault.references import parse_person, person_reference
from vault.requests import WITHIN_REACH, Change, Circumstances
from vault.tables import Row, integer, optional_text

FIELDS = tuple(field.name for field in fields(Circumstances))
_SEARCHED = ("place", "interpreter", "present", "earlier_accounts", "read_back", "signed", "recorded_by")
_NO_ANSWER = "it is not one of " + ", ".join(WITHIN_REACH)
_FIELD_IN_INDEX = "circumstances"


def change(compartment: Compartment, code: str, number: int, values: Mapping[str, str | None]) -> None:
    """Set circumstances of an item that is there; None leaves a field, empty text clears it.

    What they were stays in the history. Raises ``BadValue``, ``BadReference`` and ``NoSuchPerson``.
    """
    before = compartment.row(schema.STATEMENTS, number)
    row: Row = before or {**dict.fromkeys(schema.STATEMENTS.columns), "item": number}
    for field, value in values.items():
        if field not in FIELDS:
            raise errors.BadValue(field=field, reason="it cannot be changed")
        if value is not None:
            row[field] = _checked(compartment, code, field, value)
    if before is None and not any(row[field] for field in FIELDS):
        return
    compartment.put(schema.STATEMENTS, row)
    search.forget(compartment, str(number), _FIELD_IN_INDEX)
    found = [text for field in _SEARCHED if (text := optional_text(row, field))]
    search.index(compartment, str(number), _FIELD_IN_INDEX, " · ".join(found))


def _checked(compartment: Compartment, code: str, field: str, value: str) -> str | int | None:
    text = cases.optional_checked_text(field.replace("_", " "), value)
    if text is None:
        return None
    if field == "within_reach" and text not in WITHIN_REACH:
        raise errors.BadValue(field="within reach", reason=_NO_ANSWER)
    if field != "person":
        return text
    named, person = parse_person(text)
    if named != code:
        raise errors.BadValue(field="person", reason="it is a person of another case")
    if compartment.row(schema.PERSONS, person) is None:
        raise errors.NoSuchPerson(reference=person_reference(code, person))
    return person


def details(compartment: Compartment, code: str, number: int) -> Circumstances | None:
    """The circumstances of an item, or None if nothing was ever said of them."""
    row = compartment.row(schema.STATEMENTS, number)
    return None if row is None else Circumstances(**_told(code, row))


def history(compartment: Compartment, code: str, number: int) -> tuple[Change, ...]:
    """What the circumstances were before, oldest first."""
    changes = []
    before: dict[str, str | None] | None = None
    for when, row in compartment.history(schema.STATEMENTS, number):
        after = _told(code, row)
        if before is not None:
            changes += [
                Change(when, field, before[field], after[field]) for field in FIELDS if before[field] != after[field]
            ]
        before = after
    return tuple(changes)


def _told(code: str, row: Row) -> dict[str, str | None]:
    told = {field: optional_text(row, field) for field in FIELDS if field != "person"}
    return told | {"person": None if row["person"] is None else person_reference(code, integer(row, "person"))}
