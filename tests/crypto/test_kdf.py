"""From what a person knows or holds to a seed."""

from __future__ import annotations

import hashlib
import hmac
import unicodedata

import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from hypothesis import given
from hypothesis import strategies as st

from crypto import kdf, labels
from crypto.errors import CostOutOfRange, CryptoError
from crypto.kdf import (
    CEILING,
    FLOOR,
    Cost,
    argon2id,
    calibrate,
    passphrase_secret,
    secret_seed,
)

SALT = bytes(range(16))
FOLDER = bytes(range(32))


def test_argon2id_agrees_with_another_implementation():
    seed = argon2id(b"secret", salt=SALT, cost=FLOOR)
    other = Argon2id(salt=SALT, length=32, iterations=FLOOR.passes, lanes=1, memory_cost=FLOOR.memory_kib)
    assert seed == other.derive(b"secret")


@pytest.mark.parametrize(
    "cost",
    [
        Cost(262_143, 3), Cost(262_144, 2), Cost(4_194_305, 3), Cost(262_144, 17), Cost(0, 0), Cost(-1, 3),
        Cost(2**40, 2**40),
    ],
)  # fmt: skip
def test_a_cost_out_of_range_is_refused_before_any_work(cost, monkeypatch):
    monkeypatch.setattr(kdf, "crypto_pwhash_alg", lambda *_: pytest.fail("worked"))
    with pytest.raises(CostOutOfRange) as caught:
        argon2id(b"secret", salt=SALT, cost=cost)
    assert (caught.value.memory_kib, caught.value.passes) == (cost.memory_kib, cost.passes)


def test_floor_and_ceiling_are_in_range():
    FLOOR.check()
    CEILING.check()


@pytest.mark.parametrize("salt", [b"", bytes(15), bytes(17)])
def test_a_salt_of_another_length_is_refused(salt):
    with pytest.raises(ValueError):
        argon2id(b"secret", salt=salt, cost=FLOOR)


@pytest.mark.parametrize("failure", [RuntimeError("x"), MemoryError()])
def test_missing_memory_is_a_named_refusal(failure, monkeypatch):
    def fail(*_):
        raise failure

    monkeypatch.setattr(kdf, "crypto_pwhash_alg", fail)
    with pytest.raises(CryptoError):
        argon2id(b"secret", salt=SALT, cost=FLOOR)


def _machine(seconds_at_floor: float):
    def measure(cost: Cost) -> float:
        return seconds_at_floor * cost.memory_kib * cost.passes / (FLOOR.memory_kib * FLOOR.passes)

    return measure


@given(seconds_at_floor=st.floats(min_value=0.0, max_value=1000), target=st.floats(min_value=0.01, max_value=60))
def test_calibration_stays_between_floor_and_ceiling(seconds_at_floor, target):
    calibrate(target, measure=_machine(seconds_at_floor)).check()


@given(seconds_at_floor=st.floats(min_value=0.02, max_value=1.0))
def test_calibration_meets_the_target_where_the_range_allows_it(seconds_at_floor):
    measure = _machine(seconds_at_floor)
    assert 0.95 <= measure(calibrate(1.0, measure=measure)) <= 1.0


def test_calibration_of_a_slow_machine_gives_the_floor_and_of_a_fast_one_the_ceiling():
    assert calibrate(1.0, measure=_machine(2.0)) == FLOOR
    assert calibrate(1.0, measure=_machine(0.0)) == CEILING
    assert calibrate(1.0, measure=_machine(0.25)) == Cost(FLOOR.memory_kib, 12)


def test_calibration_measures_only_the_floor():
    measured = []
    calibrate(1.0, measure=lambda cost: measured.append(cost) or 0.1)
    assert measured == [FLOOR]


def test_calibration_on_this_machine_is_in_range():
    calibrate(0.1).check()


def test_a_passphrase_secret_is_kind_length_text_and_digest_of_the_key_file():
    text = "слово 1".encode()
    length = len(text).to_bytes(8, "big")
    assert passphrase_secret("слово 1", None) == b"\x01" + length + text
    assert passphrase_secret("слово 1", b"file") == b"\x02" + length + text + hashlib.sha256(b"file").digest()


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_all_unicode_forms_of_a_passphrase_that_mean_the_same_give_one_secret(passphrase):
    composed, decomposed = (unicodedata.normalize(form, passphrase) for form in ("NFC", "NFD"))
    assert passphrase_secret(composed, None) == passphrase_secret(decomposed, None)


def test_nothing_else_of_a_passphrase_is_changed():
    variants = ["a", "A", " a", "a ", "a\n", "a\r\n", "", "\u00a0a", "a\x00", "\ufb01", "fi", "a" * 4096]
    assert len({passphrase_secret(passphrase, None) for passphrase in variants}) == len(variants)


passphrases = st.text(st.characters(exclude_categories=["Cs"]), max_size=8).map(
    lambda t: unicodedata.normalize("NFC", t)
)
key_files = st.none() | st.binary(max_size=40)


@given(passphrases, key_files, passphrases, key_files)
def test_secrets_of_different_passphrases_or_key_files_differ(first, first_file, second, second_file):
    same = passphrase_secret(first, first_file) == passphrase_secret(second, second_file)
    assert same == ((first, first_file) == (second, second_file))


def test_an_empty_key_file_is_not_a_missing_one():
    assert passphrase_secret("a", b"") != passphrase_secret("a", None)


def test_a_passphrase_without_utf8_form_is_refused_by_name():
    with pytest.raises(CryptoError):
        passphrase_secret("\ud800", None)


@pytest.mark.parametrize("kind", [kdf.KIND_RECOVERY, kdf.KIND_KEY_FILE])
def test_a_high_entropy_seed_is_hkdf_salted_with_the_folder(kind):
    extracted = hmac.digest(FOLDER, b"s" * 32, "sha256")
    expected = hmac.digest(extracted, labels.SEED_SECRET + bytes([kind]) + b"\x01", "sha256")
    assert secret_seed(b"s" * 32, folder_id=FOLDER, kind=kind) == expected


def test_seeds_of_kinds_and_folders_differ():
    seeds = {secret_seed(bytes(32), folder_id=folder, kind=kind) for folder in (FOLDER, bytes(32)) for kind in (3, 4)}
    assert len(seeds) == 4


def test_a_short_secret_or_folder_id_or_another_kind_is_refused():
    for secret, folder, kind in (
        (bytes(15), FOLDER, 3),
        (bytes(16), bytes(31), 3),
        (bytes(16), FOLDER, 1),
        (bytes(16), FOLDER, 2),
    ):
        with pytest.raises(ValueError):
            secret_seed(secret, folder_id=folder, kind=kind)
    assert len(secret_seed(bytes(16), folder_id=FOLDER, kind=3)) == 32
