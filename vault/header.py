"""The header of a vault: bytes to typed value and back, strictly, with no keys in hand.

Layout (big-endian, 9,492 bytes, no byte without meaning)::

    magic 16 | format 4 | folder id 32 | epoch 8 | memory KiB 4 | passes 4 | salt 16 | 8 slots of 1,168 | MAC 32 | SHA-256 32

The MAC is HMAC-SHA-256 under a key derived from the vault key; the last field is a plain digest of all before it, so
that damage can be told from a wrong passphrase before any key is known.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from crypto import kdf, labels, mac, slots
from crypto.errors import CryptoError
from crypto.keys import MacKey, VaultKey, derive

MAGIC = b"casevault header"
FORMAT = 1
SLOTS = 8
FILE_NAMES = ("header.a", "header.b")

_FIXED = struct.Struct(">16sI32sQII16s")
_BODY_SIZE = _FIXED.size + SLOTS * slots.SLOT_SIZE
SIZE = _BODY_SIZE + 32 + 32


class Unreadable(Exception):
    """These bytes are no header: ``reason`` is absent, foreign, damaged or format."""

    def __init__(self, reason: str, found_format: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.format = found_format


@dataclass(frozen=True, slots=True)
class Header:
    """A parsed header. Nothing in it is trusted until ``verify`` has run with the vault key."""

    folder_id: bytes
    epoch: int
    cost: kdf.Cost
    salt: bytes
    sealed_slots: tuple[bytes, ...]
    tag: bytes

    def body(self) -> bytes:
        """Everything that the MAC covers."""
        fixed = _FIXED.pack(
            MAGIC, FORMAT, self.folder_id, self.epoch, self.cost.memory_kib, self.cost.passes, self.salt
        )
        return fixed + b"".join(self.sealed_slots)

    def to_bytes(self) -> bytes:
        """The file, ``SIZE`` bytes."""
        covered = self.body() + self.tag
        return covered + hashlib.sha256(covered).digest()

    def digest(self) -> bytes:
        """SHA-256 of the whole file, as vault.db keeps it."""
        return hashlib.sha256(self.to_bytes()).digest()

    def verify(self, vault_key: VaultKey) -> None:
        """Check the MAC. Raises ``crypto.errors.CryptoError`` if the header was altered."""
        mac.verify_mac(derive(vault_key, labels.HEADER_MAC, MacKey), self.body(), self.tag)


def parse(data: bytes) -> Header:
    """A header from the bytes of its file. Raises ``Unreadable``."""
    if not data:
        raise Unreadable("absent")
    if not data.startswith(MAGIC):
        raise Unreadable("foreign" if len(data) != SIZE else "damaged")
    if len(data) >= 20:
        found = int.from_bytes(data[16:20], "big")
        # A newer format may have another size, so its number is read before anything else is judged.
        if found != FORMAT and (len(data) != SIZE or digest_holds(data)):
            raise Unreadable("format", found)
    if len(data) != SIZE or not digest_holds(data):
        raise Unreadable("damaged")
    _, _, folder_id, epoch, memory_kib, passes, salt = _FIXED.unpack_from(data)
    sealed = tuple(
        data[_FIXED.size + i * slots.SLOT_SIZE : _FIXED.size + (i + 1) * slots.SLOT_SIZE] for i in range(SLOTS)
    )
    tag = data[_BODY_SIZE : _BODY_SIZE + 32]
    return Header(folder_id, epoch, kdf.Cost(memory_kib, passes), salt, sealed, tag)


def heal(first: bytes, second: bytes) -> Header | None:
    """A header put together from two damaged copies, unless some field is damaged in both.

    The copies differ in a few of eleven fields; the digest at the end says which choice among them is right.
    """
    if len(first) != SIZE or len(second) != SIZE:
        return None
    ends = [_FIXED.size + i * slots.SLOT_SIZE for i in range(SLOTS + 1)] + [_BODY_SIZE + 32, SIZE]
    fields = [(first[start:end], second[start:end]) for start, end in itertools.pairwise([0, *ends])]
    for choice in itertools.product(*(dict.fromkeys(field) for field in fields)):
        with contextlib.suppress(Unreadable):
            return parse(b"".join(choice))
    return None


def digest_holds(data: bytes) -> bool:
    """Whether these bytes end in the digest of all before it, as a header of every format does."""
    return hashlib.sha256(data[:-32]).digest() == data[-32:]


def seal(
    vault_key: VaultKey,
    *,
    folder_id: bytes,
    epoch: int,
    cost: kdf.Cost,
    salt: bytes,
    public_keys: Sequence[bytes | None],
) -> Header:
    """A new header: all eight slots sealed afresh, those without a public key to a key that nobody has."""
    sealed = tuple(
        slots.seal_slot(
            vault_key, public or slots.throwaway_public_key(), folder_id=folder_id, epoch=epoch, slot=number
        )
        for number, public in enumerate(public_keys)
    )
    unsigned = Header(folder_id, epoch, cost, salt, sealed, b"")
    return Header(
        folder_id,
        epoch,
        cost,
        salt,
        sealed,
        mac.compute_mac(derive(vault_key, labels.HEADER_MAC, MacKey), unsigned.body()),
    )


def open_any_slot(header: Header, private: slots.SlotPrivateKey) -> tuple[VaultKey, int] | None:
    """The vault key and the number of the slot that ``private`` opens, or None. The MAC is not yet checked."""
    for number, sealed in enumerate(header.sealed_slots):
        try:
            key = slots.open_slot(sealed, private, folder_id=header.folder_id, epoch=header.epoch, slot=number)
        except CryptoError:
            continue
        return key, number
    return None
