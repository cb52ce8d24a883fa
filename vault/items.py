"""Items of a case: originals with what is known of them, revisions beside them, never one in place of another."""

from __future__ import annotations

import mimetypes
from dataclasses import asdict, fields

from crypto.keys import ObjectKey
from vault import cases, errors, schema, search, statements
from vault.arrivals import Origin
from vault.compartment import Compartment
from vault.objects import Staged
from vault.references import item_reference
from vault.requests import KINDS, Change, Description, ItemDetails, ItemSummary, ObjectGrant, Reception
from vault.tables import Row, blob, integer, optional_text, text

_EDITABLE = ("title", "kind", "source", "via", "recorded", "received", "language")
_KIND_OF_MEDIA = {"video": "video", "audio": "audio", "image": "photo", "text": "document"}
_DOCUMENTS = ("application/pdf", "application/msword", "application/rtf", "application/vnd.")
_LONGEST_FILE_NAME = 1024
_NO_KIND = "it is not one of " + ", ".join(KINDS)


def media_type(file_name: str | None) -> str | None:
    """The media type that a file name suggests."""
    return mimetypes.guess_type(file_name)[0] if file_name else None


def guessed_kind(file_name: str | None) -> str:
    """The kind of item that a file name suggests."""
    media = media_type(file_name) or ""
    if media.startswith(_DOCUMENTS):
        return "document"
    return _KIND_OF_MEDIA.get(media.partition("/")[0], "other")


def add(
    compartment: Compartment,
    staged: Staged,
    description: Description,
    *,
    code: str,
    file_name: str | None,
    words: str | None,
    revises: int | None,
    now: str,
    origin: Origin | None = None,
    media: str | None = None,
) -> tuple[int, bool]:
    """Add an item with these bytes, or another reception of the one that has them already.

    Returns its number, and whether the bytes were there before. ``origin`` tells from which file the reception is,
    and ``media`` what its sender says that the bytes are.
    """
    file_name = _checked_file_name(file_name)
    known = compartment.first_with(schema.ITEMS, "sha256", staged.sha256) if revises is None else None
    if revises is not None:
        stored_row(compartment, code, revises)
    if known is not None:
        number = integer(known, "number")
    else:
        media = media or media_type(file_name) or ("text/plain" if words is not None else None)
        number = _add_new(
            compartment,
            staged,
            description,
            file_name=file_name,
            media=media,
            words=words,
            revises=revises,
            now=now,
        )
    reception: Row = dict.fromkeys(schema.RECEPTIONS.columns)
    reception |= {
        "item": number,
        "number": (reception_number := compartment.next_number("receptions")),
        "happened": now,
        "file_name": file_name,
        **_circumstances(description),
    }
    compartment.put(schema.RECEPTIONS, reception)
    if origin is not None:
        compartment.put(schema.ORIGINS, {"item": number, "number": reception_number, **asdict(origin)})
    if description.note:
        cases.add_note(compartment, number, description.note, now=now)
    if description.tags:
        cases.change_tags(compartment, number, description.tags, ())
    return number, known is not None


def _add_new(
    compartment: Compartment,
    staged: Staged,
    description: Description,
    *,
    file_name: str | None,
    media: str | None,
    words: str | None,
    revises: int | None,
    now: str,
) -> int:
    number = compartment.next_number("items")
    title = cases.checked_text("title", description.title or file_name or f"{number}")
    row: Row = dict.fromkeys(schema.ITEMS.columns)
    row |= {
        "number": number,
        "kind": _checked_kind(description.kind) or guessed_kind(file_name),
        "title": title,
        "file_name": file_name,
        "media_type": media,
        "object_id": staged.object_id,
        "size_bytes": staged.size_bytes,
        "padded_bytes": staged.padded_bytes,
        "segments": staged.segments,
        "sha256": staged.sha256,
        "sha512": staged.sha512,
        "added": now,
        "language": cases.optional_checked_text("language", description.language),
        "revises": revises,
        **_circumstances(description),
    }
    compartment.put(schema.ITEMS, row)
    if revises is not None:
        compartment.put(schema.REVISIONS, {"item": revises, "number": number})
    _index(compartment, number, title=title, file_name=file_name)
    search.index(compartment, str(number), "text", words)
    return number


