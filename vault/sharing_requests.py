"""What may be asked about who we are and whom we share with, and the answers: plain values, as in ``vault.requests``.

They stand apart because most commands need none of them, and each class that is not loaded makes a command start sooner.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

CARD, AGE = "card", "age"
KINDS = (CARD, AGE)

UNVERIFIED, VOICE, PERSON = "unverified", "voice", "person"


@dataclass(frozen=True, slots=True)
class IdentityDetails:
    """Who this vault is to partners; nothing of it is secret.

    ``fingerprint`` is hexadecimal; ``digits``, ``words`` and ``qr_text`` show it to people. ``ssh_key`` is the line of a
    public key for ``ssh-keygen``, ``ssh_fingerprint`` its ``SHA256:…``.
    """

    name: str | None
    created: str
    fingerprint: str
    digits: tuple[str, ...]
    words: tuple[str, ...]
    qr_text: str
    ssh_fingerprint: str
    ssh_key: str
    age_recipient: str


@dataclass(frozen=True, slots=True)
class PartnerDetails:
    """Somebody we share with, under the name that we gave.

    ``kind`` is card or age (known by an age recipient alone), ``grade`` unverified, voice or person. ``own_name`` and
    ``dated`` are what the card says of itself. ``removed`` is when, or None. ``changed`` is when another card or
    recipient came under this name, which waits to be compared; then nothing is sealed for them.
    """

    number: int
    name: str
    kind: str
    grade: str
    fingerprint: str
    age_recipient: str
    age_classical: str | None
    ssh_fingerprint: str | None
    own_name: str | None
    dated: str | None
    added: str
    verified: str | None
    removed: str | None
    changed: str | None


@dataclass(frozen=True, slots=True)
class PartnerAdded:
    """What came of a card or recipient: a new partner, or a newer card of the same keys."""

    partner: PartnerDetails
    again: bool


@dataclass(frozen=True, slots=True)
class PartnerVerified:
    """What came of comparing. ``took``: the card that was there, the changed one in its place, or the one that was there
    against the changed one, which is forgotten (``same``, ``changed``, ``kept``).
    """

    partner: PartnerDetails
    took: str


def folded_name(name: str) -> str:
    """A partner's name as it is compared: under two names that fold alike there are never two partners."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name.strip()).casefold())
