"""Persons of a case and how they can be reached. Every field is as sensitive as the statement itself."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, fields

from crypto.encoding import canonical_json
from vault import cases, errors, schema, search
from vault.compartment import Compartment
from vault.references import person_reference
from vault.requests import PersonDetails, PersonFields
from vault.tables import Row, integer, optional_text, text

_LISTS = ("aliases", "phones", "mails", "messengers", "addresses")
_CONTACTS = ("phones", "mails", "messengers", "addresses")
_FIELDS = tuple(field.name for field in fields(PersonFields))


def add(compartment: Compartment, person: PersonFields, *, now: str) -> int:
    """A further person; returns the number."""
    number = compartment.next_number("persons")
    row: Row = dict.fromkeys(schema.PERSONS.columns)
    row |= {"number": number, "added": now, **_columns(person)}
    compartment.put(schema.PERSONS, row)
    _index(compartment, number, row)
    return number


def edit(compartment: Compartment, code: str, number: int, values: dict[str, object]) -> None:
    """Change fields; None leaves one. What they were stays in the history. Raises ``NoSuchPerson``."""
    row = _row(compartment, code, number)
    merged = asdict(_fields(row)) | {name: value for name, value in values.items() if value is not None}
    if set(merged) != set(_FIELDS):
        raise errors.BadValue(field="person", reason="it has no such field")
    row |= _columns(PersonFields(**merged))
    compartment.put(schema.PERSONS, row)
    _index(compartment, number, row)


def remove(compartment: Compartment, code: str, number: int, reason: str | None, *, now: str) -> None:
    """Delete a person and what is known of them; a record stays that somebody was here."""
    _row(compartment, code, number)
    compartment.erase(schema.PERSONS, number)
    search.forget(compartment, f"p{number}")
    cases.dispose(compartment, f"p{number}", reason, now=now)


def details(compartment: Compartment, code: str, number: int) -> PersonDetails:
    """Everything about a person. Raises ``NoSuchPerson``."""
    return _details(compartment, code, _row(compartment, code, number))


def name(compartment: Compartment, code: str, number: int) -> str:
    """A person's name. Raises ``NoSuchPerson``."""
    return text(_row(compartment, code, number), "name")


def everyone(compartment: Compartment, code: str) -> tuple[PersonDetails, ...]:
    """All persons of the case, by number."""
    rows = sorted(compartment.rows(schema.PERSONS), key=lambda row: integer(row, "number"))
    return tuple(_details(compartment, code, row) for row in rows)


def _details(compartment: Compartment, code: str, row: Row) -> PersonDetails:
    number = integer(row, "number")
    return PersonDetails(
        reference=person_reference(code, number),
        added=text(row, "added"),
        history=cases.history(compartment, schema.PERSONS, _FIELDS, number),
        **asdict(_fields(row)),
    )


def _row(compartment: Compartment, code: str, number: int) -> Row:
    row = compartment.row(schema.PERSONS, number)
    if row is None:
        raise errors.NoSuchPerson(reference=person_reference(code, number))
    return row


def _columns(person: PersonFields) -> Row:
    return {
        "name": cases.checked_text("name", person.name),
        "role": cases.optional_checked_text("role", person.role),
        "safe_times": cases.optional_checked_text("safe times", person.safe_times),
        **{name: _list_text(name, getattr(person, name)) for name in _LISTS},
    }


def _list_text(name: str, values: Iterable[str]) -> str:
    return canonical_json([cases.checked_text(name, value) for value in values if value.strip()]).decode()


def _fields(row: Row) -> PersonFields:
    return PersonFields(
        name=text(row, "name"),
        role=optional_text(row, "role"),
        safe_times=optional_text(row, "safe_times"),
        **{name: tuple(json.loads(str(row[name]))) for name in _LISTS},
    )


def _index(compartment: Compartment, number: int, row: Row) -> None:
    reference = f"p{number}"
    search.forget(compartment, reference)
    person = _fields(row)
    named = [person.name, *person.aliases, person.role]
    search.index(compartment, reference, "person", " · ".join(part for part in named if part))
    # Each on its own: whoever looks for a name does not get the telephone numbers shown beside it.
    for name in _CONTACTS:
        for value in getattr(person, name):
            search.index(compartment, reference, "contact", value)
