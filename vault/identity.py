"""Who a vault is to its partners: the seeds of its identity, and what is done with them.

An identity is made when it is first needed, and lives as long as the vault: no change of a passphrase renews it. Its
seeds leave the index for a receipt only, and nothing but the keeper uses them.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from crypto import age, fingerprints, mldsa, sshsig
from crypto.age import FileKey, HybridIdentity, X25519Identity
from crypto.keys import KEY_SIZE, IdentityEd25519Key, IdentityMLDSAKey
from crypto.labels import SignedKind
from vault import cards, errors, schema
from vault.cards import Card
from vault.registry import WHAT, Registry
from vault.sharing_requests import IdentityDetails
from vault.tables import Row, blob, optional_text, text

if TYPE_CHECKING:
    from vault.receipts import Receipt

ONLY = 0
GRANT = "identity"

_SEEDS = ("hybrid_seed", "x25519_seed", "ed25519_seed", "mldsa65_seed")


@dataclass(frozen=True, slots=True)
class Signatures:
    """Both signatures of one message: an armored SSHSIG, and the bytes of ML-DSA-65."""

    sshsig: bytes
    mldsa65: bytes


class OwnIdentity:
    """The identity with its private keys, for one act. It shows nothing, and is neither copied nor pickled."""

    __slots__ = ("_age", "_ed25519", "_mldsa65", "_row", "_vault_id")

    def __init__(self, registry: Registry, receipt: Receipt) -> None:
        """For an intent that the log has recorded. Raises ``ReceiptRefused``; ``DatabaseDamaged`` where there is none,
        or the seeds do not yield the public keys that stand beside them.
        """
        receipt.spend(GRANT)
        row = registry.row(schema.IDENTITY, ONLY)
        if row is None or not agrees(row):
            raise errors.DatabaseDamaged(what=WHAT)
        self._row, self._vault_id = row, registry.setting("vault_id")
        self._age = (HybridIdentity(blob(row, "hybrid_seed")), X25519Identity(blob(row, "x25519_seed")))
        self._ed25519 = IdentityEd25519Key(blob(row, "ed25519_seed"))
        self._mldsa65 = IdentityMLDSAKey(blob(row, "mldsa65_seed"))

    @property
    def fingerprint(self) -> bytes:
        """What stands for this identity."""
        return self.card(date="").fingerprint

    def card(self, *, date: str, classical: bool = False) -> Card:
        """The public half. With ``classical`` also the recipient for tools that know no hybrid ones; ``date`` is a day."""
        return Card(
            name=optional_text(self._row, "name"),
            date=date,
            vault_id=self._vault_id,
            age_recipient=text(self._row, "age_recipient"),
            age_classical=text(self._row, "age_classical") if classical else None,
            ed25519=blob(self._row, "ed25519"),
            mldsa65=blob(self._row, "mldsa65"),
        )

    def card_bytes(self, *, date: str, classical: bool = False) -> bytes:
        """The card, signed by itself."""
        card = self.card(date=date, classical=classical)
        signatures = self.sign(SignedKind.CARD, card.unsigned_bytes())
        return cards.signed_bytes(card, signatures.sshsig, signatures.mldsa65)

    def sign(self, kind: SignedKind, message: bytes) -> Signatures:
        """Sign under a kind; nothing is ever signed raw."""
        return Signatures(sshsig.sign(self._ed25519, message, kind=kind), mldsa.sign(self._mldsa65, message, kind=kind))

    def unwrap(self, header: bytes) -> FileKey:
        """The key of an age file that is sealed for us, from its header. Raises HeaderFailure, NoMatch, HMACFailure."""
        return age.unwrap_file_key(header, self._age)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"{type(self).__name__} is neither copied nor pickled")


def generate(*, now: str) -> Row:
    """The row of a new identity, from the operating system's randomness."""
    seeds = {name: secrets.token_bytes(KEY_SIZE) for name in _SEEDS}
    return {"id": ONLY, "name": None, "created": now, **seeds, **_yielded(seeds)}


def agrees(row: Row) -> bool:
    """Whether the seeds yield the public keys that stand beside them."""
    try:
        public = _yielded({name: blob(row, name) for name in _SEEDS})
    except (TypeError, ValueError):
        return False
    return all(row[name] == value for name, value in public.items())


def _yielded(seeds: dict[str, bytes]) -> Row:
    return {
        "age_recipient": str(HybridIdentity(seeds["hybrid_seed"]).recipient()),
        "age_classical": str(X25519Identity(seeds["x25519_seed"]).recipient()),
        "ed25519": sshsig.public_key(IdentityEd25519Key(seeds["ed25519_seed"])),
        "mldsa65": mldsa.public_key(IdentityMLDSAKey(seeds["mldsa65_seed"])),
    }


def own_fingerprint(registry: Registry) -> bytes | None:
    """What stands for this vault's identity, which is public; None where none was made yet."""
    row = registry.row(schema.IDENTITY, ONLY)
    if row is None:
        return None
    return fingerprints.fingerprint(
        vault_id=registry.setting("vault_id"),
        age_recipient=text(row, "age_recipient"),
        ed25519=blob(row, "ed25519"),
        mldsa65=blob(row, "mldsa65"),
    )


def details(registry: Registry) -> IdentityDetails:
    """The public half, as people compare it. Raises ``DatabaseDamaged`` where there is none."""
    row, fingerprint = registry.row(schema.IDENTITY, ONLY), own_fingerprint(registry)
    if row is None or fingerprint is None:
        raise errors.DatabaseDamaged(what=WHAT)
    return IdentityDetails(
        name=optional_text(row, "name"),
        created=text(row, "created"),
        fingerprint=fingerprint.hex(),
        digits=fingerprints.digits(fingerprint),
        words=fingerprints.words(fingerprint),
        qr_text=fingerprints.qr_text(fingerprint),
        ssh_fingerprint=sshsig.fingerprint(blob(row, "ed25519")),
        ssh_key=sshsig.public_key_line(blob(row, "ed25519")),
        age_recipient=text(row, "age_recipient"),
    )
