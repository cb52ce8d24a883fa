"""Small sealed values: titles, log bodies, the mark outside the vault."""

from __future__ import annotations

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from crypto.errors import DecryptionFailed
from crypto.keys import RecordKey

NONCE_SIZE = 12
TAG_SIZE = 16
RECORD_OVERHEAD = NONCE_SIZE + TAG_SIZE


def encrypt_record(key: RecordKey, plaintext: bytes, *, context: bytes) -> bytes:
    """nonce (12 random bytes) || AES-256-GCM ciphertext || tag (16); `context` is authenticated, not stored.

    Random nonces of 96 bits hold for at most 2**32 records under one key (NIST SP 800-38D, section 8.3). The size
    of the plaintext shows.
    """
    nonce = secrets.token_bytes(NONCE_SIZE)
    return nonce + AESGCM(key.raw).encrypt(nonce, plaintext, context)


def decrypt_record(key: RecordKey, sealed: bytes, *, context: bytes) -> bytes:
    """The plaintext of a record. Raises DecryptionFailed for altered bytes, another key or another context."""
    if len(sealed) < RECORD_OVERHEAD:
        raise DecryptionFailed("shorter than any record")
    try:
        return AESGCM(key.raw).decrypt(sealed[:NONCE_SIZE], sealed[NONCE_SIZE:], context)
    except InvalidTag:
        raise DecryptionFailed("the record does not open") from None
