"""Fingerprints: what they cover, and the forms in which people compare them."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto import fingerprints
from crypto.errors import BadFingerprint, FingerprintMismatch

PARTS = {"vault_id": bytes(16), "age_recipient": "age1pq1x", "ed25519": bytes(32), "mldsa65": bytes(1952)}
PRINTS = st.binary(min_size=32, max_size=32)
COUNTING = bytes(range(32))


def test_a_fingerprint_covers_label_vault_recipient_and_both_keys_with_their_lengths():
    covered = [b"casevault/v1/fingerprint", bytes(16), b"age1pq1x", bytes(32), bytes(1952)]
    expected = hashlib.sha256(b"".join(len(part).to_bytes(8, "big") + part for part in covered)).digest()
    assert fingerprints.fingerprint(**PARTS) == expected


@pytest.mark.parametrize(
    "other",
    [
        {"vault_id": bytes(15) + b"\1"},
        {"age_recipient": "age1pq1y"},
        {"ed25519": bytes(31) + b"\1"},
        {"mldsa65": bytes(1951) + b"\1"},
        {"vault_id": bytes(15), "ed25519": bytes(33)},
    ],
)
def test_every_part_changes_it(other):
    assert fingerprints.fingerprint(**{**PARTS, **other}) != fingerprints.fingerprint(**PARTS)


def test_known_digits():
    assert fingerprints.digits(COUNTING)[:3] == ("00001", "00515", "01029")
    assert fingerprints.digits(b"\xff" * 32) == ("65535",) * 16


def test_words_are_those_of_bip_39_for_the_first_half():
    # From the vectors of BIP-39 (https://github.com/trezor/python-mnemonic/blob/master/vectors.json).
    legal = "legal winner thank year wave sausage worth useful legal winner thank yellow"
    assert " ".join(fingerprints.words(b"\x7f" * 16 + bytes(16))) == legal
    assert fingerprints.words(bytes(32)) == (*["abandon"] * 11, "about")


@given(PRINTS)
def test_each_form_leads_back(value):
    assert fingerprints.parse_digits(" ".join(fingerprints.digits(value))) == value
    assert fingerprints.parse_digits("".join(fingerprints.digits(value))) == value
    assert fingerprints.parse_words(" ".join(fingerprints.words(value))) == value[:16]
    assert fingerprints.verify_heard(value, fingerprints.qr_text(value)) is True
    assert fingerprints.verify_heard(value, " ".join(fingerprints.words(value))) is False
    assert len(fingerprints.digits(value)) == fingerprints.GROUPS
    assert {len(group) for group in fingerprints.digits(value)} == {fingerprints.GROUP_DIGITS}


@given(PRINTS, st.integers(0, 255))
def test_one_other_bit_is_another_fingerprint_in_digits_and_code(value, bit):
    other = (int.from_bytes(value, "big") ^ (1 << bit)).to_bytes(32, "big")
    for text in (" ".join(fingerprints.digits(other)), fingerprints.qr_text(other)):
        with pytest.raises(FingerprintMismatch):
            fingerprints.verify_heard(value, text)


@given(PRINTS, st.integers(1, 16))
def test_a_group_stands_for_two_bytes_at_its_place(value, number):
    group = fingerprints.digits(value)[number - 1]
    fingerprints.verify_groups(value, {number: group})
    wrong = f"{(int(group) + 1) % 65536:05}"
    with pytest.raises(FingerprintMismatch):
        fingerprints.verify_groups(value, {number: wrong})


def test_digits_are_read_as_people_write_them():
    groups = fingerprints.digits(COUNTING)
    numbered = "\n".join(f"{number:2}. {group}" for number, group in enumerate(groups, 1))
    arabic = " ".join(groups).translate({ord("0") + digit: chr(0x660 + digit) for digit in range(10)})
    for text in (numbered, "-".join(groups), " / ".join(groups), arabic, f"\n {' '.join(groups)} \r\n"):
        assert fingerprints.verify_heard(COUNTING, text) is True
    assert fingerprints.parse_group(" 00 515 ") == b"\x02\x03"


def test_words_are_read_as_people_write_them():
    words = fingerprints.words(COUNTING)
    for text in (" ".join(words).upper(), "\n".join(word[:4] for word in words)):
        assert fingerprints.verify_heard(COUNTING, text) is False


@pytest.mark.parametrize("text", ["", "1234", "123456", "65536", "99999", "12a45", "1234\N{SUPERSCRIPT TWO}", "-1234"])
def test_what_is_no_group_is_refused(text):
    with pytest.raises(BadFingerprint) as refused:
        fingerprints.parse_group(text)
    assert refused.value.reason == "group"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "count"),
        ("0" * 79, "count"),
        ("0" * 81, "count"),
        ("99999 " * 16, "group"),
        ("abandon " * 11, "count"),
        ("abandon " * 12, "checksum"),
        ("abandon " * 11 + "abendbrot", "word"),
        ("CASEVAULT:FINGERPRINT:12345", "count"),
    ],
)
def test_what_is_no_fingerprint_is_refused(text, reason):
    with pytest.raises(BadFingerprint) as refused:
        fingerprints.verify_heard(bytes(32), text)
    assert refused.value.reason == reason


def test_whoever_is_known_by_a_recipient_alone_has_its_digest():
    assert fingerprints.recipient_fingerprint("age1xyz") == hashlib.sha256(b"age1xyz").digest()
