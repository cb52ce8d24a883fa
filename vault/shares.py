"""What was sealed for whom: one row for each file, and the place of each in the chain to its recipient.

Which items went, and what for, is sealed under the key of the case, so that it goes with the case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crypto import labels
from crypto.encoding import canonical_json, length_prefixed, parse_canonical_json
from crypto.errors import CryptoError
from crypto.keys import CaseKey, RecordKey, derive
from crypto.records import decrypt_record, encrypt_record
from vault import errors, schema
from vault.cards import Card
from vault.confirmations import Confirmation, Parts
from vault.registry import WHAT
from vault.sealing_requests import ShareSummary
from vault.tables import Row, blob, integer, optional_blob, optional_text, text

if TYPE_CHECKING:
    from vault.registry import Registry

# What is known of a file: it was announced and signed, and may or may not have been finished; it was finished; nothing
# of it is left.
SIGNED, SENT, FAILED = "signed", "sent", "failed"

PASSPHRASE = "passphrase"  # noqa: S105 -- a kind of recipient


@dataclass(frozen=True, slots=True)
class Told:
    """What a file holds and why it was made: numbers of items and persons, and text."""

    items: tuple[int, ...]
    persons: tuple[int, ...]
    includes: tuple[str, ...]
    purpose: str | None
    terms: str | None


def told_key(case_key: CaseKey) -> RecordKey:
    """What seals ``Told`` in the rows of a case."""
    return derive(case_key, labels.CASE_SHARES, RecordKey)


def seal_told(key: RecordKey, share_id: bytes, told: Told) -> bytes:
    """``Told`` as the index has it."""
    value = {name: getattr(told, name) for name in Told.__dataclass_fields__}
    listed = {name: list(each) if isinstance(each, tuple) else each for name, each in value.items()}
    return encrypt_record(key, canonical_json(listed), context=_context(share_id))


def open_told(key: RecordKey, row: Row) -> Told | None:
    """What a row tells; None where its case is deleted. Raises ``DatabaseDamaged``."""
    sealed = blob(row, "told")
    if not sealed:
        return None
    try:
        value = parse_canonical_json(decrypt_record(key, sealed, context=_context(blob(row, "share_id"))))
    except CryptoError as error:
        raise errors.DatabaseDamaged(what=WHAT) from error
    told: Mapping[str, Any] = value if isinstance(value, dict) else {}
    return Told(
        items=tuple(told["items"]),
        persons=tuple(told["persons"]),
        includes=tuple(told["includes"]),
        purpose=told["purpose"],
        terms=told["terms"],
    )


def _context(share_id: bytes) -> bytes:
    return length_prefixed(labels.CASE_SHARES, share_id)


def following(registry: Registry, kind: str, recipient: str, case_id: bytes) -> tuple[int, bytes | None]:
    """The number of the next file to this recipient, and the digest of the newest one that may have reached them.

    Whoever is known by a spoken passphrase is a recipient of one file only: these are counted by case, so that two of
    them do not mix when they are unpacked, and none names another. A number is never given again.
    """
    before = sorted(
        (
            row
            for row in registry.rows(schema.SHARES)
            if row["recipient_kind"] == kind and row["recipient"] == recipient
            if kind != PASSPHRASE or row["case_id"] == case_id
        ),
        key=lambda row: integer(row, "sequence"),
    )
    sequence = integer(before[-1], "sequence") + 1 if before else 1
    perhaps_sent = [blob(row, "digest") for row in before if row["state"] != FAILED]
    return sequence, perhaps_sent[-1] if perhaps_sent and kind != PASSPHRASE else None


def renew(registry: Registry, case_id: bytes, *, before: CaseKey, after: CaseKey) -> None:
    """Seal what the rows of a case tell under its new key, inside a step that gives the case this key."""
    for row in of_case(registry, case_id):
        told = open_told(told_key(before), row)
        if told is not None:
            share_id = blob(row, "share_id")
            registry.put(schema.SHARES, {**row, "told": seal_told(told_key(after), share_id, told)})


def forget(registry: Registry, case_id: bytes) -> None:
    """Keep of a deleted case that a file was sent, to whom and when; inside the step that deletes it."""
    for row in of_case(registry, case_id):
        registry.put(schema.SHARES, {**row, "told": b""})


def of_case(registry: Registry, case_id: bytes) -> list[Row]:
    """The rows of a case."""
    return [row for row in registry.rows(schema.SHARES) if row["case_id"] == case_id]


def confirmation(row: Row) -> Confirmation | None:
    """What the recipient has signed of a file, as it was taken in. Raises ``DatabaseDamaged``."""
    kept = optional_blob(row, "receipt")
    if kept is None:
        return None
    try:
        return Confirmation.from_bytes(Parts.from_signed_bytes(kept).receipt)
    except errors.BadReceipt as error:
        raise errors.DatabaseDamaged(what=WHAT) from error


def agrees(row: Row) -> bool:
    """Whether what is kept of a receipt is signed by the recipient of this file, and about it."""
    kept = optional_blob(row, "receipt")
    if kept is None:
        return row["confirmed"] is None
    try:
        parts = Parts.from_signed_bytes(kept)
        card = Card.from_bytes(parts.card)
        said = parts.verified(card)
    except (errors.BadReceipt, errors.BadCard):
        return False
    by = card.fingerprint.hex()
    return (
        row["confirmed"] is not None and by == said.by == row["recipient"] and said.digest == blob(row, "digest").hex()
    )


def summary(row: Row, told: Told | None, partner: Row | None) -> ShareSummary:
    """A row as it is shown."""
    said = confirmation(row)
    return ShareSummary(
        share_id=blob(row, "share_id").hex(),
        code=text(row, "code"),
        partner=None if partner is None else text(partner, "name"),
        removed=None if partner is None else optional_text(partner, "removed"),
        recipient=text(row, "recipient"),
        recipient_kind=text(row, "recipient_kind"),
        protection=text(row, "protection"),
        grade=optional_text(row, "grade"),
        sequence=integer(row, "sequence"),
        made=text(row, "made"),
        state=text(row, "state"),
        size_bytes=None if row["size_bytes"] is None else integer(row, "size_bytes"),
        sha256=optional_text(row, "sha256"),
        confirmed=optional_text(row, "confirmed"),
        arrived=None if said is None else said.arrived,
        complete=None if said is None else said.complete,
        arrived_items=None if said is None else said.items,
        items=() if told is None else told.items,
        persons=() if told is None else told.persons,
        includes=() if told is None else told.includes,
        purpose=None if told is None else told.purpose,
        terms=None if told is None else told.terms,
    )
