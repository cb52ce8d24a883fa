"""ML-DSA-65: keys of FIPS 204, and a context for each kind of signed thing."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PublicKey
from hypothesis import given
from hypothesis import strategies as st

from crypto import mldsa
from crypto.errors import BadSignature, InvalidPublicKey
from crypto.keys import IdentityMLDSAKey
from crypto.labels import SignedKind

KEY = IdentityMLDSAKey(bytes(range(32)))
PUBLIC = mldsa.public_key(KEY)
MESSAGE = b"hello\n"
SEALED = SignedKind.SEALED_FILE
# NIST ACVP, ML-DSA-keyGen-FIPS204, ML-DSA-65: seed, SHA-256 of the public key
KEYS = [
    (
        "a991fd42b071d49c48ae3e75c647459e0daad1e1ba356a04801912d3294bcff8",
        "b1a7d0d2f0d7a04b9d5ffccd9bd578864dab4a01cdd7f70a05cd1f4f0672e43a",
    ),
    (
        "494f29ad1c93abb2b9545bd14cc575a98ecd3062137b439b49eb1a8cc6652fc6",
        "4f2a21f2bee92fc15c91ce7dc7d96f5dac1ee1f0f7eb7325823ea96dd12ecc84",
    ),
    (
        "c4ec434d7feddcbff68b77a80e45935f3e363289a493e49acbae366e5c6b3d01",
        "01d5cc69a363d4b47fffa5a042edf4293cd5290c3f4a1b5c2f11260b6446eace",
    ),
]


@pytest.mark.parametrize(("seed", "digest"), KEYS)
def test_keys_are_those_of_fips_204(seed, digest):
    public = mldsa.public_key(IdentityMLDSAKey(bytes.fromhex(seed)))
    assert len(public) == mldsa.PUBLIC_KEY_SIZE
    assert hashlib.sha256(public).hexdigest() == digest


@pytest.mark.parametrize("kind", SignedKind)
def test_what_is_signed_is_the_message_under_the_kind_as_fips_204_joins_them(kind):
    """Section 5.2 and algorithm 7: mu = SHAKE256(SHAKE256(pk) || 0 || length of context || context || message)."""
    signature = mldsa.sign(KEY, MESSAGE, kind=kind)
    assert len(signature) == mldsa.SIGNATURE_SIZE
    context = kind.value
    key_digest = hashlib.shake_256(PUBLIC).digest(64)
    mu = hashlib.shake_256(key_digest + bytes([0, len(context)]) + context + MESSAGE).digest(64)
    library_key = MLDSA65PublicKey.from_public_bytes(PUBLIC)
    library_key.verify_mu(signature, mu)
    library_key.verify(signature, MESSAGE, context)
    with pytest.raises(InvalidSignature):
        library_key.verify(signature, MESSAGE)


@given(st.binary(max_size=300), st.sampled_from(SignedKind))
def test_a_signature_is_of_its_message_kind_and_key_only(message, kind):
    signature = mldsa.sign(KEY, message, kind=kind)
    mldsa.verify(PUBLIC, message, signature, kind=kind)
    other_key = mldsa.public_key(IdentityMLDSAKey(bytes(32)))
    for wrong in ((other_key, message, signature), (PUBLIC, message + b"\x00", signature)):
        with pytest.raises(BadSignature):
            mldsa.verify(*wrong, kind=kind)
    for other in SignedKind:
        if other is not kind:
            with pytest.raises(BadSignature):
                mldsa.verify(PUBLIC, message, signature, kind=other)


@given(st.integers(0, 8 * mldsa.SIGNATURE_SIZE - 1))
def test_each_flipped_bit_is_refused(bit):
    flipped = (int.from_bytes(SIGNATURE, "big") ^ 1 << bit).to_bytes(mldsa.SIGNATURE_SIZE, "big")
    with pytest.raises(BadSignature):
        mldsa.verify(PUBLIC, MESSAGE, flipped, kind=SEALED)


SIGNATURE = mldsa.sign(KEY, MESSAGE, kind=SEALED)


def test_signing_is_hedged():
    assert mldsa.sign(KEY, MESSAGE, kind=SEALED) != SIGNATURE


@pytest.mark.parametrize("signature", [b"", SIGNATURE[:-1], SIGNATURE + b"\x00", bytes(mldsa.SIGNATURE_SIZE)])
def test_a_signature_of_another_size_is_refused(signature):
    with pytest.raises(BadSignature):
        mldsa.verify(PUBLIC, MESSAGE, signature, kind=SEALED)


@pytest.mark.parametrize("public", [b"", PUBLIC[:-1], PUBLIC + b"\x00", bytes(32)])
def test_a_key_of_another_size_is_refused(public):
    with pytest.raises(InvalidPublicKey):
        mldsa.verify(public, MESSAGE, SIGNATURE, kind=SEALED)
