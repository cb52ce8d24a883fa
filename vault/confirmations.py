"""Receipts: what a recipient signs about a sealed file that came, in a file of its own for its sender.

The file is an age file for the sender alone, and holds an archive of the form in which sealed files travel, padded, in a
folder with a random name: whoever sees it learns nothing but that it is one. What comes in is limited before it is
opened, read to its end before anything in it is believed, and its signatures hold before it is understood.
"""

from __future__ import annotations

import io
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, fields

from crypto import mldsa, sshsig
from crypto.encoding import canonical_json, parse_canonical_json
from crypto.errors import CryptoError
from crypto.labels import SignedKind
from crypto.signing import Checkpoint
from vault import archive, bag, cards, errors
from vault.archive import ArchiveReader, ArchiveWriter, Source, packed
from vault.cards import Card

FORM = 1
KIND = SignedKind.RECEIPT
LARGEST_FILE_BYTES = 256 << 10
_BEGINNING = "receipt-"

RECEIPT, SIGNATURE, MLDSA_SIGNATURE = "receipt.json", "receipt.json.sig", "receipt.json.mldsa65"
CARD, SHOWN, PADDING = "sender.card", "shown.tar", "padding"
ORDER = (RECEIPT, SIGNATURE, MLDSA_SIGNATURE, CARD)
LARGEST_SHOWN_BYTES = 32 << 10
_MOST_ENTRIES = 2**53 - 1  # of a log; what is larger no log keeps

