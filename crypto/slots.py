"""Header slots: the vault key sealed to the public key of one secret.

HPKE (RFC 9180, base mode) with the KEM MLKEM768-X25519 (also known as X-Wing), HKDF-SHA256 and ChaCha20Poly1305:
the suite of age's hybrid recipients, https://c2sp.org/age, and the same expansion of a 32-byte seed into keys. A slot
needs the public key only, so it can be sealed again while its secret is out of reach.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import (
    MLKEM768PrivateKey,
    MLKEM768PublicKey,
)
from cryptography.hazmat.primitives.asymmetric.x25519 import (
    X25519PrivateKey,
    X25519PublicKey,
)
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

from crypto.encoding import uint32, uint64
from crypto.errors import DecryptionFailed, InvalidPublicKey
from crypto.keys import KEY_SIZE, VaultKey
from crypto.labels import SLOT

SEED_SIZE = 32
FOLDER_ID_SIZE = 32
ENCAPSULATION_KEY_SIZE = 1184
PUBLIC_KEY_SIZE = ENCAPSULATION_KEY_SIZE + 32
ENCAPSULATED_SIZE = 1088 + 32
SLOT_SIZE = ENCAPSULATED_SIZE + KEY_SIZE + 16

_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


class SlotPrivateKey:
    """The private half of a slot's key pair; made by `slot_keys`. It is neither copied nor pickled."""

    __slots__ = ("_hybrid", "_public")

    def __init__(self, mlkem: MLKEM768PrivateKey, x25519: X25519PrivateKey) -> None:
        self._hybrid = MLKEM768X25519PrivateKey(mlkem, x25519)
        self._public = mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()

    def public_bytes(self) -> bytes:
        """1,216 bytes: the ML-KEM-768 encapsulation key (1,184), then the X25519 public key (32)."""
        return self._public

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"{type(self).__name__} is neither copied nor pickled")


def slot_keys(seed: bytes) -> SlotPrivateKey:
    """The key pair of a 32-byte seed: SHAKE256(seed, 96) is the ML-KEM seed d || z (64), then the X25519 scalar (32).

    So specified for MLKEM768-X25519 in draft-ietf-hpke-pq and used by age for its hybrid identities.
    Raises ValueError for another length.
    """
    if len(seed) != SEED_SIZE:
        raise ValueError(f"a slot's seed has {SEED_SIZE} bytes")
    expanded = hashlib.shake_256(seed).digest(96)
    return SlotPrivateKey(
        MLKEM768PrivateKey.from_seed_bytes(expanded[:64]), X25519PrivateKey.from_private_bytes(expanded[64:])
    )


def throwaway_public_key() -> bytes:
    """A public key whose private half nobody keeps: a slot sealed to it looks used and never opens."""
    return slot_keys(secrets.token_bytes(SEED_SIZE)).public_bytes()


def seal_slot(vault_key: VaultKey, public_key: bytes, *, folder_id: bytes, epoch: int, slot: int) -> bytes:
    """The vault key in a slot of 1,168 bytes: encapsulated key (1,120), ciphertext (32), tag (16).

    HPKE's info is label || folder id (32) || epoch (uint64) || slot number (uint32), so that a slot opens only in its
    place. Every call gives other bytes. Raises InvalidPublicKey.
    """
    info = _info(folder_id, epoch, slot)
    if len(public_key) != PUBLIC_KEY_SIZE:
        raise InvalidPublicKey(f"a slot's public key has {PUBLIC_KEY_SIZE} bytes")
    try:
        hybrid = MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(public_key[:ENCAPSULATION_KEY_SIZE]),
            X25519PublicKey.from_public_bytes(public_key[ENCAPSULATION_KEY_SIZE:]),
        )
        return _SUITE.encrypt(vault_key.raw, hybrid, info)
    # The library reports an X25519 point of low order as InvalidTag, even when encrypting.
    except (ValueError, InvalidTag):
        raise InvalidPublicKey("not a usable public key of a slot") from None


def open_slot(sealed: bytes, private: SlotPrivateKey, *, folder_id: bytes, epoch: int, slot: int) -> VaultKey:
    """The vault key in a slot. Raises DecryptionFailed when it is altered, out of its place or not for this key."""
    info = _info(folder_id, epoch, slot)
    if len(sealed) != SLOT_SIZE:
        raise DecryptionFailed(f"a slot has {SLOT_SIZE} bytes")
    try:
        return VaultKey(_SUITE.decrypt(sealed, private._hybrid, info))
    except (ValueError, InvalidTag):
        raise DecryptionFailed("the slot does not open") from None


def _info(folder_id: bytes, epoch: int, slot: int) -> bytes:
    if len(folder_id) != FOLDER_ID_SIZE:
        raise ValueError(f"a folder id has {FOLDER_ID_SIZE} bytes")
    return SLOT + folder_id + uint64(epoch) + uint32(slot)
