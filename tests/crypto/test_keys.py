"""Key types and derivation."""

from __future__ import annotations

import copy
import hashlib
import hmac
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto import labels
from crypto.keys import (
    CaseKey,
    DatabaseKey,
    IdentityEd25519Key,
    IdentityMLDSAKey,
    Key,
    MacKey,
    ObjectKey,
    RecordKey,
    StepKey,
    VaultKey,
    derive,
)

CLASSES = [
    VaultKey,
    CaseKey,
    ObjectKey,
    DatabaseKey,
    MacKey,
    RecordKey,
    StepKey,
    IdentityEd25519Key,
    IdentityMLDSAKey,
]
SECRET = bytes(range(100, 132))


@pytest.fixture(params=CLASSES, ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


def test_a_key_shows_its_class_and_nothing_else(kind):
    key = kind(SECRET)
    for shown in (repr(key), str(key), f"{key}", f"{key!r}", "%s" % key, repr([key])):  # noqa: UP031 (each way in which a key might be shown)
        assert kind.__name__ in shown
        assert SECRET.hex() not in shown
        assert repr(SECRET)[2:-1] not in shown
        assert str(SECRET[0]) not in shown


def test_a_key_cannot_be_formatted_into_something_else(kind):
    with pytest.raises(TypeError):
        format(kind(SECRET), "x")


def test_a_key_is_neither_pickled_nor_copied_nor_written_as_json(kind):
    key = kind(SECRET)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError):
            pickle.dumps(key, protocol)
    with pytest.raises(TypeError):
        copy.copy(key)
    with pytest.raises(TypeError):
        copy.deepcopy({"key": key})
    with pytest.raises(TypeError):
        json.dumps(key)


def test_a_key_does_not_change(kind):
    key = kind(SECRET)
    with pytest.raises(AttributeError):
        key.raw = bytes(32)
    with pytest.raises(AttributeError):
        del key.raw
    with pytest.raises(AttributeError):
        key.other = 1
    assert key.raw == SECRET
    assert not hasattr(key, "__dict__")


def test_a_key_has_no_hash(kind):
    with pytest.raises(TypeError):
        hash(kind(SECRET))


@pytest.mark.parametrize("size_bytes", [0, 1, 31, 33, 64])
def test_a_key_of_another_length_is_refused_without_its_content(kind, size_bytes):
    with pytest.raises(ValueError) as caught:
        kind(b"\xab" * size_bytes)
    assert "ab" not in str(caught.value).replace(kind.__name__, "")


@pytest.mark.parametrize("raw", ["x" * 32, bytearray(32), memoryview(bytes(32)), None, 32])
def test_a_key_is_made_of_bytes_only(kind, raw):
    with pytest.raises(TypeError):
        kind(raw)


def test_equal_keys_are_of_one_class(kind):
    assert kind(SECRET) == kind(SECRET)
    assert kind(SECRET) != kind(bytes(32))
    for other in {*CLASSES, Key} - {kind}:
        assert kind(SECRET) != other(SECRET)
    assert kind(SECRET) != SECRET


def test_random_keys_are_of_their_class_and_differ(kind):
    keys = [kind.random() for _ in range(20)]
    assert all(type(key) is kind for key in keys)
    assert len({key.raw for key in keys}) == 20


def _hkdf_sha256(secret: bytes, info: bytes) -> bytes:
    """RFC 5869 for one block of output and no salt."""
    extracted = hmac.digest(bytes(32), secret, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")


@given(secret=st.binary(min_size=32, max_size=32), context=st.binary(max_size=80))
def test_derivation_is_hkdf_over_label_and_framed_context(secret, context):
    info = labels.CASE_DATABASE + len(context).to_bytes(4, "big") + context
    derived = derive(CaseKey(secret), labels.CASE_DATABASE, DatabaseKey, context=context)
    assert type(derived) is DatabaseKey
    assert derived.raw == _hkdf_sha256(secret, info)


def test_derived_keys_differ_by_key_label_and_context():
    inputs = [
        (key, label, context)
        for key in (CaseKey(SECRET), CaseKey(hashlib.sha256(SECRET).digest()))
        for label in (labels.CASE_DATABASE, labels.CASE_LOG, labels.CASE_TITLE)
        for context in (b"", b"\x00", b"\x00\x00", b"a", b"ab")
    ]
    assert len({derive(key, label, RecordKey, context=context).raw for key, label, context in inputs}) == len(inputs)
