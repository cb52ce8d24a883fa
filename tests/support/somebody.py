"""Somebody elsewhere, with an identity of their own and no vault: the same for the same number."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from crypto import fingerprints, mldsa, sshsig
from crypto.age import HybridIdentity, X25519Identity
from crypto.keys import IdentityEd25519Key, IdentityMLDSAKey
from crypto.labels import SignedKind
from vault import cards
from vault.cards import Card


class Somebody:
    def __init__(self, number: int = 0) -> None:
        seeds = [hashlib.sha256(f"{number} {purpose}".encode()).digest() for purpose in range(5)]
        self.hybrid, self.classical = HybridIdentity(seeds[0]), X25519Identity(seeds[1])
        self.ed25519, self.mldsa65 = IdentityEd25519Key(seeds[2]), IdentityMLDSAKey(seeds[3])
        self.vault_id = seeds[4]

    def unsigned(self, *, name: str | None = None, date: str = "2026-11-22", classical: bool = False) -> Card:
        return Card(
            name=name,
            date=date,
            vault_id=self.vault_id,
            age_recipient=str(self.hybrid.recipient()),
            age_classical=str(self.classical.recipient()) if classical else None,
            ed25519=sshsig.public_key(self.ed25519),
            mldsa65=mldsa.public_key(self.mldsa65),
        )

    def signed(self, card: Card) -> bytes:
        """Signed by us, whatever stands in it."""
        message = card.unsigned_bytes()
        return cards.signed_bytes(
            card,
            sshsig.sign(self.ed25519, message, kind=SignedKind.CARD),
            mldsa.sign(self.mldsa65, message, kind=SignedKind.CARD),
        )

    def card(self, *, name: str | None = None, date: str = "2026-11-22", classical: bool = False) -> bytes:
        return self.signed(self.unsigned(name=name, date=date, classical=classical))

    def claiming(self, **values: object) -> bytes:
        """A card with other values, signed all the same."""
        return self.signed(replace(self.unsigned(), **values))

    @property
    def fingerprint(self) -> bytes:
        return self.unsigned().fingerprint

    def reads_out(self, groups: tuple[int, ...] = tuple(range(1, 17))) -> str:
        digits = fingerprints.digits(self.fingerprint)
        return " ".join(digits[number - 1] for number in groups)


def material() -> dict[str, bytes]:
    """The files of the story that the test of the JSON documents tells of a partner."""
    lena = Somebody()
    return {
        "lena.card": lena.card(),
        "lena-later.card": lena.card(date="2026-11-23"),
        "heard": lena.reads_out().encode(),
    }
