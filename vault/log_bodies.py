"""What an entry of the log says: fields that its leaf commits to, sealed under the key of the case that they speak of."""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crypto import labels
from crypto.commitments import SECRET_SIZE, commit, disclosed, verify_commitment
from crypto.encoding import canonical_json, length_prefixed, parse_canonical_json, uint64
from crypto.errors import CryptoError
from crypto.records import decrypt_record, encrypt_record
from vault import errors

if TYPE_CHECKING:
    from vault.log_rows import EntryRow
    from vault.registry import Registry

# Always all present, null when empty, so that a body's size says little and a verifier needs no cases.
FIELDS = (
    "act",
    "actor",
    "answers",
    "boot_id",
    "case",
    "condition",
    "consent",
    "counterparty",
    "digest",
    "entry",
    "heads",
    "item",
    "monotonic_ms",
    "objects",
    "phase",
    "purpose",
    "query",
    "reason",
    "recipients",
    "role",
    "size",
    "software",
    "state_after",
    "state_before",
    "wall_time",
)
_FIRST_FIELDS = frozenset(FIELDS) - {"heads"}  # what entries of before have


@dataclass(frozen=True, slots=True)
class Body:
    """The fields of an entry, and the secret of the commitment to them. See ``crypto.commitments``."""

    secret: bytes = field(repr=False)
    fields: dict[str, object] = field(repr=False)

    @classmethod
    def new(cls, fields: dict[str, object]) -> Body:
        """These fields, under a secret of their own."""
        return cls(secrets.token_bytes(SECRET_SIZE), fields)

    @property
    def commitment(self) -> bytes:
        """What the leaf keeps of it, 32 bytes."""
        return commit(self.secret, self.fields)

    def verify(self, commitment: bytes) -> None:
        """Raises ``CommitmentMismatch`` unless a leaf with this commitment is that of this body."""
        verify_commitment(commitment, self.secret, self.fields)

    def disclosed(self, shown: Collection[str]) -> list[dict[str, object]]:
        """See ``crypto.commitments.disclosed``."""
        return disclosed(self.secret, self.fields, shown)


def seal_body(registry: Registry, number: int, body: Body, case_id: bytes | None, epoch: int | None = None) -> bytes:
    """A body for the entry of this number, sealed under a case's key of an epoch (None: now), or without a case under the
    vault's.
    """
    data = canonical_json({"fields": body.fields, "secret": body.secret})
    return encrypt_record(registry.log_key(case_id, epoch), data, context=_context(registry, number))


def unseal_body(registry: Registry, row: EntryRow) -> Body:
    """What an entry says; whether its leaf commits to it is not asked. Raises ``DatabaseDamaged``, also where the key is gone."""
    try:
        opened = decrypt_record(
            registry.log_key(row.case_id, row.epoch), row.body, context=_context(registry, row.number)
        )
        value = parse_canonical_json(opened)
        body = Body(bytes.fromhex(value["secret"]), value["fields"])  # type: ignore[index]  # another form is an error below
        if body.fields.keys() - {"heads"} != _FIRST_FIELDS:
            raise errors.DatabaseDamaged(what=f"log entry {row.number}")
        return body
    except (CryptoError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise errors.DatabaseDamaged(what=f"log entry {row.number}") from error


def _context(registry: Registry, number: int) -> bytes:
    return length_prefixed(labels.LOG_BODY, registry.setting("vault_id"), uint64(number))
