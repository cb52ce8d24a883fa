"""What can be wrong with bytes that somebody hands to this package.

Every refusal of hostile input is a `CryptoError`. A mistake of the calling program, such as a key of the wrong
length, is a plain `TypeError` or `ValueError`. No error carries secret bytes or words.
"""

from __future__ import annotations

from typing import Literal


class CryptoError(Exception):
    """Root of all refusals of this package."""


class DecryptionFailed(CryptoError):
    """Wrong key, altered bytes or wrong context: which of them cannot be known."""


class Truncated(DecryptionFailed):
    """The bytes end where no valid stream ends."""


class InvalidPublicKey(CryptoError):
    """The bytes are no usable public key."""


class CostOutOfRange(CryptoError):
    """An Argon2id cost below the floor, where guessing is cheap, or above the ceiling, where opening never ends."""

    def __init__(self, memory_kib: int, passes: int) -> None:
        super().__init__(f"Argon2id cost out of range: {memory_kib} KiB, {passes} passes")
        self.memory_kib = memory_kib
        self.passes = passes


class NotCanonical(CryptoError):
    """A value without a canonical form, or bytes that are not the canonical form of any value."""


class CommitmentMismatch(CryptoError):
    """The disclosed fields are not the fields that were committed to."""


class BadProof(CryptoError):
    """A Merkle proof that does not show what it is said to show."""


class BadSignature(CryptoError):
    """No signature by the key that is asked for, or one that does not hold."""


class BadWords(CryptoError):
    """Words that do not encode the bytes they should.

    `reason` is "count" (not 24 words, or how many there should be), "word" (`word_number`, counted from 1, stands in no
    list) or "checksum" (all are words of the list, but one of them is another one or stands elsewhere). The words are
    never kept.
    """

    def __init__(self, reason: Literal["count", "word", "checksum"], word_number: int | None = None) -> None:
        super().__init__(reason if word_number is None else f"{reason} {word_number}")
        self.reason = reason
        self.word_number = word_number


class BadFingerprint(CryptoError):
    """A text that is no fingerprint, nor a group of one.

    `reason` is "count" (not 16 groups or 12 words), "group" (not five digits up to 65535), "word" or "checksum".
    """

    def __init__(self, reason: Literal["count", "group", "word", "checksum"]) -> None:
        super().__init__(reason)
        self.reason = reason


class FingerprintMismatch(CryptoError):
    """What was read out is not of this fingerprint."""


class InvalidIdentity(CryptoError):
    """The text is no age identity of a kind that is known here. It is a secret, so no part of it is kept."""


class AgeFailure(CryptoError):
    """Root of what is wrong with an age file; the subclass is the layer that refused it."""


class ArmorFailure(AgeFailure):
    """The text around an age file is not the one strict form of ASCII armor."""


class HeaderFailure(AgeFailure):
    """The header, or a stanza for a kind of identity that was given, breaks a rule of the format."""


class NoMatch(AgeFailure):
    """None of the identities opens a stanza of the header."""


class HMACFailure(AgeFailure):
    """A stanza opened, but the header is not the one that was written with it."""


class PayloadFailure(AgeFailure):
    """The payload is altered, cut or followed by something; what was released before is authentic, but not all."""