def replace_object(compartment: Compartment, code: str, number: int, staged: Staged) -> bytes:
    """Give an item the same bytes anew in place of an object that is lost; returns the id of the lost one."""
    row = stored_row(compartment, code, number)
    lost = blob(row, "object_id")
    row |= {"object_id": staged.object_id, "padded_bytes": staged.padded_bytes, "segments": staged.segments}
    compartment.put(schema.ITEMS, row)
    compartment.forget_object_key(lost)
    return lost


def _circumstances(description: Description) -> Row:
    return {
        "source": cases.optional_checked_text("source", description.source),
        "via": cases.optional_checked_text("via", description.via),
        "recorded": cases.optional_checked_text("recorded", description.recorded),
        "received": cases.optional_checked_text("received", description.received),
    }


def _index(compartment: Compartment, number: int, *, title: str, file_name: str | None) -> None:
    search.forget(compartment, str(number), "title", "file name")
    search.index(compartment, str(number), "title", title)
    if file_name and file_name != title:
        search.index(compartment, str(number), "file name", file_name)


def edit(compartment: Compartment, code: str, number: int, values: dict[str, str | None]) -> None:
    """Change what is said of an item; None leaves a field, empty text clears it where it may be empty."""
    row = stored_row(compartment, code, number)
    for field, value in values.items():
        if field not in _EDITABLE:
            raise errors.BadValue(field=field, reason="it cannot be changed")
        if value is None:
            continue
        if field == "kind":
            row[field] = _checked_kind(value)
        elif field == "title":
            row[field] = cases.checked_text(field, value)
        else:
            row[field] = cases.optional_checked_text(field, value)
    compartment.put(schema.ITEMS, row)
    _index(compartment, number, title=text(row, "title"), file_name=optional_text(row, "file_name"))


def delete(compartment: Compartment, code: str, number: int, reason: str | None, *, now: str) -> bytes:
    """Delete an item's row, key, remarks and words, leave a record of it; returns the id of its object."""
    row = stored_row(compartment, code, number)
    object_id = blob(row, "object_id")
    for table in (schema.NOTES, schema.TAGS, schema.RECEPTIONS, schema.REVISIONS, schema.ORIGINS):
        for belonging in compartment.rows(table, number):
            compartment.erase(table, *(belonging[name] for name in table.key))
    if row["revises"] is not None and compartment.row(schema.REVISIONS, row["revises"], number):
        compartment.erase(schema.REVISIONS, row["revises"], number)
    for table in (schema.STATEMENTS, schema.RETENTION):
        if compartment.row(table, number) is not None:
            compartment.erase(table, number)
    compartment.erase(schema.ITEMS, number)
    compartment.forget_object_key(object_id)
    search.forget(compartment, str(number))
    cases.dispose(compartment, str(number), reason, now=now)
    return object_id


def summaries(compartment: Compartment, code: str) -> tuple[ItemSummary, ...]:
    """All items, by number."""
    tags: dict[int, list[str]] = {}
    for tag in compartment.rows(schema.TAGS):
        tags.setdefault(integer(tag, "item"), []).append(text(tag, "tag"))
    rows = sorted(compartment.rows(schema.ITEMS), key=lambda row: integer(row, "number"))
    return tuple(_summary(row, code, tuple(sorted(tags.get(integer(row, "number"), ())))) for row in rows)


def numbers(compartment: Compartment) -> tuple[int, ...]:
    """The numbers of all items, in order."""
    return tuple(sorted(integer(row, "number") for row in compartment.rows(schema.ITEMS)))


