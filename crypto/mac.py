"""Message authentication: HMAC-SHA-256 (RFC 2104, FIPS 198-1), compared in constant time."""

from __future__ import annotations

import hashlib
import hmac

from crypto.errors import DecryptionFailed
from crypto.keys import MacKey


def compute_mac(key: MacKey, message: bytes) -> bytes:
    """The 32-byte HMAC-SHA-256 of ``message``."""
    return hmac.new(key.raw, message, hashlib.sha256).digest()


def verify_mac(key: MacKey, message: bytes, tag: bytes) -> None:
    """Raises ``DecryptionFailed`` unless ``tag`` is the MAC of ``message``."""
    if not hmac.compare_digest(compute_mac(key, message), tag):
        raise DecryptionFailed
