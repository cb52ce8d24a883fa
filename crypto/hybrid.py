"""HPKE to hybrid keys: what is sealed stays secret while either ML-KEM-768 or X25519 holds.

RFC 9180 in base mode with the KEM MLKEM768-X25519 (also known as X-Wing, draft-ietf-hpke-pq), HKDF-SHA256 and
ChaCha20Poly1305, and the expansion of a 32-byte seed into a key pair: the suite of age's hybrid recipients,
https://c2sp.org/age, which the slots of the vault's header use too.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NoReturn

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

from crypto.errors import DecryptionFailed, InvalidPublicKey

if TYPE_CHECKING:
    from typing_extensions import Self

SEED_SIZE = 32
ENCAPSULATION_KEY_SIZE = 1184
PUBLIC_KEY_SIZE = ENCAPSULATION_KEY_SIZE + 32
CIPHERTEXT_SIZE = 1088
ENCAPSULATED_SIZE = CIPHERTEXT_SIZE + 32
TAG_SIZE = 16

_SUITE = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


class HybridPrivateKey:
    """The private half of a hybrid key pair. It shows nothing, and is neither copied nor pickled."""

    __slots__ = ("_hybrid", "_public", "_x25519")

    def __init__(self, seed: bytes) -> None:
        """SHAKE256(seed, 96) is the ML-KEM seed d || z (64), then the X25519 scalar (32). Raises ValueError for a
        seed of another length than 32 bytes.
        """
        if len(seed) != SEED_SIZE:
            raise ValueError(f"a seed has {SEED_SIZE} bytes")
        expanded = hashlib.shake_256(seed).digest(96)
        mlkem = MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
        self._x25519 = X25519PrivateKey.from_private_bytes(expanded[64:])
        self._hybrid = MLKEM768X25519PrivateKey(mlkem, self._x25519)
        self._public = mlkem.public_key().public_bytes_raw() + self._x25519.public_key().public_bytes_raw()

    def public_bytes(self) -> bytes:
        """1,216 bytes: the ML-KEM-768 encapsulation key (1,184), then the X25519 public key (32)."""
        return self._public

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(f"{type(self).__name__} is neither copied nor pickled")


class HybridPublicKey:
    """A public key that something can be sealed to."""

    __slots__ = ("_hybrid", "raw")

    def __init__(self, raw: bytes) -> None:
        """Raises InvalidPublicKey for bytes that are no key, and for an X25519 point of low order."""
        if len(raw) != PUBLIC_KEY_SIZE:
            raise InvalidPublicKey(f"a hybrid public key has {PUBLIC_KEY_SIZE} bytes")
        self.raw = raw
        try:
            x25519 = X25519PublicKey.from_public_bytes(raw[ENCAPSULATION_KEY_SIZE:])
            mlkem = MLKEM768PublicKey.from_public_bytes(raw[:ENCAPSULATION_KEY_SIZE])
            # With a point of low order every exchange ends in zeros, which the library refuses.
            X25519PrivateKey.generate().exchange(x25519)
        except ValueError:
            raise InvalidPublicKey("not a usable hybrid public key") from None
        self._hybrid = MLKEM768X25519PublicKey(mlkem, x25519)

    @classmethod
    def of(cls, private: HybridPrivateKey) -> Self:
        """The public half of a key pair."""
        return cls(private.public_bytes())


def seal(plaintext: bytes, public: HybridPublicKey, *, info: bytes) -> bytes:
    """Encapsulated key (1,120 bytes), ciphertext as long as the plaintext, tag (16). Every call gives other bytes."""
    return _SUITE.encrypt(plaintext, public._hybrid, info)


def open_sealed(sealed: bytes, private: HybridPrivateKey, *, info: bytes) -> bytes:
    """What was sealed to this key with this `info`.

    Raises DecryptionFailed when it is altered or not for this key; InvalidPublicKey when the X25519 share in it has
    low order, so that half of the secret would be known to everybody.
    """
    if len(sealed) < ENCAPSULATED_SIZE + TAG_SIZE:
        raise DecryptionFailed("shorter than anything sealed")
    try:
        # The library reports a point of low order as InvalidTag; only the exchange itself tells the two apart.
        private._x25519.exchange(X25519PublicKey.from_public_bytes(sealed[CIPHERTEXT_SIZE:ENCAPSULATED_SIZE]))
    except ValueError:
        raise InvalidPublicKey("a share of low order") from None
    try:
        return _SUITE.decrypt(sealed, private._hybrid, info)
    except (ValueError, InvalidTag):
        raise DecryptionFailed("what is sealed does not open") from None
