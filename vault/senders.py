"""Who sent a file, and whether it is for us: what the index knows of partners and of our own identity.

A sender is the fingerprint of the card that travels inside, whose keys both signatures need. Names prove nothing: a
partner is known by fingerprint alone, and called as we call them.
"""

from __future__ import annotations

import unicodedata

from crypto import fingerprints
from crypto.errors import AgeFailure, HeaderFailure, NoMatch
from vault import errors, identity, partners, schema
from vault.arrivals import CHANGED, KNOWN, UNKNOWN, UNPROVEN, UNVERIFIED, Sender, Verdict
from vault.cards import Card
from vault.partners import Given
from vault.receipts import Receipt
from vault.registry import Registry
from vault.sharing_requests import UNVERIFIED as NOT_COMPARED
from vault.tables import Row, optional_blob, text


def file_key(registry: Registry, receipt: Receipt, header: bytes) -> bytes:
    """The key of an age file that is sealed for this vault, for an intent that the log has recorded.

    Raises ``NotForUs``; ``SealedFileRefused`` for a header that was changed.
    """
    if registry.row(schema.IDENTITY, identity.ONLY) is None:
        raise errors.NotForUs(reason="this vault has no card yet for which anybody could seal")
    try:
        return identity.OwnIdentity(registry, receipt).unwrap(header).raw
    except NoMatch:
        raise errors.NotForUs(reason="its key does not open it") from None
    except HeaderFailure:
        raise errors.SealedFileRefused(reason="its header is not as age writes it") from None
    except AgeFailure:
        raise errors.SealedFileRefused(reason="its header was changed") from None


def recipients(registry: Registry) -> tuple[str, ...]:
    """The fingerprints, in hexadecimal, under which somebody may know this vault: by its card, or by an age string of it."""
    row, own = registry.row(schema.IDENTITY, identity.ONLY), identity.own_fingerprint(registry)
    if row is None or own is None:
        return ()
    strings = (text(row, "age_recipient"), text(row, "age_classical"))
    return (own.hex(), *(fingerprints.recipient_fingerprint(each).hex() for each in strings))


def judge(registry: Registry, card: bytes | None) -> Sender:
    """Who has this card, which travelled inside a file and under whose keys its signatures hold. Raises ``BadCard``."""
    if card is None:
        return Sender(UNPROVEN)
    found = Card.from_bytes(card)
    fingerprint = found.fingerprint
    partner = partners.by_fingerprint(registry, fingerprint)
    changed = next((row for row in partners.present(registry) if _is_called_alike(row, found)), None)
    grade = name = None
    if partner is not None:
        grade, name = text(partner, "grade"), text(partner, "name")
        trust = UNVERIFIED if grade == NOT_COMPARED else KNOWN
    elif changed is not None:
        trust, name = CHANGED, text(changed, "name")
    else:
        trust = UNKNOWN
    return Sender(
        trust=trust,
        fingerprint=fingerprint.hex(),
        words=fingerprints.words(fingerprint),
        digits=fingerprints.digits(fingerprint),
        name=name,
        claimed=found.name,
        grade=grade,
    )


def verify(verdict: Verdict, *, accepted: bool) -> None:
    """See that a file may be stored. Raises ``PartnerChanged``; ``SenderUnproven`` and ``LogNotConnected`` unless ``accepted``.

    Where nothing is signed there is nothing to compare: it is stored, and said to be unproven.
    """
    sender = verdict.sender
    if sender.trust == CHANGED:
        raise errors.PartnerChanged(name=sender.name)
    if sender.trust in (UNKNOWN, UNVERIFIED) and not accepted:
        raise errors.SenderUnproven(words=" ".join(sender.words))
    if verdict.unconnected is not None and not accepted:
        raise errors.LogNotConnected


def _is_called_alike(row: Row, card: Card) -> bool:
    """Whether a partner, who has another key, is called as the card says, by us or by their own card, or has the vault that
    it names; or whether this very card waits to be compared with theirs.
    """
    pending = optional_blob(row, "pending")
    if pending is not None and Given.from_bytes(pending).fingerprint == card.fingerprint:
        return True
    names = {_folded(text(row, "name"))}
    known = optional_blob(row, "card")
    if known is not None:
        theirs = Card.from_bytes(known)
        if theirs.vault_id == card.vault_id:
            return True
        names |= {_folded(theirs.name)} if theirs.name is not None else set()
    return card.name is not None and _folded(card.name) in names


def _folded(name: str) -> str:
    # Characters that nobody sees make no other name.
    seen = "".join(char for char in unicodedata.normalize("NFKC", name) if unicodedata.category(char) != "Cf")
    return " ".join(seen.casefold().split())
