"""Header slots."""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
import json
import pickle
from pathlib import Path

import pytest
from age_writer import LOW_ORDER
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import (
    X25519PrivateKey,
    X25519PublicKey,
)
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from hypothesis import given
from hypothesis import strategies as st

from crypto import hybrid, labels
from crypto.errors import DecryptionFailed, InvalidPublicKey
from crypto.hybrid import PUBLIC_KEY_SIZE
from crypto.keys import VaultKey
from crypto.slots import (
    SLOT_SIZE,
    open_slot,
    seal_slot,
    slot_keys,
    throwaway_public_key,
)

AGE = json.loads((Path(__file__).parents[1] / "vectors" / "age-hybrid.json").read_text("utf-8"))
FOLDER = bytes(range(32))
PLACE = {"folder_id": FOLDER, "epoch": 7, "slot": 2}
SEED = hashlib.sha256(b"seed").digest()
KEY = VaultKey(hashlib.sha256(b"vault key").digest())
PRIVATE = slot_keys(SEED)


@pytest.fixture(scope="module")
def sealed() -> bytes:
    return seal_slot(KEY, PRIVATE.public_bytes(), **PLACE)


def _from_bech32(text: str, size_bytes: int) -> bytes:
    digits = ["qpzry9x8gf2tvdw0s3jn54khce6mua7l".index(digit) for digit in text.lower().rpartition("1")[2][:-6]]
    bits = "".join(f"{digit:05b}" for digit in digits)[: size_bytes * 8]
    return int(bits, 2).to_bytes(size_bytes, "big")


def _from_base64(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4))


def test_a_seed_gives_the_public_key_that_age_gives():
    private = slot_keys(_from_bech32(AGE["identity"], 32))
    assert private.public_bytes() == _from_bech32(AGE["recipient"], PUBLIC_KEY_SIZE)


def test_the_suite_opens_what_age_sealed():
    private = slot_keys(_from_bech32(AGE["identity"], 32))
    stanza = _from_base64(AGE["enc"]) + _from_base64(AGE["body"])
    assert hybrid._SUITE.decrypt(stanza, private._hybrid, AGE["info"].encode()).hex() == AGE["file_key"]


def _expand(secret: bytes, label: bytes, info: bytes, size_bytes: int, suite: bytes) -> bytes:
    labeled = size_bytes.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return hmac.digest(secret, labeled + b"\x01", "sha256")[:size_bytes]


def _extract(salt: bytes, label: bytes, secret: bytes, suite: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + secret, "sha256")


def test_a_slot_opens_by_the_steps_of_the_specifications_alone(sealed):
    """X-Wing's combiner (draft-ietf-hpke-pq) and the key schedule of RFC 9180, section 5.1, without the HPKE module."""
    expanded = hashlib.shake_256(SEED).digest(96)
    mlkem_ct, ephemeral, ciphertext = sealed[:1088], sealed[1088:1120], sealed[1120:]
    x25519 = X25519PrivateKey.from_private_bytes(expanded[64:])
    shared = hashlib.sha3_256(
        MLKEM768PrivateKey.from_seed_bytes(expanded[:64]).decapsulate(mlkem_ct)
        + x25519.exchange(X25519PublicKey.from_public_bytes(ephemeral))
        + ephemeral
        + x25519.public_key().public_bytes_raw()
        + rb"\.//^\ "[:-1]
    ).digest()
    suite = b"HPKE" + bytes.fromhex("647a00010003")
    info = labels.SLOT + FOLDER + (7).to_bytes(8, "big") + (2).to_bytes(4, "big")
    schedule = b"\x00" + _extract(b"", b"psk_id_hash", b"", suite) + _extract(b"", b"info_hash", info, suite)
    secret = _extract(shared, b"secret", b"", suite)
    key, nonce = _expand(secret, b"key", schedule, 32, suite), _expand(secret, b"base_nonce", schedule, 12, suite)
    assert ChaCha20Poly1305(key).decrypt(nonce, ciphertext, b"") == KEY.raw


def test_sizes_are_those_of_the_format(sealed):
    assert len(sealed) == SLOT_SIZE == 1168
    assert len(PRIVATE.public_bytes()) == PUBLIC_KEY_SIZE == 1216


