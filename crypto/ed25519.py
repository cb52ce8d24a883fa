"""Ed25519 (RFC 8032) by libsodium, which is stricter than the RFC.

`verify` refuses S of the group's order or more, keys that are not canonical, and keys or R of small order, under which
one signature fits many messages or keys.
"""

from __future__ import annotations

from nacl import bindings
from nacl.exceptions import BadSignatureError

from crypto.errors import BadSignature, InvalidPublicKey

SEED_SIZE = 32
PUBLIC_KEY_SIZE = 32
SIGNATURE_SIZE = 64


def public_key(seed: bytes) -> bytes:
    """The 32 bytes that verify what `seed` signs. Raises ValueError when the seed has not 32 bytes."""
    return _key_pair(seed)[0]


def sign(seed: bytes, message: bytes) -> bytes:
    """The 64 bytes of the one signature that RFC 8032 gives. Raises ValueError when the seed has not 32 bytes."""
    return bindings.crypto_sign(message, _key_pair(seed)[1])[:SIGNATURE_SIZE]


def verify(public_key: bytes, message: bytes, signature: bytes) -> None:
    """Raises BadSignature when the signature does not hold, InvalidPublicKey when the key has not 32 bytes."""
    # The library reads as many bytes as a key must have, whatever it is given.
    if len(public_key) != PUBLIC_KEY_SIZE:
        raise InvalidPublicKey(f"an Ed25519 key has {PUBLIC_KEY_SIZE} bytes")
    if len(signature) != SIGNATURE_SIZE:
        raise BadSignature(f"an Ed25519 signature has {SIGNATURE_SIZE} bytes")
    try:
        bindings.crypto_sign_open(signature + message, public_key)
    except BadSignatureError:
        raise BadSignature("the signature does not hold") from None


def _key_pair(seed: bytes) -> tuple[bytes, bytes]:
    if len(seed) != SEED_SIZE:
        raise ValueError(f"an Ed25519 seed has {SEED_SIZE} bytes")
    return bindings.crypto_sign_seed_keypair(seed)
