"""What may be asked about sealed case files, and the answers: plain values, as all in ``vault.requests``."""

from __future__ import annotations

from dataclasses import dataclass

# What of an item goes along when it is named: titles and file names; notes; tags; the circumstances of statements.
INCLUDES = ("names", "notes", "tags", "circumstances")


@dataclass(frozen=True, slots=True)
class ShareRequest:
    """What is to be sealed, and for whom; nothing goes that is not named here.

    ``items`` None means all. ``to`` is a partner's name, None a passphrase that is spoken. ``classical`` forgoes the
    protection against quantum computers, for a partner whose program knows nothing else.
    """

    code: str
    items: tuple[int, ...] | None
    to: str | None
    persons: tuple[int, ...] = ()
    includes: tuple[str, ...] = ()
    purpose: str | None = None
    terms: str | None = None
    classical: bool = False


@dataclass(frozen=True, slots=True)
class PlannedItem:
    """An item that is to go. ``path`` is its name in the file; ``hashed`` says whether both digests are known."""

    number: int
    reference: str
    path: str
    title: str
    kind: str
    size_bytes: int
    hashed: bool


@dataclass(frozen=True, slots=True)
class PlannedPerson:
    """A person whose details are to go."""

    reference: str
    name: str


@dataclass(frozen=True, slots=True)
class SharePlan:
    """Everything that is to be known before a file is sealed; nothing of it is signed yet.

    ``recipient`` is a fingerprint in hexadecimal, empty for a passphrase, ``recipient_kind`` card, age or passphrase;
    ``grade`` how the partner's card was compared (None for a passphrase); ``protection`` the kind of the one stanza:
    mlkem768x25519, X25519 or scrypt. ``sender`` is what our card calls us. ``size_bytes`` is that of the whole file.
    ``unconfirmed`` is how many files the recipient, who could, has not confirmed since the last receipt.
    """

    intent: int
    code: str
    title: str
    partner: str | None
    recipient: str
    recipient_kind: str
    grade: str | None
    protection: str
    age_recipient: str
    sender: str | None
    items: tuple[PlannedItem, ...]
    persons: tuple[PlannedPerson, ...]
    includes: tuple[str, ...]
    purpose: str | None
    terms: str | None
    size_bytes: int
    unconfirmed: int


@dataclass(frozen=True, slots=True)
class TagFile:
    """A file beside the items, with its name in the archive; ``Keeper.share_tag`` gives what is in it."""

    name: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ShareSigned:
    """What is announced and signed: the files in their order that stand before the items, and the zeros after them.

    ``top`` is the folder in the archive, ``size_bytes`` the size of the whole archive.
    """

    share_id: str
    top: str
    sequence: int
    tag_files: tuple[TagFile, ...]
    padding_bytes: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ShareSummary:
    """A file that was sealed.

    ``state`` is sent; signed where it is not known whether the file was finished (the program was killed); failed where
    nothing of it is left. Of a deleted case nothing is known of items, persons, purpose and terms. ``removed`` is when
    the partner was. ``confirmed`` is when their receipt was taken in: with ``arrived``, ``complete`` and ``arrived_items``
    they say when the file came, whether all of it did, and how many items.
    """

    share_id: str
    code: str
    partner: str | None
    removed: str | None
    recipient: str
    recipient_kind: str
    protection: str
    grade: str | None
    sequence: int
    made: str
    state: str
    size_bytes: int | None
    sha256: str | None
    confirmed: str | None
    arrived: str | None
    complete: bool | None
    arrived_items: int | None
    items: tuple[int, ...]
    persons: tuple[int, ...]
    includes: tuple[str, ...]
    purpose: str | None
    terms: str | None