def details(compartment: Compartment, code: str, number: int) -> ItemDetails:
    """Everything about an item besides its bytes. Raises ``NoSuchItem``."""
    row = stored_row(compartment, code, number)
    receptions = compartment.rows(schema.RECEPTIONS, number)
    revisions = compartment.rows(schema.REVISIONS, number)
    origins = {each["number"]: _origin(each) for each in compartment.rows(schema.ORIGINS, number)}
    return ItemDetails(
        summary=_summary(row, code, cases.tags(compartment, number)),
        file_name=optional_text(row, "file_name"),
        media_type=optional_text(row, "media_type"),
        sha256=text(row, "sha256"),
        sha512=optional_text(row, "sha512"),
        source=optional_text(row, "source"),
        via=optional_text(row, "via"),
        received=optional_text(row, "received"),
        language=optional_text(row, "language"),
        receptions=tuple(
            Reception(
                when=text(each, "happened"),
                origin=origins.get(each["number"]),
                **{name: optional_text(each, name) for name in ("file_name", "source", "via", "recorded", "received")},
            )
            for each in receptions
        ),
        revisions=tuple(item_reference(code, integer(each, "number")) for each in revisions),
        notes=cases.notes(compartment, number),
        history=_history(compartment, code, number),
        statement=statements.details(compartment, code, number),
    )


def _origin(row: Row) -> Origin:
    return Origin(**{each.name: row[each.name] for each in fields(Origin)})  # type: ignore[arg-type]  # the columns have these types


def _history(compartment: Compartment, code: str, number: int) -> tuple[Change, ...]:
    of_item = cases.history(compartment, schema.ITEMS, _EDITABLE, number)
    return tuple(sorted((*of_item, *statements.history(compartment, code, number)), key=lambda change: change.when))


def title(compartment: Compartment, code: str, number: int) -> str:
    """An item's title. Raises ``NoSuchItem``."""
    return text(stored_row(compartment, code, number), "title")


def grant(row: Row, *, intent: int, code: str, case_id: bytes, folder_id: bytes, key: ObjectKey) -> ObjectGrant:
    """What a command needs to read the item's bytes."""
    return ObjectGrant(
        intent=intent,
        reference=item_reference(code, integer(row, "number")),
        object_id=blob(row, "object_id"),
        case_id=case_id,
        folder_id=folder_id,
        key=key.raw,
        size_bytes=integer(row, "size_bytes"),
        padded_bytes=integer(row, "padded_bytes"),
        sha256=text(row, "sha256"),
        sha512=optional_text(row, "sha512"),
        file_name=optional_text(row, "file_name"),
        media_type=optional_text(row, "media_type"),
        kind=text(row, "kind"),
        title=text(row, "title"),
    )


def stored_row(compartment: Compartment, code: str, number: int) -> Row:
    """The item's row as it is stored. Raises ``NoSuchItem``."""
    row = compartment.row(schema.ITEMS, number)
    if row is None:
        raise errors.NoSuchItem(reference=item_reference(code, number))
    return row


def _summary(row: Row, code: str, tags: tuple[str, ...]) -> ItemSummary:
    return ItemSummary(
        reference=item_reference(code, integer(row, "number")),
        kind=text(row, "kind"),
        title=text(row, "title"),
        size_bytes=integer(row, "size_bytes"),
        added=text(row, "added"),
        recorded=optional_text(row, "recorded"),
        tags=tags,
        revises=None if row["revises"] is None else item_reference(code, integer(row, "revises")),
    )


def _checked_kind(kind: str | None) -> str | None:
    if kind is not None and kind not in KINDS:
        raise errors.BadValue(field="kind", reason=_NO_KIND)
    return kind


def _checked_file_name(name: str | None) -> str | None:
    if name is None:
        return None
    # A name that is not valid Unicode on this disk is kept readable, with what could not be decoded marked.
    return cases.optional_checked_text("file name", name.encode(errors="replace").decode()[:_LONGEST_FILE_NAME])