@given(st.binary(min_size=32, max_size=32), st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1))
def test_a_slot_opens_in_its_place(folder_id, epoch, slot):
    place = {"folder_id": folder_id, "epoch": epoch, "slot": slot}
    opened = open_slot(seal_slot(KEY, PRIVATE.public_bytes(), **place), PRIVATE, **place)
    assert opened == KEY
    assert type(opened) is VaultKey


@pytest.mark.parametrize("bit", [0x01, 0x80])
def test_a_slot_with_any_byte_altered_does_not_open(sealed, bit):
    for position in range(SLOT_SIZE):
        altered = bytearray(sealed)
        altered[position] ^= bit
        with pytest.raises(DecryptionFailed):
            open_slot(bytes(altered), PRIVATE, **PLACE)


@pytest.mark.parametrize("size_bytes", [0, 1, 1087, 1120, 1135, 1136, 1152, 1167])
def test_a_cut_or_extended_slot_does_not_open(sealed, size_bytes):
    for data in (sealed[:size_bytes], sealed + bytes(size_bytes + 1)):
        with pytest.raises(DecryptionFailed):
            open_slot(data, PRIVATE, **PLACE)


def test_a_slot_sealed_for_another_epoch_does_not_open(sealed):
    with pytest.raises(DecryptionFailed):
        open_slot(sealed, PRIVATE, **{**PLACE, "epoch": 8})


def test_a_slot_moved_to_another_number_does_not_open(sealed):
    with pytest.raises(DecryptionFailed):
        open_slot(sealed, PRIVATE, **{**PLACE, "slot": 3})


def test_a_slot_of_another_folder_does_not_open(sealed):
    with pytest.raises(DecryptionFailed):
        open_slot(sealed, PRIVATE, **{**PLACE, "folder_id": bytes(32)})


def test_a_slot_of_another_secret_does_not_open(sealed):
    with pytest.raises(DecryptionFailed):
        open_slot(sealed, slot_keys(bytes(32)), **PLACE)


@pytest.mark.parametrize("point", LOW_ORDER, ids=lambda point: point.hex()[:8])
def test_a_slot_with_a_point_of_low_order_does_not_open(sealed, point):
    with pytest.raises(DecryptionFailed):
        open_slot(sealed[:1088] + point + sealed[1120:], PRIVATE, **PLACE)


@pytest.mark.parametrize("point", LOW_ORDER, ids=lambda point: point.hex()[:8])
def test_nothing_is_sealed_to_a_point_of_low_order(point):
    with pytest.raises(InvalidPublicKey):
        seal_slot(KEY, PRIVATE.public_bytes()[:1184] + point, **PLACE)


@pytest.mark.parametrize(
    "public_key", [b"", bytes(1215), bytes(1217), b"\xff" * 1184 + bytes([9]) + bytes(31)], ids=len
)
def test_nothing_is_sealed_to_bytes_that_are_no_public_key(public_key):
    with pytest.raises(InvalidPublicKey):
        seal_slot(KEY, public_key, **PLACE)


@pytest.mark.parametrize("size_bytes", [0, 16, 31, 33])
def test_lengths_of_seed_and_folder_id_are_checked(sealed, size_bytes):
    with pytest.raises(ValueError):
        slot_keys(bytes(size_bytes))
    with pytest.raises(ValueError):
        open_slot(sealed, PRIVATE, **{**PLACE, "folder_id": bytes(size_bytes)})
    with pytest.raises(ValueError):
        seal_slot(KEY, PRIVATE.public_bytes(), **{**PLACE, "folder_id": bytes(size_bytes)})


def test_sealing_twice_gives_other_bytes(sealed):
    again = seal_slot(KEY, PRIVATE.public_bytes(), **PLACE)
    assert sealed[:1088] != again[:1088]
    assert sealed[1088:1120] != again[1088:1120]
    assert sealed[1120:] != again[1120:]


def test_throwaway_keys_differ_and_take_a_slot_that_does_not_open():
    first, second = throwaway_public_key(), throwaway_public_key()
    assert first != second
    unused = seal_slot(KEY, first, **PLACE)
    assert len(unused) == SLOT_SIZE
    with pytest.raises(DecryptionFailed):
        open_slot(unused, PRIVATE, **PLACE)


def test_a_private_key_shows_nothing_and_is_neither_copied_nor_pickled():
    assert repr(PRIVATE) == str(PRIVATE) == "<SlotPrivateKey>"
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            attempt(PRIVATE)