_MOST_BYTES = {
    RECEIPT: 4 << 10,
    SIGNATURE: 4 << 10,
    MLDSA_SIGNATURE: mldsa.SIGNATURE_SIZE,
    CARD: cards.LARGEST_BYTES,
    SHOWN: LARGEST_SHOWN_BYTES,
}
_NAME_BYTES = 8
_TOP = re.compile(rf"{_BEGINNING}[0-9a-f]{{{2 * _NAME_BYTES}}}")
_ID = re.compile(r"[0-9a-f]{32}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """The content of receipt.json.

    ``by`` and ``to`` are the fingerprints of who received the file and who sent it, ``digest`` the SHA-256 of its
    sealed.json, ``manifest_sha256`` that of its manifest, ``items`` how many of its items came whole. ``arrived`` is when
    it was read, ``made`` when this was signed. ``checkpoint`` is the newest state of the sender's log that was seen: the text
    of a C2SP checkpoint.
    """

    by: str
    to: str
    share_id: str
    digest: str
    manifest_sha256: str
    items: int
    complete: bool
    arrived: str
    made: str
    checkpoint: str | None = None

    def to_bytes(self) -> bytes:
        """receipt.json. Raises ValueError for values that would not be read back."""
        data = canonical_json({field.name: getattr(self, field.name) for field in fields(self)} | _CONSTANT)
        try:
            same = Confirmation.from_bytes(data) == self
        except errors.BadReceipt:
            same = False
        if not same or len(data) > _MOST_BYTES[RECEIPT]:
            raise ValueError("these values make no receipt.json")
        return data

    @classmethod
    def from_bytes(cls, data: bytes) -> Confirmation:
        """What receipt.json says, in its one form. Raises ``BadReceipt``."""
        try:
            value = parse_canonical_json(data, max_depth=1)
        except CryptoError:
            raise _not_one() from None
        names = {field.name for field in fields(cls)}
        if not isinstance(value, dict) or value.keys() != names | _CONSTANT.keys():
            raise _not_one()
        form = value["form"]
        if isinstance(form, int) and not isinstance(form, bool) and form > FORM:
            raise errors.BadReceipt(reason="it was written by a newer version")
        if isinstance(form, bool) or form != FORM:
            raise _not_one()
        if not _has_its_types(value):
            raise _not_one()
        return cls(**{name: value[name] for name in names})


_CONSTANT = {"form": FORM}


_TEXTS = {
    "by": _SHA256,
    "to": _SHA256,
    "digest": _SHA256,
    "manifest_sha256": _SHA256,
    "share_id": _ID,
    "arrived": _TIME,
    "made": _TIME,
}


def _has_its_types(value: Mapping[str, object]) -> bool:
    texts = all(isinstance(text := value[name], str) and pattern.fullmatch(text) for name, pattern in _TEXTS.items())
    items, complete = value["items"], value["complete"]
    if not texts or not isinstance(items, int) or isinstance(items, bool) or not isinstance(complete, bool):
        return False
    checkpoint = value["checkpoint"]
    if checkpoint is not None and not (isinstance(checkpoint, str) and _is_checkpoint(checkpoint)):
        return False
    return int(complete) <= items <= bag.MAX_ITEMS


def _is_checkpoint(said: str) -> bool:
    try:
        found = Checkpoint.from_bytes(said.encode("ascii"))
    except (CryptoError, UnicodeEncodeError):
        return False
    return not found.extensions and found.size <= _MOST_ENTRIES and found.to_bytes() == said.encode("ascii")


@dataclass(frozen=True, slots=True)
class Parts:
    """What is in a receipt, as it came: nothing in it is trusted yet.

    ``shown`` is what the one for whom the receipt is has signed of the state of their log that it names: an archive of
    tagmanifest, both signatures and checkpoint, as they stood in a file, and the certificate of its generation. None
    where that is not at hand.
    """

    receipt: bytes
    sshsig: bytes
    mldsa65: bytes
    card: bytes
    shown: bytes | None = None

    def verified(self, card: Card) -> Confirmation:
        """What it says, now that both keys of this card have signed it. Raises ``BadReceipt``."""
        try:
            sshsig.verify(card.ed25519, self.receipt, self.sshsig, kind=KIND)
            mldsa.verify(card.mldsa65, self.receipt, self.mldsa65, kind=KIND)
        except CryptoError:
            raise errors.BadReceipt(reason="its signatures do not hold") from None
        return Confirmation.from_bytes(self.receipt)

    def signed_bytes(self) -> bytes:
        """All of it in an archive without name and padding, to be kept as the proof that it is."""
        return packed(self._members())

    @classmethod
    def from_signed_bytes(cls, data: bytes) -> Parts:
        """What ``signed_bytes`` gave. Raises ``BadReceipt``."""
        try:
            found = {each.name: each.read(cards.LARGEST_BYTES) for each in ArchiveReader(io.BytesIO(data))}
        except errors.SealedFileRefused as error:
            raise errors.BadReceipt(reason=error.fields["reason"]) from None
        if tuple(found) not in (ORDER, (*ORDER, SHOWN)):
            raise _not_one()
        return cls(*found.values())

    def pack(self, sink: archive.Sink) -> None:
        """Write the archive as it travels. Raises what the sink raises."""
        top = f"{_BEGINNING}{secrets.token_hex(_NAME_BYTES)}"
        members = [(f"{top}/{name}", data) for name, data in self._members()]
        layout = bag.padded([(name, len(data)) for name, data in members], f"{top}/{PADDING}")
        writer = ArchiveWriter(sink)
        for name, data in members:
            writer.write_member(name, data)
        writer.member(*layout.members[-1])
        writer.zeros()
        writer.finish()

    @classmethod
    def unpack(cls, source: Source) -> Parts:
        """Read an archive to its end. Raises ``BadReceipt`` for every other form; what the source raises."""
        try:
            return cls._unpacked(ArchiveReader(source, max_members=len(ORDER) + 2))
        except errors.SealedFileRefused as error:
            raise errors.BadReceipt(reason=error.fields["reason"]) from None

    @classmethod
    def _unpacked(cls, reader: ArchiveReader) -> Parts:
        found: list[bytes] = []
        members: list[tuple[str, int]] = []
        is_ended = False
        for member in reader:
            top, _, name = member.name.partition("/")
            if not members and not (_TOP.fullmatch(top) and name == RECEIPT):
                raise _not_one()
            first, _, _ = members[0][0].partition("/") if members else (top, "", "")
            expected = (*ORDER, SHOWN)[len(found)] if len(found) <= len(ORDER) else PADDING
            if is_ended or top != first or name not in (expected, PADDING):
                raise _not_one()
            if name == PADDING:
                if len(found) < len(ORDER):
                    raise _not_one()
                if (member.name, member.size_bytes) != bag.padded(members, f"{first}/{PADDING}").members[-1]:
                    raise _not_one()
                member.read_zeros()
                is_ended = True
            else:
                found.append(member.read(_MOST_BYTES[name]))
            members.append((member.name, member.size_bytes))
        if not is_ended:
            raise _not_one()
        return cls(*found)

    def _members(self) -> list[tuple[str, bytes]]:
        members = list(zip(ORDER, (self.receipt, self.sshsig, self.mldsa65, self.card), strict=True))
        return members if self.shown is None else [*members, (SHOWN, self.shown)]


def is_beginning(start: bytes) -> bool:
    """Whether what is in an age file begins as a receipt does."""
    name, _, _ = start.partition(b"\0")
    top, _, member = name.decode("ascii", "replace").partition("/")
    return bool(_TOP.fullmatch(top)) and member == RECEIPT


def _not_one() -> errors.BadReceipt:
    return errors.BadReceipt(reason="it is not a receipt as casevault writes them")
