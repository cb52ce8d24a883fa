"""Fingerprints of identities, and the forms in which people compare them: digits, words and the text of a QR code.

Sixteen groups of five digits, each of them two bytes (00000 to 65535), so that every group counts for 16 bits. Twelve
BIP-39 words of the English list: the first 16 bytes and a checksum of four bits.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Mapping

from crypto.encoding import length_prefixed
from crypto.errors import BadFingerprint, BadWords, FingerprintMismatch
from crypto.labels import FINGERPRINT
from crypto.words import entropy_from_words, words_from_entropy

SIZE = 32
GROUPS = 16
GROUP_DIGITS = 5
WORDS = 12
WORDS_SIZE = 16
QR_PREFIX = "CASEVAULT:FINGERPRINT:"

_LARGEST_GROUP = 0xFFFF


def fingerprint(*, vault_id: bytes, age_recipient: str, ed25519: bytes, mldsa65: bytes) -> bytes:
    """The 32 bytes that stand for an identity: SHA-256 over its label, vault and public keys, each length-prefixed."""
    parts = (FINGERPRINT, vault_id, age_recipient.encode("ascii"), ed25519, mldsa65)
    return hashlib.sha256(length_prefixed(*parts)).digest()


def recipient_fingerprint(age_recipient: str) -> bytes:
    """What stands for somebody who is known by an age recipient alone: SHA-256 of that string."""
    return hashlib.sha256(age_recipient.encode("ascii")).digest()


def digits(fingerprint: bytes) -> tuple[str, ...]:
    """Sixteen groups of five digits, each the number of two bytes."""
    pairs = [fingerprint[at : at + 2] for at in range(0, SIZE, 2)]
    return tuple(f"{int.from_bytes(pair, 'big'):0{GROUP_DIGITS}}" for pair in pairs)


def words(fingerprint: bytes) -> tuple[str, ...]:
    """Twelve words for the first 16 bytes, the last one with a checksum in it."""
    return words_from_entropy(fingerprint[:WORDS_SIZE], "english")


def qr_text(fingerprint: bytes) -> str:
    """What a QR code shows: a prefix and all 80 digits, in the letters of QR's alphanumeric mode."""
    return QR_PREFIX + "".join(digits(fingerprint))


def parse_group(text: str) -> bytes:
    """The two bytes of one group; digits of any script, with spaces between. Raises BadFingerprint."""
    found = "".join(text.split())
    if len(found) != GROUP_DIGITS or not found.isdecimal() or int(found) > _LARGEST_GROUP:
        raise BadFingerprint("group")
    return int(found).to_bytes(2, "big")


def parse_digits(text: str) -> bytes:
    """All 32 bytes, of sixteen groups in order or of 80 digits in a row; what stands between the groups, and a number of
    one or two digits before each, do not matter. Raises BadFingerprint.
    """
    runs = re.findall(r"\d+", text)
    groups = [run for run in runs if len(run) == GROUP_DIGITS]
    together = "".join(groups if len(groups) == GROUPS else runs)
    if len(together) != GROUPS * GROUP_DIGITS:
        raise BadFingerprint("count")
    starts = range(0, len(together), GROUP_DIGITS)
    return b"".join(parse_group(together[at : at + GROUP_DIGITS]) for at in starts)


def parse_words(text: str) -> bytes:
    """The first 16 bytes, of twelve words, as `crypto.words` reads them. Raises BadFingerprint."""
    try:
        return entropy_from_words(text, count=WORDS)
    except BadWords as error:
        raise BadFingerprint(error.reason) from None


def verify_heard(fingerprint: bytes, text: str) -> bool:
    """Compare what somebody read out or pasted: all digits, the text of a QR code, or the twelve words.

    Returns whether all 256 bits were compared, as of words only the first 128 are. Raises FingerprintMismatch where it
    differs, BadFingerprint for what is neither.
    """
    heard = unicodedata.normalize("NFKC", text).strip()
    if any(character.isalpha() for character in heard.upper().removeprefix(QR_PREFIX)):
        _verify(fingerprint[:WORDS_SIZE], parse_words(heard))
        return False
    _verify(fingerprint, parse_digits(heard))
    return True


def verify_groups(fingerprint: bytes, heard: Mapping[int, str]) -> None:
    """Compare some groups, numbered from 1. Raises FingerprintMismatch where any differs, and BadFingerprint."""
    wanted = b"".join(fingerprint[2 * (number - 1) : 2 * number] for number in heard)
    _verify(wanted, b"".join(parse_group(text) for text in heard.values()))


def _verify(wanted: bytes, heard: bytes) -> None:
    if not hmac.compare_digest(wanted, heard):
        raise FingerprintMismatch("another fingerprint")
