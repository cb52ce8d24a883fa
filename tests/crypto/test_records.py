"""Small sealed values."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from crypto.errors import DecryptionFailed
from crypto.keys import RecordKey
from crypto.records import RECORD_OVERHEAD, decrypt_record, encrypt_record

KEY = RecordKey(bytes(range(32)))


@given(st.binary(max_size=300), st.binary(max_size=40))
def test_a_record_opens_under_its_key_and_context(plaintext, context):
    sealed = encrypt_record(KEY, plaintext, context=context)
    assert len(sealed) == len(plaintext) + RECORD_OVERHEAD
    assert decrypt_record(KEY, sealed, context=context) == plaintext


def test_a_record_is_nonce_then_aes_256_gcm():
    sealed = encrypt_record(KEY, b"title", context=b"case 1")
    assert AESGCM(KEY.raw).decrypt(sealed[:12], sealed[12:], b"case 1") == b"title"


@pytest.mark.parametrize("plaintext", [b"", b"Harbour Street"])
def test_a_record_with_any_bit_altered_does_not_open(plaintext):
    sealed = encrypt_record(KEY, plaintext, context=b"case 1")
    for position in range(len(sealed) * 8):
        altered = bytearray(sealed)
        altered[position // 8] ^= 1 << position % 8
        with pytest.raises(DecryptionFailed):
            decrypt_record(KEY, bytes(altered), context=b"case 1")


def test_a_cut_or_extended_record_does_not_open():
    sealed = encrypt_record(KEY, b"title", context=b"case 1")
    for data in [sealed[:size] for size in range(len(sealed))] + [sealed + b"\x00"]:
        with pytest.raises(DecryptionFailed):
            decrypt_record(KEY, data, context=b"case 1")


@pytest.mark.parametrize("context", [b"", b"case 2", b"case 1\x00"])
def test_a_record_of_another_context_does_not_open(context):
    with pytest.raises(DecryptionFailed):
        decrypt_record(KEY, encrypt_record(KEY, b"title", context=b"case 1"), context=context)


def test_a_record_of_another_key_does_not_open():
    with pytest.raises(DecryptionFailed):
        decrypt_record(RecordKey(bytes(32)), encrypt_record(KEY, b"title", context=b""), context=b"")


def test_nonces_are_fresh():
    assert len({encrypt_record(KEY, b"", context=b"")[:12] for _ in range(100)}) == 100
