"""ML-DSA-65 (FIPS 204, pure, hedged) with a context: the signature that holds against quantum computers."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey, MLDSA65PublicKey

from crypto.errors import BadSignature, InvalidPublicKey
from crypto.keys import IdentityMLDSAKey
from crypto.labels import SignedKind

PUBLIC_KEY_SIZE = 1952
SIGNATURE_SIZE = 3309


def public_key(key: IdentityMLDSAKey) -> bytes:
    """The 1,952 bytes that verify what `key`, the seed of FIPS 204's key generation, signs."""
    return MLDSA65PrivateKey.from_seed_bytes(key.raw).public_key().public_bytes_raw()


def sign(key: IdentityMLDSAKey, message: bytes, *, kind: SignedKind) -> bytes:
    """3,309 bytes, others at every call. The context is the kind's label."""
    return MLDSA65PrivateKey.from_seed_bytes(key.raw).sign(message, kind.value)


def verify(public_key: bytes, message: bytes, signature: bytes, *, kind: SignedKind) -> None:
    """Raises BadSignature when the signature is not of this message, kind and key; InvalidPublicKey for another size."""
    if len(public_key) != PUBLIC_KEY_SIZE:
        raise InvalidPublicKey(f"an ML-DSA-65 key has {PUBLIC_KEY_SIZE} bytes")
    try:
        MLDSA65PublicKey.from_public_bytes(public_key).verify(signature, message, kind.value)
    except InvalidSignature:
        raise BadSignature("the signature does not hold") from None
