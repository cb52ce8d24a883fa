"""Header slots: the vault key sealed to the public key of one secret.

See `crypto.hybrid` for the suite, which is that of age's hybrid recipients. A slot needs the public key only, so it
can be sealed again while its secret is out of reach.
"""

from __future__ import annotations

import secrets

from crypto.encoding import uint32, uint64
from crypto.errors import DecryptionFailed, InvalidPublicKey
from crypto.hybrid import (
    ENCAPSULATED_SIZE,
    SEED_SIZE,
    TAG_SIZE,
    HybridPrivateKey,
    HybridPublicKey,
    open_sealed,
    seal,
)
from crypto.keys import KEY_SIZE, VaultKey
from crypto.labels import SLOT

FOLDER_ID_SIZE = 32
SLOT_SIZE = ENCAPSULATED_SIZE + KEY_SIZE + TAG_SIZE


class SlotPrivateKey(HybridPrivateKey):
    """The private half of a slot's key pair; made by `slot_keys`."""

    __slots__ = ()


def slot_keys(seed: bytes) -> SlotPrivateKey:
    """The key pair of a 32-byte seed, expanded as age expands the seed of its hybrid identities.

    Raises ValueError for another length.
    """
    return SlotPrivateKey(seed)


def throwaway_public_key() -> bytes:
    """A public key whose private half nobody keeps: a slot sealed to it looks used and never opens."""
    return slot_keys(secrets.token_bytes(SEED_SIZE)).public_bytes()


def seal_slot(vault_key: VaultKey, public_key: bytes, *, folder_id: bytes, epoch: int, slot: int) -> bytes:
    """The vault key in a slot of 1,168 bytes: encapsulated key (1,120), ciphertext (32), tag (16).

    HPKE's info is label || folder id (32) || epoch (uint64) || slot number (uint32), so that a slot opens only in its
    place. Every call gives other bytes. Raises InvalidPublicKey.
    """
    info = _info(folder_id, epoch, slot)
    return seal(vault_key.raw, HybridPublicKey(public_key), info=info)


def open_slot(sealed: bytes, private: SlotPrivateKey, *, folder_id: bytes, epoch: int, slot: int) -> VaultKey:
    """The vault key in a slot. Raises DecryptionFailed when it is altered, out of its place or not for this key."""
    info = _info(folder_id, epoch, slot)
    if len(sealed) != SLOT_SIZE:
        raise DecryptionFailed(f"a slot has {SLOT_SIZE} bytes")
    try:
        return VaultKey(open_sealed(sealed, private, info=info))
    except InvalidPublicKey:
        raise DecryptionFailed("the slot does not open") from None


def _info(folder_id: bytes, epoch: int, slot: int) -> bytes:
    if len(folder_id) != FOLDER_ID_SIZE:
        raise ValueError(f"a folder id has {FOLDER_ID_SIZE} bytes")
    return SLOT + folder_id + uint64(epoch) + uint32(slot)
