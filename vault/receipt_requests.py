"""What may be asked about receipts for sealed files, and the answers: plain values, as all in ``vault.requests``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReceiptRequest:
    """The file that a receipt is to be about, as it was read and verified.

    ``kind`` is share, drop or age, ``to_kind`` card, age or passphrase. ``digest`` is that of its sealed.json, ``sender``
    the fingerprint that signed it, ``items`` how many it holds. ``came`` is how many of them came whole when the file was
    refused after its signatures had held; None when it was stored.
    """

    kind: str
    digest: str
    sender: str | None
    to_kind: str | None = None
    share_id: str | None = None
    manifest_sha256: str | None = None
    items: int = 0
    came: int | None = None


@dataclass(frozen=True, slots=True)
class ReceiptMade:
    """A receipt for one intent: all bytes of the file that is to be written."""

    intent: int
    content: bytes


@dataclass(frozen=True, slots=True)
class ReceiptTaken:
    """What a partner's receipt says of a file that we sent.

    ``arrived`` is when the file came there, as they say; ``items`` how many items came whole. With ``again`` it changed
    nothing: this receipt, or one that says as much, was taken before. ``confirmed`` is when. ``former_card``: they had
    the card whose keys signed it before the one that they have now. ``log`` is what became of the state of our log that
    it names, None where it names none: confirmed; lost in a declared gap; not-ours, which our own keys have signed and
    our log never had: the proof of another history; elsewhere, of a generation that another copy of this vault began;
    claimed, which our log never had and nothing proves.
    """

    partner: str
    former_card: bool
    share_id: str
    code: str
    sequence: int
    arrived: str
    complete: bool
    items: int
    confirmed: str
    again: bool
    log: str | None
