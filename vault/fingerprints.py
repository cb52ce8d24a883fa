"""Fingerprints in the forms in which people compare them, of the hexadecimal text in which requests carry them."""

from __future__ import annotations

from crypto import fingerprints


def words(fingerprint: str) -> str:
    """Twelve words, which stand for its first half."""
    return " ".join(fingerprints.words(bytes.fromhex(fingerprint)))


def digits(fingerprint: str) -> str:
    """Sixteen groups of five digits, which stand for all of it."""
    return " ".join(fingerprints.digits(bytes.fromhex(fingerprint)))
