"""The tree of refusals."""

from __future__ import annotations

import inspect

import crypto.errors
from crypto.errors import (
    BadWords,
    CostOutOfRange,
    CryptoError,
    DecryptionFailed,
    Truncated,
)


def test_every_refusal_is_a_crypto_error():
    classes = [
        value for _, value in inspect.getmembers(crypto.errors, inspect.isclass) if value.__module__ == "crypto.errors"
    ]
    assert len(classes) >= 8
    assert all(issubclass(value, CryptoError) for value in classes)


def test_truncation_is_a_failed_decryption():
    assert issubclass(Truncated, DecryptionFailed)


def test_an_error_about_words_or_cost_carries_its_fields():
    assert (BadWords("word", 3).reason, BadWords("word", 3).word_number) == ("word", 3)
    assert BadWords("count").word_number is None
    assert (CostOutOfRange(1, 2).memory_kib, CostOutOfRange(1, 2).passes) == (1, 2)
