"""Whom we share with: the cards and recipients that we were given, under names of our own, and who compared them how.

A partner's name is ours, so that what a card says of itself misleads nobody. Another card under a known name waits until
somebody has compared it, and until then nothing is sealed for this partner.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from crypto import age_keys, fingerprints
from crypto.errors import BadFingerprint, CryptoError, FingerprintMismatch
from vault import errors, schema
from vault.cards import Card
from vault.registry import WHAT, Registry
from vault.sharing_requests import AGE, CARD, PERSON, UNVERIFIED, VOICE, PartnerDetails, folded_name
from vault.tables import Row, blob, integer, optional_blob, optional_text, text

# A look-alike key must agree in every group that is asked for, which nobody knows before: with eight of sixteen that is
# work of 2^128 keys even for one who is lucky, as with the twelve words.
DRAWN_GROUPS = 8

_HEXADECIMAL = re.compile("[0-9A-Fa-f]{64}")


@dataclass(frozen=True, slots=True)
class Addressee:
    """Whom something is sealed for. ``stanza`` is the kind of age recipient that ``recipient`` is."""

    number: int
    name: str
    recipient: str
    stanza: str
    fingerprint: bytes
    kind: str
    grade: str


@dataclass(frozen=True, slots=True)
class Given:
    """A card or an age recipient that somebody gave, read and verified."""

    kind: str
    card: bytes | None
    age_recipient: str
    age_classical: str | None
    fingerprint: bytes
    parsed: Card | None

    @classmethod
    def from_card(cls, data: bytes) -> Given:
        """A card, tidied or as it is. Raises ``BadCard``."""
        card = Card.from_bytes(data)
        return cls(CARD, data, card.age_recipient, card.age_classical, card.fingerprint, card)

    @classmethod
    def from_recipient(cls, given: str) -> Given:
        """An ``age1…`` string. Raises ``BadCard``."""
        try:
            recipient = str(age_keys.parse_recipient(given.strip()))
        except CryptoError:
            raise errors.BadCard(reason="this is no age recipient: a character is wrong or missing") from None
        return cls(AGE, None, recipient, None, fingerprints.recipient_fingerprint(recipient), None)

    @classmethod
    def from_bytes(cls, data: bytes) -> Given:
        """What ``to_bytes`` gave."""
        return cls.from_card(data) if data.startswith(b"casevault") else cls.from_recipient(data.decode("utf-8"))

    def to_bytes(self) -> bytes:
        """The card, or the string."""
        return self.card if self.card is not None else self.age_recipient.encode("ascii")

    def columns(self) -> Row:
        """What a row has of it."""
        return {
            "kind": self.kind,
            "card": self.card,
            "age_recipient": self.age_recipient,
            "age_classical": self.age_classical,
            "fingerprint": self.fingerprint,
        }


def draw() -> tuple[int, ...]:
    """The numbers of the groups that a partner is asked to read out, in order; others every time."""
    return tuple(sorted(secrets.SystemRandom().sample(range(1, fingerprints.GROUPS + 1), DRAWN_GROUPS)))


# Rows


def present(registry: Registry) -> list[Row]:
    """The partners that were not removed, by number."""
    return [row for row in everyone(registry) if row["removed"] is None]


def everyone(registry: Registry) -> list[Row]:
    """All partners that there ever were, by number."""
    return sorted(registry.rows(schema.PARTNERS), key=lambda row: integer(row, "number"))


def find(registry: Registry, name: str) -> Row | None:
    """The present partner with this name; case and Unicode form do not matter."""
    wanted = folded_name(name)
    return next((row for row in present(registry) if folded_name(text(row, "name")) == wanted), None)


def needed(registry: Registry, name: str) -> Row:
    """``find``. Raises ``NoSuchPartner``."""
    row = find(registry, name)
    if row is None:
        raise errors.NoSuchPartner(name=name)
    return row


def by_fingerprint(registry: Registry, fingerprint: bytes) -> Row | None:
    """The present partner whose card or recipient this is; one that waits to be compared does not count."""
    return next((row for row in present(registry) if row["fingerprint"] == fingerprint), None)


def addressee(registry: Registry, name: str, *, classical: bool = False) -> Addressee:
    """Whom to seal for. Raises ``NoSuchPartner``; ``PartnerChanged`` while another card waits; ``OnlyClassical``, and
    ``Refused`` where the partner's card has none for classical tools.
    """
    row = needed(registry, name)
    if row["pending"] is not None:
        raise errors.PartnerChanged(name=text(row, "name"))
    recipient = text(row, "age_recipient")
    if classical:
        found = recipient if _stanza(recipient) == age_keys.X25519 else optional_text(row, "age_classical")
        if found is None:
            raise errors.Refused(reason="this partner's card names no recipient for classical tools")
        recipient = found
    elif _stanza(recipient) == age_keys.X25519:
        raise errors.OnlyClassical(name=text(row, "name"))
    return Addressee(
        number=integer(row, "number"),
        name=text(row, "name"),
        recipient=recipient,
        stanza=_stanza(recipient),
        fingerprint=blob(row, "fingerprint"),
        kind=text(row, "kind"),
        grade=text(row, "grade"),
    )


def details(row: Row) -> PartnerDetails:
    """A partner, as those who ask see them. Raises ``DatabaseDamaged`` where the card is not as it was stored."""
    card = _stored_card(row)
    return PartnerDetails(
        number=integer(row, "number"),
        name=text(row, "name"),
        kind=text(row, "kind"),
        grade=text(row, "grade"),
        fingerprint=blob(row, "fingerprint").hex(),
        age_recipient=text(row, "age_recipient"),
        age_classical=optional_text(row, "age_classical"),
        ssh_fingerprint=card.ssh_fingerprint if card else None,
        own_name=card.name if card else None,
        dated=card.date if card else None,
        added=text(row, "added"),
        verified=optional_text(row, "verified"),
        removed=optional_text(row, "removed"),
        changed=optional_text(row, "pending_since"),
    )


def agrees(row: Row) -> bool:
    """Whether a row is what its card, or its recipient, yields, and what waits can be read."""
    try:
        card = optional_blob(row, "card")
        given = Given.from_recipient(text(row, "age_recipient")) if card is None else Given.from_card(card)
        if row["pending"] is not None:
            Given.from_bytes(blob(row, "pending"))
    except (errors.BadCard, ValueError, TypeError):
        return False
    return all(row[name] == value for name, value in given.columns().items())


def _stored_card(row: Row) -> Card | None:
    card = optional_blob(row, "card")
    if card is None:
        return None
    try:
        return Card.from_bytes(card)
    except errors.BadCard as error:
        raise errors.DatabaseDamaged(what=WHAT) from error


# Changes of a row; what is returned is written by the keeper


def added(registry: Registry, name: str, given: Given, *, now: str) -> Row:
    """The row after a card or recipient came under a name: a new one, a newer card of the same keys, or a changed one that
    waits. Raises ``PartnerTaken``.
    """
    same, known = by_fingerprint(registry, given.fingerprint), find(registry, name)
    _refuse_second_name(registry, known, given)
    if known is None:
        number = max((integer(row, "number") for row in everyone(registry)), default=0) + 1
        waiting = {"verified": None, "removed": None, "pending": None, "pending_since": None}
        return {
            "number": number,
            "name": name,
            "grade": UNVERIFIED,
            "added": now,
            **given.columns(),
            **waiting,
        }
    if same is None:
        return {**known, "pending": given.to_bytes(), "pending_since": now}
    card = _stored_card(known)
    if given.parsed is None or card is None or given.parsed == card or given.parsed.date < card.date:
        raise errors.PartnerTaken(name=text(known, "name"))
    return {**known, **given.columns()}


def _refuse_second_name(registry: Registry, known: Row | None, given: Given) -> None:
    """Of two names for one key the second would look like a second person. A card names the recipient, too."""
    for other in present(registry):
        if given.age_recipient == other["age_recipient"] and (known is None or other["number"] != known["number"]):
            raise errors.PartnerTaken(name=text(other, "name"))


def verified(
    registry: Registry, row: Row, heard: str, groups: tuple[int, ...], *, in_person: bool, now: str
) -> tuple[Row, str]:
    """The row after somebody compared, and what that took (see ``PartnerVerified``).

    ``heard`` is everything, or the groups with these numbers, in their order. Raises ``FingerprintDiffers``, ``BadValue``,
    ``Refused``; ``PartnerTaken`` where the card that waits has become another partner meanwhile.
    """
    name = text(row, "name")
    settled: Row = {"grade": PERSON if in_person else VOICE, "verified": now, "pending": None, "pending_since": None}
    current = blob(row, "fingerprint")
    pending = optional_blob(row, "pending")
    if pending is None:
        if not _is_heard(current, heard, groups, in_person=in_person):
            raise errors.FingerprintDiffers(name=name)
        return {**row, **settled, "grade": _better(row, settled)}, "same"
    changed = Given.from_bytes(pending)
    if _is_heard(changed.fingerprint, heard, groups, in_person=in_person):
        _refuse_second_name(registry, row, changed)
        return {**row, **changed.columns(), **settled}, "changed"
    if _is_heard(current, heard, groups, in_person=in_person):
        return {**row, **settled, "grade": _better(row, settled)}, "kept"
    raise errors.FingerprintDiffers(name=name)


def _better(row: Row, settled: Row) -> str:
    # Of the same key: what was compared in person stays so.
    return PERSON if row["grade"] == PERSON else text(settled, "grade")


def _is_heard(fingerprint: bytes, heard: str, groups: tuple[int, ...], *, in_person: bool) -> bool:
    """Whether what was heard is this fingerprint, compared in constant time. Raises ``BadValue``, ``Refused``."""
    try:
        if groups:
            fingerprints.verify_groups(fingerprint, _numbered(heard, groups, in_person=in_person))
            return True
        whole = _verify_whole(fingerprint, heard)
        if in_person and not whole:
            raise errors.Refused(reason="in person all sixteen groups are compared, or the QR code")
    except FingerprintMismatch:
        return False
    except BadFingerprint as error:
        raise errors.BadValue(field="fingerprint", reason=_REASONS[error.reason]) from None
    return True


_REASONS = {
    "count": "it has 16 groups of five digits, or 12 words",
    "group": "a group is five digits, at most 65535",
    "word": "a word is not in the list of words",
    "checksum": "a word is wrong, or two are exchanged",
}


def _verify_whole(fingerprint: bytes, heard: str) -> bool:
    """Whether all of it was compared. Raises FingerprintMismatch, BadFingerprint.

    Who is known by an age recipient alone has no digits to read out, but that string, and what ``sha256sum`` makes of it.
    """
    given = "".join(heard.split())
    if given.startswith("age1") and given.isascii():
        heard = " ".join(fingerprints.digits(fingerprints.recipient_fingerprint(given)))
    elif _HEXADECIMAL.fullmatch(given):
        heard = " ".join(fingerprints.digits(bytes.fromhex(given)))
    return fingerprints.verify_heard(fingerprint, heard)


def _numbered(heard: str, groups: tuple[int, ...], *, in_person: bool) -> Mapping[int, str]:
    least = fingerprints.GROUPS if in_person else DRAWN_GROUPS
    said = heard.split()
    if len(set(groups)) < least or not set(groups) <= set(range(1, fingerprints.GROUPS + 1)):
        raise errors.Refused(reason="too few groups to compare")
    if len(said) != len(groups) or len(set(groups)) != len(groups):
        raise errors.BadValue(field="fingerprint", reason="a group is five digits, at most 65535")
    return dict(zip(groups, said, strict=True))


def _stanza(recipient: str) -> str:
    return age_keys.parse_recipient(recipient).kind
