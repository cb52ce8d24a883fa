"""Ed25519: RFC 8032's signatures, and the strict verification of libsodium against published and forged edge cases."""

from __future__ import annotations

import json
from pathlib import Path

import edwards
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto import ed25519
from crypto.errors import BadSignature, InvalidPublicKey

VECTORS = Path(__file__).parents[1] / "vectors" / "ed25519"
SEED = bytes(range(32))
KEY = ed25519.public_key(SEED)
# RFC 8032, section 7.1: seed, public key, message, signature
RFC = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]


@pytest.mark.parametrize(("seed", "key", "message", "signature"), RFC)
def test_signatures_are_those_of_the_rfc(seed, key, message, signature):
    assert ed25519.public_key(bytes.fromhex(seed)).hex() == key
    assert ed25519.sign(bytes.fromhex(seed), bytes.fromhex(message)).hex() == signature
    ed25519.verify(bytes.fromhex(key), bytes.fromhex(message), bytes.fromhex(signature))


def cases(name):
    for case in json.loads((VECTORS / f"{name}.json").read_text("utf-8"))["cases"]:
        values = [bytes.fromhex(case[each]) for each in ("public_key", "message", "signature")]
        yield pytest.param(*values, case["accepted"], id=f"{name} {case['number']}: {case['what']}")


@pytest.mark.parametrize(("key", "message", "signature", "accepted"), [*cases("wycheproof"), *cases("speccheck")])
def test_published_edge_cases_come_out_as_their_files_say(key, message, signature, accepted):
    if accepted:
        ed25519.verify(key, message, signature)
    else:
        with pytest.raises(BadSignature):
            ed25519.verify(key, message, signature)


def messages():
    return (f"checkpoint {number}\n".encode() for number in range(1000))


@pytest.mark.parametrize("key", edwards.LOW_ORDER, ids=bytes.hex)
def test_a_key_of_small_order_signs_nothing(key):
    """Without any secret: R = S·B, and one message in eight at most fits even the equation without cofactor."""
    assert edwards.multiply(8, edwards.decode(key)) == edwards.IDENTITY
    for s in (0, 5):
        r = edwards.multiply(s, edwards.BASE)
        signature = edwards.encode(r) + s.to_bytes(32, "little")
        exact = 0
        for message in messages():
            assert edwards.leniently_verified(key, message, signature)
            with pytest.raises(BadSignature):
                ed25519.verify(key, message, signature)
            k = edwards.challenge(signature[:32], key, message)
            exact += edwards.multiply(k, edwards.decode(key)) == edwards.IDENTITY
            if exact == 2:
                break
        assert exact == 2


@pytest.mark.parametrize("r", edwards.LOW_ORDER, ids=bytes.hex)
def test_an_r_of_small_order_is_refused(r):
    for message in (b"checkpoint\n", b""):
        s = edwards.challenge(r, KEY, message) * edwards.secret_scalar(SEED) % edwards.L
        signature = r + s.to_bytes(32, "little")
        assert edwards.leniently_verified(KEY, message, signature)
        with pytest.raises(BadSignature):
            ed25519.verify(KEY, message, signature)


def test_a_signature_has_one_s():
    signature = ed25519.sign(SEED, b"checkpoint\n")
    s = int.from_bytes(signature[32:], "little")
    for times in range(1, 15):
        other = signature[:32] + (s + times * edwards.L).to_bytes(32, "little")
        assert edwards.leniently_verified(KEY, b"checkpoint\n", other)
        with pytest.raises(BadSignature):
            ed25519.verify(KEY, b"checkpoint\n", other)


@given(seed=st.binary(min_size=32, max_size=32), message=st.binary(max_size=200), bit=st.integers(0, 511))
def test_each_flipped_bit_of_a_signature_is_refused(seed, message, bit):
    signature, key = ed25519.sign(seed, message), ed25519.public_key(seed)
    ed25519.verify(key, message, signature)
    flipped = (int.from_bytes(signature, "big") ^ 1 << bit).to_bytes(64, "big")
    for wrong in ((key, message, flipped), (key, message + b"\n", signature), (KEY, message, signature)):
        with pytest.raises(BadSignature):
            ed25519.verify(*wrong)


@pytest.mark.parametrize("size_bytes", [0, 31, 33, 64])
def test_seeds_and_keys_have_32_bytes(size_bytes):
    for call in (ed25519.public_key, lambda seed: ed25519.sign(seed, b"")):
        with pytest.raises(ValueError, match="32 bytes"):
            call(bytes(size_bytes))
    with pytest.raises(InvalidPublicKey):
        ed25519.verify(bytes(size_bytes), b"", bytes(64))


def test_no_byte_moves_between_signature_and_message():
    signature = ed25519.sign(SEED, b"xabc")
    for message, moved in (
        (b"abc", signature + b"x"),
        (signature[63:] + b"xabc", signature[:63]),
        (b"", signature + b"xabc"),
    ):
        with pytest.raises(BadSignature, match="64 bytes"):
            ed25519.verify(KEY, message, moved)
