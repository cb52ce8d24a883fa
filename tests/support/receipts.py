"""Receipts as a recipient writes them who has an identity and no vault: right ones, and any part of them put wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sealing import sealed
from somebody import Somebody

from crypto import age, mldsa, sshsig
from crypto.encoding import canonical_json
from crypto.keys import IdentityEd25519Key, IdentityMLDSAKey
from crypto.labels import SignedKind
from crypto.signing import Checkpoint
from vault import Vault, bag, schema
from vault.archive import packed
from vault.confirmations import CARD, MLDSA_SIGNATURE, PADDING, RECEIPT, SHOWN, SIGNATURE
from vault.log_proofs import last_certificate
from vault.tables import Row

PROOF = (bag.TAGMANIFEST, bag.SIGNATURE, bag.MLDSA_SIGNATURE, bag.LOG_CHECKPOINT)
GENERATION = "log-generation.json"
TOP = "receipt-0123456789abcdef"


def said(by: Somebody, to: str, row: Row, **values: Any) -> dict[str, Any]:
    """What receipt.json says of a file that a vault sealed, with its row of ``shares``."""
    return {
        "form": 1,
        "checkpoint": None,
        "by": by.fingerprint.hex(),
        "to": to,
        "share_id": row["share_id"].hex(),
        "digest": row["digest"].hex(),
        "manifest_sha256": row["manifest"].hex(),
        "items": 2,
        "complete": True,
        "arrived": "2026-11-23T10:00:00Z",
        "made": "2026-11-23T10:05:00Z",
    } | values


def parts(
    by: Somebody, content: dict[str, Any] | bytes, *, kind: SignedKind = SignedKind.RECEIPT, **replaced: bytes
) -> dict[str, bytes]:
    """The members before the padding; ``replaced`` takes receipt, sshsig, mldsa65, card, shown after the signing."""
    receipt = content if isinstance(content, bytes) else canonical_json(content)
    return {
        RECEIPT: replaced.get("receipt", receipt),
        SIGNATURE: replaced.get("sshsig", sshsig.sign(by.ed25519, receipt, kind=kind)),
        MLDSA_SIGNATURE: replaced.get("mldsa65", mldsa.sign(by.mldsa65, receipt, kind=kind)),
        CARD: replaced.get("card", by.card()),
    } | ({SHOWN: replaced["shown"]} if "shown" in replaced else {})


def shown(files: Mapping[str, bytes]) -> bytes:
    """What a receipt carries of a file's own signatures, and of its generation, from its tag files."""
    certificate = last_certificate(files[bag.LOG_PROOFS])
    return packed([*((name, files[name]) for name in PROOF), (GENERATION, certificate)])


def another_history(vault: Vault, files: Mapping[str, bytes], number: int = 0) -> tuple[str, bytes]:
    """A state that the log of this vault never had, which its own keys have signed: its text, and what proves it."""
    named = Checkpoint.from_bytes(files[bag.LOG_CHECKPOINT].partition(b"\n\n")[0] + b"\n")
    never = replace(named, root=number.to_bytes(32, "big"))
    note = files[bag.LOG_CHECKPOINT].replace(named.to_bytes(), never.to_bytes())
    signed = bag.tagmanifest({**files, bag.LOG_CHECKPOINT: note})
    (row,) = vault.keeper.registry.rows(schema.IDENTITY)
    keys = IdentityEd25519Key(bytes(row["ed25519_seed"])), IdentityMLDSAKey(bytes(row["mldsa65_seed"]))
    return never.to_bytes().decode(), shown(
        {
            bag.TAGMANIFEST: signed,
            bag.SIGNATURE: sshsig.sign(keys[0], signed, kind=SignedKind.SEALED_FILE),
            bag.MLDSA_SIGNATURE: mldsa.sign(keys[1], signed, kind=SignedKind.SEALED_FILE),
            bag.LOG_CHECKPOINT: note,
            bag.LOG_PROOFS: files[bag.LOG_PROOFS],
        }
    )


def members(found: dict[str, bytes], *, top: str = TOP) -> list[tuple[str, bytes]]:
    named = [(f"{top}/{name}", data) for name, data in found.items()]
    layout = bag.padded([(name, len(data)) for name, data in named], f"{top}/{PADDING}")
    return [*named, (f"{top}/{PADDING}", bytes(layout.padding_bytes))]


def hybrid(vault: Vault) -> age.Recipient:
    """For whom a receipt to this vault is sealed."""
    return age.parse_recipient(vault.identity.show().age_recipient)


def receipt(by: Somebody, to: Vault, content: dict[str, Any] | bytes, **wrong: Any) -> bytes:
    """A whole receipt for a vault."""
    return sealed(packed(members(parts(by, content, **wrong))), hybrid(to))
